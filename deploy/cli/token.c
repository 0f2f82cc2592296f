/* millrace token: writes an access token, signed with JWT_SECRET. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/access_token.h"
#include "common/clock.h"
#include "common/settings.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/duration.h"

#define TTL_S_DEFAULT 3600
#define TTL_S_MAX     (UINT64_C(10) * 366 * 86400)

static const char usage[] =
    "usage: millrace token --tenant NAME --subject NAME [--scope chat|admin] [--ttl 1h]\n"
    "\nPrints an access token for AUTH_MODE=jwt, signed with JWT_SECRET from the environment.\n"
    "--tenant is whose agents, portfolios and conversations it reaches, --subject who calls. chat\n"
    "asks and reads; admin changes things too. --ttl is a number with s, m, h or d behind it.\n";

static const struct option flags[] = {
    {"tenant", required_argument, NULL, 't'}, {"subject", required_argument, NULL, 's'},
    {"scope", required_argument, NULL, 'c'},  {"ttl", required_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},         {0},
};

static bool read_scope(const char *name, enum scope *scope)
{
    *scope = scope_find(slice_of(name));
    if (*scope == SCOPE_NONE) complain("--scope %s is wrong: allowed is chat or admin", name);
    return *scope != SCOPE_NONE;
}

static bool read_ttl(const char *text, uint64_t *ttl_s)
{
    bool good = duration_read(slice_of(text), ttl_s) && *ttl_s >= 1 && *ttl_s <= TTL_S_MAX;
    if (!good) complain("--ttl %s is wrong: allowed is 1s to 3660d, as in 90s, 15m, 1h, 30d", text);
    return good;
}

static bool read_options(int argc, char **argv, struct access *access, uint64_t *ttl_s)
{
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        bool good = true;
        switch (flag) {
        case 't': access->tenant = slice_of(optarg); break;
        case 's': access->subject = slice_of(optarg); break;
        case 'c': good = read_scope(optarg, &access->scope); break;
        case 'l': good = read_ttl(optarg, ttl_s); break;
        case 'h': fputs(usage, stdout); exit(0);
        default: good = false;
        }
        if (!good) return false;
    }
    if (optind < argc) complain("unexpected argument %s", argv[optind]);
    if (!access->tenant.ptr || !access->subject.ptr)
        complain("--tenant and --subject are needed (--help tells more)");
    return optind == argc && access->tenant.ptr && access->subject.ptr;
}

static const char *why_not(err_t error)
{
    switch (error) {
    case ERR_INVALID_FIELD:
        return "tenant and subject are 1 to 128 bytes of text without control characters";
    case ERR_BAD_SETTING: return "JWT_SECRET must be set, to at least 32 bytes";
    default: return error_text(error);
    }
}

int token_main(int argc, char **argv)
{
    struct settings settings;
    struct access access = {.scope = SCOPE_CHAT};
    struct buffer token = {0};
    uint64_t ttl_s = TTL_S_DEFAULT;
    char *environment_only[] = {argv[0], NULL};
    if (settings_load(OF_CLI, "millrace token", 1, environment_only, &settings, NULL) ||
        !read_options(argc, argv, &access, &ttl_s))
        return EXIT_USAGE;
    int64_t now_s = clock_wall_ms() / 1000;
    access.until_s = now_s + (int64_t)ttl_s;
    err_t error = access_write(&access, slice_of(settings.jwt_secret), now_s, &token);
    if (error)
        complain("no token: %s", why_not(error));
    else
        printf("%.*s\n", (int)token.len, token.data);
    buffer_free(&token);
    return error ? 1 : 0;
}
