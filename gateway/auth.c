#include "gateway/auth.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

#include "common/log.h"
#include "common/metrics.h"
#include "common/sha256.h"
#include "gateway/lru.h"

#define REMEMBERED_BYTES_MAX (8 * MIB)

struct auth {
    const struct settings *settings;
    bool open; /* nobody has to say who they are */
    struct lru *remembered;
};

/* --- settings that belong together --- */

static bool is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (!strcmp(address, "localhost")) return true;
    if (inet_pton(AF_INET, address, &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static err_t check_settings(const struct settings *settings, bool open)
{
    if (open && !is_loopback(settings->http_address)) {
        log_error("AUTH_MODE=none lets everybody in: it needs a loopback HTTP_ADDRESS, not %s",
                  settings->http_address);
        return ERR_BAD_SETTING;
    }
    if (!open && strlen(settings->jwt_secret) < ACCESS_SECRET_BYTES_MIN) {
        log_error("AUTH_MODE=jwt needs a JWT_SECRET of at least %d bytes", ACCESS_SECRET_BYTES_MIN);
        return ERR_BAD_SETTING;
    }
    return OK;
}

err_t auth_new(const struct settings *settings, struct auth **out)
{
    bool open = !strcmp(settings->auth_mode, "none");
    err_t error = check_settings(settings, open);
    if (error) return error;
    struct auth *auth = xcalloc(1, sizeof(*auth));
    auth->settings = settings;
    auth->open = open;
    auth->remembered = lru_new(REMEMBERED_BYTES_MAX);
    *out = auth;
    return OK;
}

void auth_destroy(struct auth **at)
{
    struct auth *auth = *at;
    *at = NULL;
    if (!auth) return;
    lru_destroy(&auth->remembered);
    free(auth);
}

/* --- what a token says --- */

/* As it is remembered, with the tenant's and the subject's bytes behind it. */
struct remembered {
    int64_t from_s, until_s;
    enum scope scope;
    uint32_t tenant_len, subject_len;
};

static bool recall(struct auth *auth, const uint8_t *digest, uint64_t now_ms, struct arena *arena,
                   struct access *access)
{
    struct slice kept = lru_get(auth->remembered, digest, now_ms);
    struct remembered said;
    if (!kept.ptr) return false;
    memcpy(&said, kept.ptr, sizeof(said));
    struct slice tenant = {kept.ptr + sizeof(said), said.tenant_len};
    struct slice subject = {tenant.ptr + tenant.len, said.subject_len};
    *access = (struct access){arena_slice(arena, tenant), arena_slice(arena, subject), said.scope,
                              said.from_s, said.until_s};
    return true;
}

/* Until a little after it has expired: so long is that its error. */
static void remember(struct auth *auth, const uint8_t *digest, uint64_t now_ms,
                     const struct access *access)
{
    struct remembered said = {access->from_s, access->until_s, access->scope,
                              (uint32_t)access->tenant.len, (uint32_t)access->subject.len};
    uint64_t skew_s = auth->settings->jwt_clock_skew_s;
    struct buffer kept = {0};
    buffer_append(&kept, &said, sizeof(said));
    buffer_append_slice(&kept, access->tenant);
    buffer_append_slice(&kept, access->subject);
    lru_put(auth->remembered, digest, buffer_slice(&kept),
            ((uint64_t)access->until_s + 2 * skew_s) * 1000, now_ms);
    buffer_free(&kept);
}

static err_t read_token(struct auth *auth, struct slice token, uint64_t now_ms, struct arena *arena,
                        struct access *access)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 sha;
    sha256_init(&sha);
    sha256_add(&sha, token);
    sha256_end(&sha, digest);
    if (recall(auth, digest, now_ms, arena, access)) return OK;
    err_t error = access_read(token, slice_of(auth->settings->jwt_secret), arena, access);
    if (!error) remember(auth, digest, now_ms, access);
    return error;
}

/* --- the verdict --- */

static bool find_token(const char *authorization, struct slice *token)
{
    static const char scheme[] = "Bearer ";
    if (!authorization || strncasecmp(authorization, scheme, strlen(scheme)) != 0) return false;
    authorization += strlen(scheme);
    authorization += strspn(authorization, " ");
    *token = (struct slice){authorization, strcspn(authorization, " \t")};
    return token->len > 0;
}

static err_t judge(struct auth *auth, const char *authorization, enum scope needed, int64_t now_ms,
                   struct arena *arena, struct caller *caller)
{
    struct slice token;
    struct access access;
    if (!find_token(authorization, &token)) return ERR_TOKEN_MISSING;
    err_t error = read_token(auth, token, (uint64_t)now_ms, arena, &access);
    if (!error)
        error =
            access_check_time(&access, now_ms / 1000, (int64_t)auth->settings->jwt_clock_skew_s);
    if (!error && access.scope < needed) error = ERR_SCOPE_MISSING;
    if (!error) *caller = (struct caller){access.tenant, access.subject, access.scope};
    return error;
}

err_t auth_check(struct auth *auth, const char *authorization, enum scope needed, int64_t now_ms,
                 struct arena *arena, struct caller *caller)
{
    if (auth->open) {
        *caller = (struct caller){SLICE("default"), SLICE(""), SCOPE_ADMIN};
        return OK;
    }
    err_t error = judge(auth, authorization, needed, now_ms, arena, caller);
    if (error) metric_add(METRIC_AUTH_REFUSALS, 1, error_code(error), NULL);
    return error;
}

const char *auth_challenge(err_t error, enum scope needed, struct arena *arena)
{
    static const char realm[] = "Bearer realm=\"millrace\"";
    if (error == ERR_TOKEN_MISSING) return realm;
    if (error == ERR_SCOPE_MISSING)
        return arena_printf(arena, "%s, error=\"insufficient_scope\", scope=\"%s\"", realm,
                            scope_name(needed));
    return arena_printf(arena, "%s, error=\"invalid_token\", error_description=\"%s\"", realm,
                        error_text(error));
}
