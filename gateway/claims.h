/* The claims that this gateway holds: renewed in one batch, every third of their lease.
 *
 *     claims_hold ─▶ held ─┬─ claims_forget ───▶ (the store has freed it, or given it to another)
 *                    ▲  │  └─ claims_release ──▶ freed in the store, at once
 *                    └──┘ batch
 *
 * A batch that fails is not repeated before its time: a lease outlives two of them. What could not
 * be released ends with its lease. */
#ifndef MILLRACE_GATEWAY_CLAIMS_H
#define MILLRACE_GATEWAY_CLAIMS_H

#include <event2/event.h>

#include "common/settings.h"
#include "gateway/lane_io.h"

struct claims;

struct claims *claims_new(struct event_base *base, const struct settings *settings,
                          struct lane_io *lanes);
/* Call it after the lanes are gone. */
void claims_destroy(struct claims **claims);

/* Renews the claim of that fence from here on. */
void claims_hold(struct claims *claims, uint64_t fence);
/* Renews it no more. */
void claims_forget(struct claims *claims, uint64_t fence);
/* Frees it: its question ended without a turn. A fence of 0 is ignored. */
void claims_release(struct claims *claims, uint64_t fence);
/* Claims that are still to be released. */
size_t claims_releasing(const struct claims *claims);

#endif
