#include "gateway/redis_url.h"

#include <stdlib.h>

#include "common/text.h"

enum { DATABASE_MAX = 65535, PORT_MAX = 65535 };

/* A part, percent-decoded; NULL where a % is followed by no two digits, or stands for NUL. */
static char *decoded(struct slice part)
{
    char *text = xmalloc(part.len + 1), *out = text;
    for (size_t i = 0; i < part.len; i++) {
        *out = part.ptr[i];
        if (*out == '%') {
            int high = i + 2 < part.len ? text_hex_digit(part.ptr[i + 1]) : -1;
            int low = i + 2 < part.len ? text_hex_digit(part.ptr[i + 2]) : -1;
            *out = (char)(high * 16 + low);
            if (high < 0 || low < 0 || !*out) return free(text), NULL;
            i += 2;
        }
        out++;
    }
    *out = '\0';
    return text;
}

/* Takes what is before the first `mark` off the front of *text; false where there is none. */
static bool take_until(struct slice *text, char mark, struct slice *part)
{
    const char *at = memchr(text->ptr, mark, text->len);
    if (!at) return false;
    *part = (struct slice){text->ptr, (size_t)(at - text->ptr)};
    *text = (struct slice){at + 1, text->len - part->len - 1};
    return true;
}

static bool read_number(struct slice text, unsigned max, unsigned *number)
{
    unsigned long value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        value = value * 10 + (unsigned long)(text.ptr[i] - '0');
        if (value > max) return false;
    }
    *number = (unsigned)value;
    return text.len > 0;
}

/* --- parts, from the front --- */

static const char *read_user(struct slice *rest, struct redis_url *url)
{
    struct slice account, user;
    const char *at = memrchr(rest->ptr, '@', rest->len); /* a password may hold one */
    if (!at) return NULL;
    account = (struct slice){rest->ptr, (size_t)(at - rest->ptr)};
    *rest = (struct slice){at + 1, rest->len - account.len - 1};
    if (!take_until(&account, ':', &user)) return "before the @ it wants [user]:password";
    if (user.len && !(url->user = decoded(user))) return "its user is not percent-encoded";
    if (!(url->password = decoded(account))) return "its password is not percent-encoded";
    return NULL;
}

static const char *read_database(struct slice *rest, struct redis_url *url)
{
    struct slice database = *rest, host;
    if (!take_until(&database, '/', &host)) return NULL;
    *rest = host;
    if (database.len && !read_number(database, DATABASE_MAX, &url->database))
        return "its database is not a number";
    return NULL;
}

/* An IPv6 address stands in brackets. */
static const char *read_host(struct slice rest, struct redis_url *url)
{
    struct slice host = rest, port = {0};
    if (rest.len && *rest.ptr == '[') {
        rest = (struct slice){rest.ptr + 1, rest.len - 1};
        if (!take_until(&rest, ']', &host)) return "its [ has no ]";
        if (rest.len && *rest.ptr != ':') return "after the ] it wants :port";
        if (rest.len) port = (struct slice){rest.ptr + 1, rest.len - 1};
    } else if (take_until(&rest, ':', &host)) {
        port = rest;
    }
    if (!host.len) return "it names no host";
    if (port.ptr && (!read_number(port, PORT_MAX, &url->port) || !url->port))
        return "its port is not a number up to 65535";
    return (url->host = decoded(host)) ? NULL : "its host is not percent-encoded";
}

err_t redis_url_parse(const char *text, struct redis_url *url, const char **why)
{
    static const char scheme[] = "redis://";
    struct redis_url read = {.port = REDIS_PORT};
    struct slice rest = slice_of(text);
    *why = "it does not start with redis://";
    if (rest.len >= strlen(scheme) && !memcmp(text, scheme, strlen(scheme))) {
        rest = slice_of(text + strlen(scheme));
        *why = read_user(&rest, &read);
        if (!*why) *why = read_database(&rest, &read);
        if (!*why) *why = read_host(rest, &read);
    }
    if (*why) {
        redis_url_free(&read);
        return ERR_BAD_SETTING;
    }
    *url = read;
    return OK;
}

void redis_url_free(struct redis_url *url)
{
    free(url->user);
    free(url->password);
    free(url->host);
    *url = (struct redis_url){0};
}
