#include "gateway/claims.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "proto/codec.h"

struct fences {
    struct claim *at;
    size_t count, capacity;
};

struct claims {
    const struct settings *settings;
    struct lane_io *lanes;
    struct fences held, released;
    struct event *due;
    bool sending; /* a batch is under way; the next one waits for it */
};

/* --- lists of fences --- */

static void fences_add(struct fences *fences, uint64_t fence)
{
    fences->at = xgrow(fences->at, &fences->capacity, fences->count + 1, sizeof(*fences->at));
    fences->at[fences->count++] = (struct claim){.fence = fence};
}

static void fences_remove(struct fences *fences, uint64_t fence)
{
    for (size_t i = 0; i < fences->count; i++)
        if (fences->at[i].fence == fence) {
            fences->at[i] = fences->at[--fences->count];
            return;
        }
}

static struct list fences_list(const struct fences *fences)
{
    return (struct list){fences->at, fences->count};
}

/* --- batches --- */

static uint64_t interval_ms(const struct claims *claims)
{
    return claims->settings->claim_lease_ms / 3;
}

/* Sets the next batch's time: at once where claims are to be freed. */
static void claims_plan(struct claims *claims)
{
    uint64_t ms = claims->released.count ? 0 : interval_ms(claims);
    struct timeval wait = clock_timeval_ms(ms);
    metric_set(METRIC_CLAIMS_HELD, (double)claims->held.count, NULL, NULL);
    if (claims->sending || (ms && evtimer_pending(claims->due, NULL))) return;
    if (claims->held.count || claims->released.count) event_add(claims->due, &wait);
}

/* What the store has given to somebody else; the commit would be refused. */
static void drop_lost(struct claims *claims, struct slice result)
{
    struct arena arena = {0};
    struct renewed renewed;
    if (!record_decode(renewed_type(), result, &arena, &renewed)) {
        const struct claim *lost = renewed.lost.items;
        for (size_t i = 0; i < renewed.lost.count; i++) fences_remove(&claims->held, lost[i].fence);
    }
    arena_free(&arena);
}

static void on_end(void *context, const struct job_end *end)
{
    struct claims *claims = context;
    claims->sending = false;
    if (end->error)
        log_warn("claims not renewed status=%s held=%zu", error_code(end->error),
                 claims->held.count);
    else
        drop_lost(claims, end->result);
    claims_plan(claims);
}

static const struct job_handler batch_handler = {.on_end = on_end};

static err_t batch_submit(struct claims *claims)
{
    struct renewal renewal = {.lease_ms = claims->settings->claim_lease_ms,
                              .held = fences_list(&claims->held),
                              .released = fences_list(&claims->released)};
    struct job_spec spec = {
        .kind = KIND_CLAIM_RENEW,
        .body = body_new(),
        .timeout_ms = interval_ms(claims),
        .trace = "claims",
        .record = true,
    };
    uint64_t job;
    body_encode(spec.body, FRAME_REQUEST, renewal_type(), &renewal);
    return job_submit(claims->lanes, &spec, &batch_handler, claims, &job);
}

static void on_due(evutil_socket_t fd, short what, void *context)
{
    struct claims *claims = context;
    (void)fd, (void)what;
    if (!claims->held.count && !claims->released.count) return;
    err_t error = batch_submit(claims);
    claims->sending = !error;
    claims->released.count = 0;
    if (!error) return;
    log_warn("claims not renewed status=%s held=%zu", error_code(error), claims->held.count);
    claims_plan(claims);
}

/* --- for the program --- */

void claims_hold(struct claims *claims, uint64_t fence)
{
    fences_add(&claims->held, fence);
    claims_plan(claims);
}

void claims_forget(struct claims *claims, uint64_t fence)
{
    fences_remove(&claims->held, fence);
    claims_plan(claims);
}

void claims_release(struct claims *claims, uint64_t fence)
{
    if (!fence) return;
    fences_remove(&claims->held, fence);
    fences_add(&claims->released, fence);
    claims_plan(claims);
}

size_t claims_releasing(const struct claims *claims)
{
    return claims->released.count;
}

struct claims *claims_new(struct event_base *base, const struct settings *settings,
                          struct lane_io *lanes)
{
    struct claims *claims = xcalloc(1, sizeof(*claims));
    claims->settings = settings;
    claims->lanes = lanes;
    claims->due = evtimer_new(base, on_due, claims);
    return claims;
}

void claims_destroy(struct claims **claims)
{
    struct claims *old = *claims;
    if (!old) return;
    *claims = NULL;
    event_free(old->due);
    free(old->held.at);
    free(old->released.at);
    free(old);
}
