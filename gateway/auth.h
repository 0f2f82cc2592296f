/* Who may ask. AUTH_MODE=none: everybody, as tenant "default"; only on a loopback address.
 * AUTH_MODE=jwt: who brings an access token (common/access_token.h) as "Authorization: Bearer".
 *
 * What a token says is remembered under its digest, so that the next request pays for a hash and no
 * signature. Its times are looked at each time. */
#ifndef MILLRACE_GATEWAY_AUTH_H
#define MILLRACE_GATEWAY_AUTH_H

#include "common/access_token.h"
#include "common/settings.h"

struct auth;

struct caller {
    struct slice tenant, subject;
    enum scope scope;
};

/* ERR_BAD_SETTING (logged) for AUTH_MODE=none elsewhere than on a loopback address, and for a
 * JWT_SECRET that is too short. */
err_t auth_new(const struct settings *settings, struct auth **auth) MUST_USE;
void auth_destroy(struct auth **auth);

/* Judges an Authorization header (NULL: there is none) for what needs that scope. The caller's
 * texts are in the arena. TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED, SCOPE_MISSING, counted. */
err_t auth_check(struct auth *auth, const char *authorization, enum scope needed, int64_t now_ms,
                 struct arena *arena, struct caller *caller) MUST_USE;
/* What WWW-Authenticate says with such a refusal (RFC 6750), in the arena. */
const char *auth_challenge(err_t error, enum scope needed, struct arena *arena);

#endif
