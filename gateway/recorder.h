/* Turns on their way into the store.
 *
 *     recorder_put ─ RECORD job ─┬─ committed ─────────────────────────────┬─ on_recorded
 *                       ▲        └─ failed, retryable ─ back-off ─┐        │
 *                       └─────────────────────────────────────────┘        │
 *     RECORD_TIMEOUT_MS without a commit ──────────────────────────────────┤ (keeps trying)
 *     RECORD_KEEP_MS passed, another failure, RECORD_QUEUE_MAX reached ────┘ (dropped, counted)
 *
 * All tries of a turn carry one operation id, so that it is stored once. A turn's claim is held
 * until the turn is committed or dropped. */
#ifndef MILLRACE_GATEWAY_RECORDER_H
#define MILLRACE_GATEWAY_RECORDER_H

#include <event2/event.h>

#include "common/settings.h"
#include "gateway/claims.h"
#include "gateway/lane_io.h"
#include "proto/records.h"

struct recorder;

struct recorder *recorder_new(struct event_base *base, const struct settings *settings,
                              struct lane_io *lanes, struct claims *claims);
/* Turns not yet committed are lost; they are counted and logged. */
void recorder_destroy(struct recorder **recorder);

/* Tells whether the turn was committed in time; `recorded` is NULL if not. Valid during the call.
 * Not called from inside recorder_put. */
typedef void recorder_cb(void *context, const struct recorded *recorded);

/* Takes a turn (copied) and its claim. Of `frames` (NULL for a turn that is not `semantic`) the
 * embedding and the context go with it. `on_recorded` may be NULL, else it is called exactly once
 * if true is returned. False when too many turns wait: it is dropped, the claim stays the caller's.
 */
bool recorder_put(struct recorder *recorder, const struct turn *turn, const struct body *frames,
                  const char *trace, recorder_cb *on_recorded, void *context) MUST_USE;
/* Turns not yet committed. */
size_t recorder_waiting(const struct recorder *recorder);

#endif
