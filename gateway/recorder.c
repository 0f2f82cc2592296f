#include "gateway/recorder.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/http_server.h"
#include "proto/codec.h"

#define BACKOFF_MS_FIRST 50
#define BACKOFF_MS_MAX   2000

struct record {
    LIST_ENTRY(record) link;
    struct recorder *recorder;
    struct body *body;
    uint64_t portfolio_id;
    uint64_t fence; /* of its claim; 0: none */
    char op[ID_SIZE];
    char trace[HTTP_REQUEST_ID_MAX + 1];
    uint64_t started_ms;
    uint64_t backoff_ms;
    struct event retry;   /* while it waits outside the lane */
    struct event timeout; /* while somebody waits for it */
    recorder_cb *on_recorded;
    void *context;
};

LIST_HEAD(records, record);

struct recorder {
    struct event_base *base;
    const struct settings *settings;
    struct lane_io *lanes;
    struct claims *claims;
    struct records records;
    size_t count;
};

/* Tells the one who waits, once. */
static void record_tell(struct record *record, const struct recorded *recorded)
{
    recorder_cb *on_recorded = record->on_recorded;
    record->on_recorded = NULL;
    event_del(&record->timeout);
    if (on_recorded) on_recorded(record->context, recorded);
}

static void record_free(struct record *record)
{
    event_del(&record->retry);
    event_del(&record->timeout);
    LIST_REMOVE(record, link);
    record->recorder->count--;
    body_unref(&record->body);
    free(record);
}

static void record_drop(struct record *record, err_t error)
{
    log_warn("turn not recorded request=%s status=%s", record->trace, error_code(error));
    metric_add(METRIC_RECORDS, 1, "dropped", NULL);
    if (error == ERR_CLAIM_LOST) {
        metric_add(METRIC_CLAIMS, 1, "fenced", NULL);
        claims_forget(record->recorder->claims, record->fence);
    } else {
        claims_release(record->recorder->claims, record->fence);
    }
    record_tell(record, NULL);
    record_free(record);
}

static void record_back_off(struct record *record, err_t error)
{
    uint64_t passed_ms = clock_ms() - record->started_ms;
    if (!error_retryable(error) || passed_ms >= record->recorder->settings->record_keep_ms) {
        record_drop(record, error);
        return;
    }
    struct timeval wait = clock_timeval_ms(record->backoff_ms);
    record->backoff_ms = MIN(record->backoff_ms * 2, (uint64_t)BACKOFF_MS_MAX);
    metric_add(METRIC_RECORDS, 1, "retried", NULL);
    event_add(&record->retry, &wait);
}

static void on_end(void *context, const struct job_end *end)
{
    struct record *record = context;
    struct arena arena = {0};
    struct recorded recorded;
    err_t error = end->error;
    if (!error) error = record_decode(recorded_type(), end->result, &arena, &recorded);
    if (error) {
        record_back_off(record, error);
    } else {
        metric_add(METRIC_RECORDS, 1, "committed", NULL);
        if (record->fence) claims_forget(record->recorder->claims, record->fence);
        record_tell(record, &recorded);
        record_free(record);
    }
    arena_free(&arena);
}

static const struct job_handler record_handler = {.on_end = on_end};

static err_t record_submit(struct record *record)
{
    uint64_t job;
    struct job_spec spec = {
        .kind = KIND_RECORD,
        .body = body_ref(record->body),
        .timeout_ms = MAX(record->recorder->settings->record_keep_ms, (uint64_t)1000),
        .affinity = record->portfolio_id,
        .trace = record->trace,
        .op = record->op,
        .record = true,
    };
    return job_submit(record->recorder->lanes, &spec, &record_handler, record, &job);
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    struct record *record = context;
    (void)fd, (void)what;
    err_t error = record_submit(record);
    if (error) record_back_off(record, error);
}

/* Nobody waits for it any more; it is still to be committed. */
static void on_timeout(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    metric_add(METRIC_RECORDS, 1, "late", NULL);
    record_tell(context, NULL);
}

static struct record *record_new(struct recorder *recorder, const struct turn *turn,
                                 const struct body *frames, const char *trace)
{
    struct record *record = xcalloc(1, sizeof(*record));
    record->recorder = recorder;
    record->portfolio_id = turn->portfolio_id;
    record->fence = turn->fence;
    record->started_ms = clock_ms();
    record->backoff_ms = BACKOFF_MS_FIRST;
    record->body = body_new();
    body_encode(record->body, FRAME_REQUEST, turn_type(), turn);
    if (frames) body_set(record->body, FRAME_EMBEDDING, body_frame(frames, FRAME_EMBEDDING));
    if (frames) body_set(record->body, FRAME_CONTEXT, body_frame(frames, FRAME_CONTEXT));
    id_ordered(record->op);
    memcpy(record->trace, trace, MIN(strlen(trace), sizeof(record->trace) - 1));
    evtimer_assign(&record->retry, recorder->base, on_retry, record);
    evtimer_assign(&record->timeout, recorder->base, on_timeout, record);
    LIST_INSERT_HEAD(&recorder->records, record, link);
    recorder->count++;
    return record;
}

bool recorder_put(struct recorder *recorder, const struct turn *turn, const struct body *frames,
                  const char *trace, recorder_cb *on_recorded, void *context)
{
    if (recorder->count >= recorder->settings->record_queue_max) {
        metric_add(METRIC_RECORDS, 1, "dropped", NULL);
        return false;
    }
    struct record *record = record_new(recorder, turn, frames, trace);
    struct timeval patience = clock_timeval_ms(recorder->settings->record_timeout_ms);
    struct timeval backoff = clock_timeval_ms(record->backoff_ms);
    record->on_recorded = on_recorded;
    record->context = context;
    if (on_recorded) event_add(&record->timeout, &patience);
    if (record_submit(record)) event_add(&record->retry, &backoff);
    return true;
}

size_t recorder_waiting(const struct recorder *recorder)
{
    return recorder->count;
}

struct recorder *recorder_new(struct event_base *base, const struct settings *settings,
                              struct lane_io *lanes, struct claims *claims)
{
    struct recorder *recorder = xcalloc(1, sizeof(*recorder));
    recorder->base = base;
    recorder->settings = settings;
    recorder->lanes = lanes;
    recorder->claims = claims;
    LIST_INIT(&recorder->records);
    return recorder;
}

void recorder_destroy(struct recorder **recorder)
{
    struct recorder *old = *recorder;
    if (!old) return;
    *recorder = NULL;
    if (old->count) log_warn("turns lost at exit count=%zu", old->count);
    while (!LIST_EMPTY(&old->records)) {
        struct record *record = LIST_FIRST(&old->records);
        record->on_recorded = NULL;
        record_free(record);
    }
    free(old);
}
