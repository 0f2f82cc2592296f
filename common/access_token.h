/* Access tokens: JSON Web Tokens (RFC 7519) that say who calls and what they may do. Both
 * directions of one message: the gateway reads what `millrace token` or a team's own service
 * writes.
 *
 *     {"alg":"HS256","typ":"JWT"} . {"sub":"ana","tenant":"acme","scope":"chat","exp":…} . MAC
 *
 * `sub`, `tenant` and `exp` must be there, `nbf` may be. `scope` holds words with spaces between
 * them, of which chat and admin are known. The algorithm is pinned: a token that names another one,
 * or none, is no token, whatever it was signed with. */
#ifndef MILLRACE_COMMON_ACCESS_TOKEN_H
#define MILLRACE_COMMON_ACCESS_TOKEN_H

#include "common/arena.h"
#include "common/buffer.h"
#include "common/errors.h"

#define ACCESS_SECRET_BYTES_MIN 32  /* RFC 7518: no shorter than the MAC */
#define ACCESS_NAME_BYTES_MAX   128 /* of a tenant or a subject */

/* What a caller may do; each includes those before it. */
enum scope { SCOPE_NONE, SCOPE_CHAT, SCOPE_ADMIN };

struct access {
    struct slice tenant, subject;
    enum scope scope;
    int64_t from_s, until_s; /* nbf (0: not given) and exp: seconds since 1970 */
};

/* Reads a token that was signed with the secret, whenever it is valid. Texts are in the arena.
 * ERR_TOKEN_INVALID. */
err_t access_read(struct slice token, struct slice secret, struct arena *arena,
                  struct access *access) MUST_USE;
/* Whether it is valid now, on clocks that differ by up to `skew_s`. ERR_TOKEN_EXPIRED,
 * ERR_TOKEN_INVALID for one that is not valid yet. */
err_t access_check_time(const struct access *access, int64_t now_s, int64_t skew_s) MUST_USE;
/* Appends the token that says so. ERR_INVALID_FIELD for a name that access_read would refuse;
 * ERR_BAD_SETTING for a secret that is too short. */
err_t access_write(const struct access *access, struct slice secret, int64_t now_s,
                   struct buffer *out) MUST_USE;

/* The scope of that name, SCOPE_NONE for none; and the name of a scope. */
enum scope scope_find(struct slice name);
const char *scope_name(enum scope scope);

#endif
