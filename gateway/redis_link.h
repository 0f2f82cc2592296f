/* Redis on the loop, and never in the way: every call is answered within REDIS_TIMEOUT_MS, whatever
 * Redis does.
 *
 *     redis_get ─┬─ pipelined on one of REDIS_MAX_CONNECTIONS ─┬─ value ───────▶ REDIS_HIT
 *                │                                             ├─ nil ─────────▶ REDIS_MISS
 *                │                                             └─ late, error ─▶ REDIS_AWAY
 *                └─ breaker open, no Redis configured ─────────────────────────▶ REDIS_AWAY, at
 * once
 *
 * A late answer, a lost connection, a wrong password, a full memory and a reply of another type all
 * count against the breaker; while it is open nothing is asked, and a PING probes. Names are
 * resolved off the loop. */
#ifndef MILLRACE_GATEWAY_REDIS_LINK_H
#define MILLRACE_GATEWAY_REDIS_LINK_H

#include <event2/event.h>

#include "common/errors.h"
#include "common/settings.h"

struct redis_link;

enum redis_outcome { REDIS_HIT, REDIS_MISS, REDIS_AWAY };

/* The value is valid during the call; empty unless REDIS_HIT. */
typedef void redis_cb(void *context, enum redis_outcome outcome, struct slice value);

/* Reads REDIS_URL (redis://[[user]:password@]host[:port][/database]; empty: there is none),
 * REDIS_MAX_CONNECTIONS, REDIS_TIMEOUT_MS. ERR_BAD_SETTING for a URL that is none (logged without
 * its password). */
err_t redis_link_new(struct event_base *base, const struct settings *settings,
                     struct redis_link **link) MUST_USE;
/* Calls that wait are answered REDIS_AWAY. */
void redis_link_destroy(struct redis_link **link);

/* Each calls back exactly once, perhaps before it returns. Keys and values are copied. */
void redis_get(struct redis_link *link, struct slice key, redis_cb *callback, void *context);
/* Without an answer: what is lost is counted. ttl_s 0: for ever. */
void redis_set(struct redis_link *link, struct slice key, struct slice value, uint64_t ttl_s);
void redis_delete(struct redis_link *link, struct slice key);
/* Runs a script of one key and two arguments, as one step. The value is what it answers as text. */
void redis_eval(struct redis_link *link, const char *script, struct slice key,
                const struct slice arguments[2], redis_cb *callback, void *context);
/* Messages that any gateway publishes on the channel. One subscription a link; renewed after a
 * reconnect, when `on_message` is called once with an empty message: something may have been
 * missed. */
void redis_subscribe(struct redis_link *link, const char *channel,
                     void (*on_message)(void *context, struct slice message), void *context);
void redis_publish(struct redis_link *link, const char *channel, struct slice message);

/* True while calls are answered. */
bool redis_available(const struct redis_link *link);

#endif
