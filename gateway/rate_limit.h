/* How often a tenant's subject may ask: RATE_LIMIT_PER_MINUTE in the long run, RATE_LIMIT_BURST at
 * once.
 *
 *     rate_limit_take ─┬─ Redis, one step for all gateways ─┬─ its debt ──────▶ verdict
 *                      │                                    └─ away, late ─┐
 *                      └─ no Redis ────────────────────────────────────────┴─▶ this gateway's own
 *
 * This gateway keeps in step with what Redis says, so that nobody starts anew when Redis blinks.
 * Then each gateway counts what it sees: with several of them a caller may ask that many times as
 * often until Redis is back. */
#ifndef MILLRACE_GATEWAY_RATE_LIMIT_H
#define MILLRACE_GATEWAY_RATE_LIMIT_H

#include "common/settings.h"
#include "gateway/auth.h"
#include "gateway/gcra.h"
#include "gateway/redis_link.h"

struct rate_limit;

struct rate_limit *rate_limit_new(const struct settings *settings, struct redis_link *redis);
/* Call it after the link is gone, since it calls back. */
void rate_limit_destroy(struct rate_limit **limit);

/* False where nothing is limited. */
bool rate_limit_is_on(const struct rate_limit *limit);
/* Requests that may come at once. */
uint64_t rate_limit_burst(const struct rate_limit *limit);
/* Takes one request of this caller. Calls back exactly once, perhaps before it returns. */
void rate_limit_take(struct rate_limit *limit, const struct caller *caller,
                     void (*on_verdict)(void *context, const struct gcra_verdict *verdict),
                     void *context);

#endif
