#include "common/access_token.h"

#include <jansson.h>
#include <jwt.h>
#include <stdlib.h>

#include "common/text.h"

/* Algorithms with key pairs get their places here, beside keys of their own. */
#define ALGORITHM JWT_ALG_HS256
#define TIME_MAX  253402300799.0 /* the end of the year 9999 */

/* --- scopes --- */

static const char *const scope_names[] = {
    [SCOPE_NONE] = "", [SCOPE_CHAT] = "chat", [SCOPE_ADMIN] = "admin"};

enum scope scope_find(struct slice name)
{
    for (size_t i = SCOPE_CHAT; i < ARRAY_LEN(scope_names); i++)
        if (slice_equal(name, slice_of(scope_names[i]))) return (enum scope)i;
    return SCOPE_NONE;
}

const char *scope_name(enum scope scope)
{
    return scope_names[scope];
}

/* The widest of those that are named. */
static enum scope widest_scope(struct slice names)
{
    enum scope widest = SCOPE_NONE;
    while (names.len) {
        const char *space = memchr(names.ptr, ' ', names.len);
        size_t len = space ? (size_t)(space - names.ptr) : names.len;
        widest = MAX(widest, scope_find((struct slice){names.ptr, len}));
        len += space != NULL;
        names = (struct slice){names.ptr + len, names.len - len};
    }
    return widest;
}

/* --- claims --- */

/* Names become parts of keys and of log lines. */
static bool is_name(struct slice name)
{
    if (!name.len || name.len > ACCESS_NAME_BYTES_MAX || !text_valid(name)) return false;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < ' ' || name.ptr[i] == 0x7f) return false;
    return true;
}

static bool read_name(const json_t *claims, const char *member, struct arena *arena,
                      struct slice *name)
{
    struct slice text = slice_of(json_string_value(json_object_get(claims, member)));
    if (!is_name(text)) return false;
    *name = arena_slice(arena, text);
    return true;
}

/* A NumericDate may have a fraction. `time_s` stays where there is no such claim. */
static bool read_time(const json_t *claims, const char *member, int64_t *time_s)
{
    const json_t *value = json_object_get(claims, member);
    double number = json_number_value(value);
    if (!value) return true;
    if (!json_is_number(value) || !(number > 0 && number <= TIME_MAX)) return false;
    *time_s = (int64_t)number;
    return true;
}

static err_t read_claims(const json_t *claims, struct arena *arena, struct access *access)
{
    struct access read = {0};
    const json_t *scope = json_object_get(claims, "scope");
    if (!read_name(claims, "tenant", arena, &read.tenant) ||
        !read_name(claims, "sub", arena, &read.subject) ||
        !read_time(claims, "exp", &read.until_s) || !read_time(claims, "nbf", &read.from_s) ||
        !read.until_s || (scope && !json_is_string(scope)))
        return ERR_TOKEN_INVALID;
    read.scope = widest_scope(slice_of(json_string_value(scope)));
    *access = read;
    return OK;
}

/* --- in --- */

/* What libjwt gives as text, which is freed. NULL where there is none. */
static json_t *json_of(char *text)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return json;
}

/* RFC 7515: who does not know what is critical refuses it; nothing critical is known here. */
static bool has_critical(jwt_t *jwt)
{
    json_t *header = json_of(jwt_get_headers_json(jwt, NULL));
    bool critical = !header || json_object_get(header, "crit");
    json_decref(header);
    return critical;
}

err_t access_read(struct slice token, struct slice secret, struct arena *arena,
                  struct access *access)
{
    jwt_t *jwt = NULL;
    err_t error = ERR_TOKEN_INVALID;
    if (!text_valid(token) || jwt_decode(&jwt, arena_copy(arena, token),
                                         (const unsigned char *)secret.ptr, (int)secret.len))
        return error;
    if (jwt_get_alg(jwt) == ALGORITHM && !has_critical(jwt)) {
        json_t *claims = json_of(jwt_get_grants_json(jwt, NULL));
        if (claims) error = read_claims(claims, arena, access);
        json_decref(claims);
    }
    jwt_free(jwt);
    return error;
}

err_t access_check_time(const struct access *access, int64_t now_s, int64_t skew_s)
{
    if (now_s >= access->until_s + skew_s) return ERR_TOKEN_EXPIRED;
    return now_s < access->from_s - skew_s ? ERR_TOKEN_INVALID : OK;
}

/* --- out --- */

static json_t *claims_of(const struct access *access, int64_t now_s)
{
    return json_pack("{s:s%,s:s%,s:s,s:I,s:I}", "sub", access->subject.ptr, access->subject.len,
                     "tenant", access->tenant.ptr, access->tenant.len, "scope",
                     scope_name(access->scope), "iat", (json_int_t)now_s, "exp",
                     (json_int_t)access->until_s);
}

static char *encode(const char *claims, struct slice secret)
{
    jwt_t *jwt = NULL;
    char *token = NULL;
    if (!jwt_new(&jwt) && !jwt_add_grants_json(jwt, claims) &&
        !jwt_set_alg(jwt, ALGORITHM, (const unsigned char *)secret.ptr, (int)secret.len))
        token = jwt_encode_str(jwt);
    jwt_free(jwt);
    return token;
}

err_t access_write(const struct access *access, struct slice secret, int64_t now_s,
                   struct buffer *out)
{
    if (!is_name(access->tenant) || !is_name(access->subject)) return ERR_INVALID_FIELD;
    if (secret.len < ACCESS_SECRET_BYTES_MIN) return ERR_BAD_SETTING;
    json_t *claims = claims_of(access, now_s);
    char *text = json_dumps(claims, JSON_COMPACT);
    char *token = encode(text, secret);
    json_decref(claims);
    free(text);
    if (token) buffer_append_text(out, token);
    free(token);
    return token ? OK : ERR_INTERNAL;
}
