/* The switches that roll a feature back, live: one set for all gateways, kept across restarts.
 *
 *     PUT /api/flags ─▶ in force here ─▶ FLAGS_FILE
 *                            │
 *                            └─▶ Redis: key and channel ─▶ every other gateway, at once
 *
 * Every set carries when it was made, and the newest wins: at start (Redis or the file), after a
 * message that was missed, after Redis came back empty. */
#ifndef MILLRACE_GATEWAY_FLAGS_H
#define MILLRACE_GATEWAY_FLAGS_H

#include <event2/event.h>

#include "common/settings.h"
#include "gateway/redis_link.h"
#include "proto/records.h"

struct flags_store;

/* All on, then what FLAGS_FILE and Redis say. Settings and link must live on; the link is
 * destroyed first, since it calls back. */
struct flags_store *flags_new(struct event_base *base, const struct settings *settings,
                              struct redis_link *redis);
void flags_destroy(struct flags_store **flags);
/* What is in force; the pointer stays good. */
const struct flags *flags_now(const struct flags_store *flags);
/* Sets the switches whose bit is set in `change->present`. `by` is the request's id, for the log.
 */
void flags_change(struct flags_store *flags, const struct flags *change, const char *by);

#endif
