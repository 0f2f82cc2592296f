#include <assert.h>
#include <stdlib.h>

#include "gateway/lane_state.h"
#include "proto/fields.h"

#define STATE(name) (1u << JOB_##name)

/* From each state, the states that may follow. */
static const unsigned moves[JOB_STATES] = {
    [JOB_QUEUED] = STATE(SENT) | STATE(ENDED),
    [JOB_SENT] = STATE(HELD) | STATE(RUNNING) | STATE(QUEUED) | STATE(BACKOFF) | STATE(COUNTED) |
                 STATE(CANCELLING) | STATE(ENDED),
    [JOB_HELD] = STATE(RUNNING) | STATE(QUEUED) | STATE(BACKOFF) | STATE(COUNTED) |
                 STATE(CANCELLING) | STATE(ENDED),
    [JOB_RUNNING] =
        STATE(QUEUED) | STATE(BACKOFF) | STATE(COUNTED) | STATE(CANCELLING) | STATE(ENDED),
    [JOB_COUNTED] = STATE(QUEUED) | STATE(BACKOFF) | STATE(ENDED),
    [JOB_CANCELLING] = STATE(ENDED),
    [JOB_BACKOFF] = STATE(QUEUED) | STATE(ENDED),
    [JOB_ENDED] = 0,
};

/* --- lists --- */

static void list_remove(struct lane_job *job)
{
    struct job_list *list = job->list;
    if (!list) return;
    *(job->previous ? &job->previous->next : &list->first) = job->next;
    *(job->next ? &job->next->previous : &list->last) = job->previous;
    job->next = job->previous = NULL;
    job->list = NULL;
    list->count--;
}

static void list_insert(struct job_list *list, struct lane_job *job, bool front)
{
    job->list = list;
    job->previous = front ? NULL : list->last;
    job->next = front ? list->first : NULL;
    *(job->previous ? &job->previous->next : &list->first) = job;
    *(job->next ? &job->next->previous : &list->last) = job;
    list->count++;
}

static void all_insert(struct lanes *lanes, struct lane_job *job)
{
    struct lane_job **bucket = &lanes->buckets[job->id & (lanes->bucket_count - 1)];
    job->hash_next = *bucket;
    *bucket = job;
    job->all_next = lanes->all;
    if (lanes->all) lanes->all->all_previous = job;
    lanes->all = job;
    lanes->job_count++;
}

static void all_remove(struct lanes *lanes, struct lane_job *job)
{
    struct lane_job **at = &lanes->buckets[job->id & (lanes->bucket_count - 1)];
    while (*at != job) at = &(*at)->hash_next;
    *at = job->hash_next;
    *(job->all_previous ? &job->all_previous->all_next : &lanes->all) = job->all_next;
    if (job->all_next) job->all_next->all_previous = job->all_previous;
    lanes->job_count--;
}

static void buckets_grow(struct lanes *lanes)
{
    if (lanes->job_count < lanes->bucket_count) return;
    free(lanes->buckets);
    lanes->bucket_count = lanes->bucket_count ? lanes->bucket_count * 2 : 256;
    lanes->buckets = xcalloc(lanes->bucket_count, sizeof(struct lane_job *));
    for (struct lane_job *job = lanes->all; job; job = job->all_next) {
        struct lane_job **bucket = &lanes->buckets[job->id & (lanes->bucket_count - 1)];
        job->hash_next = *bucket;
        *bucket = job;
    }
}

struct lane_job *job_find(const struct lanes *lanes, uint64_t id)
{
    if (!lanes->bucket_count) return NULL;
    struct lane_job *job = lanes->buckets[id & (lanes->bucket_count - 1)];
    while (job && job->id != id) job = job->hash_next;
    return job;
}

/* --- a job's life --- */

static void copy_spec(struct lane_job *job, const struct lane_job_spec *spec)
{
    job->kind = spec->kind;
    job->stages = spec->stages;
    job->body = spec->body;
    job->bytes = body_bytes(spec->body);
    job->owner = spec->owner;
    job->affinity = spec->affinity;
    job->record = spec->record;
    job->trace = arena_copy(&job->arena, slice_of(spec->trace));
    job->op = arena_copy(&job->arena, slice_of(spec->op));
    job->author = "";
    job->version_count = spec->version_count;
    for (size_t i = 0; i < spec->version_count; i++) job->versions[i] = spec->versions[i];
}

struct lane_job *job_new(struct lanes *lanes, uint64_t id, const struct lane_job_spec *spec,
                         uint64_t now_us)
{
    static const struct meta no_meta;
    struct lane_job *job = xcalloc(1, sizeof(*job));
    copy_spec(job, spec);
    job->id = id;
    job->attempt = 1;
    job->deadline_us = now_us + spec->timeout_ms * 1000;
    job->stream.bytes_max = lanes->limits.answer_bytes_max;
    job->stream.tentative = spec->tentative;
    job->meta = &no_meta;
    token_stream_begin(&job->stream, job->attempt);
    buckets_grow(lanes);
    all_insert(lanes, job);
    job->state = JOB_BACKOFF; /* not in a list yet; QUEUED may follow */
    job->front = spec->record;
    job_move(lanes, job, JOB_QUEUED, now_us);
    return job;
}

void lane_job_forget(struct lanes *lanes, struct lane_job *job)
{
    assert(job->state == JOB_ENDED);
    list_remove(job);
    all_remove(lanes, job);
    body_unref(&job->body);
    token_stream_free(&job->stream);
    arena_free(&job->arena);
    free(job);
}

enum pool job_pool(const struct lane_job *job)
{
    return pool_of_stage(job->stages[job->stage]);
}

struct lane *job_lane(struct lanes *lanes, const struct lane_job *job)
{
    return &lanes->lane[job_pool(job)];
}

bool job_streams(const struct lane_job *job)
{
    return job->stages[job->stage] == 'G' && !job->stages[job->stage + 1];
}

bool job_is_suspect(const struct lane_job *job)
{
    return job->deaths >= SUSPECT_DEATHS;
}

bool job_is_condemned(const struct lane_job *job)
{
    return job->lone_deaths >= LONE_DEATHS_MAX;
}

/* --- moves --- */

/* The lists of a lane: redelivered jobs go to the front of the urgent one, records behind them. */
static void enter_queue(struct lanes *lanes, struct lane_job *job)
{
    struct lane *lane = job_lane(lanes, job);
    bool redelivered = job->front && !(job->record && job->attempt == 1);
    list_insert(job->front ? &lane->urgent : &lane->waiting, job, redelivered);
    lane->bytes += job->bytes;
    lane->records += job->record;
}

static void leave(struct lanes *lanes, struct lane_job *job)
{
    if (job->state == JOB_QUEUED) {
        struct lane *lane = job_lane(lanes, job);
        lane->bytes -= job->bytes;
        lane->records -= job->record;
    }
    list_remove(job);
}

static bool state_has_worker(enum job_state state)
{
    return state == JOB_SENT || state == JOB_HELD || state == JOB_RUNNING || state == JOB_COUNTED ||
           state == JOB_CANCELLING;
}

static void leave_worker(struct lane_job *job)
{
    if (!job->session) return;
    job->session->suspects -= job->as_suspect;
    job->session = NULL;
}

void job_move(struct lanes *lanes, struct lane_job *job, enum job_state state, uint64_t now_us)
{
    assert(moves[job->state] & (1u << state));
    leave(lanes, job);
    if (!state_has_worker(state)) leave_worker(job);
    job->state = state;
    job->since_us = now_us;
    if (state == JOB_QUEUED)
        enter_queue(lanes, job);
    else if (state == JOB_BACKOFF)
        list_insert(&lanes->backoff, job, false);
    else if (state == JOB_ENDED)
        list_insert(&lanes->ended, job, false);
    else
        list_insert(&job->session->jobs, job, false);
}

void job_redeliver(struct lanes *lanes, struct lane_job *job, uint64_t now_us)
{
    if (job->session) job->avoid = job->session->boot;
    job->attempt++;
    job->front = true;
    job->tack_got = 0;
    token_stream_begin(&job->stream, job->attempt);
    job_lane(lanes, job)->counters.redelivered++;
    job_move(lanes, job, JOB_QUEUED, now_us);
}

static void count_end(struct lane_counters *counters, err_t error)
{
    if (error == ERR_CANCELLED)
        counters->cancelled++;
    else if (error)
        counters->failed++;
    else
        counters->finished++;
}

void job_end(struct lanes *lanes, struct lane_job *job, err_t error, bool retryable,
             uint64_t now_us)
{
    job->error = error;
    job->retryable = retryable;
    count_end(&job_lane(lanes, job)->counters, error);
    job_move(lanes, job, JOB_ENDED, now_us);
    action_add(lanes, ACTION_END)->job = job;
}

/* --- what goes to the worker --- */

static void window_fill(const struct lanes *lanes, const struct lane_job *job, uint64_t *upto,
                        uint64_t *upto_bytes)
{
    bool draining = job->session && job->session->state == SESSION_DRAINING;
    *upto = draining ? UINT32_MAX : job->stream.next - 1 + lanes->limits.window_tokens;
    *upto_bytes =
        draining ? lanes->limits.answer_bytes_max : job->taken + lanes->limits.window_bytes;
}

void job_send(struct lanes *lanes, struct lane_job *job, struct lane_session *session,
              uint64_t now_us)
{
    enum pool pool = job_pool(job);
    job->session = session;
    session->used++;
    if (!session->asked_us) session->asked_us = now_us;
    job->as_suspect = job_is_suspect(job);
    session->suspects += job->as_suspect;
    job->queue_us[pool] += now_us - job->since_us;
    job->sent_us = now_us;
    job_move(lanes, job, JOB_SENT, now_us);
    struct lane_action *action = send_add(lanes, session, MESSAGE_JOB, job);
    struct assign_message *assign = &action->message.assign;
    action->body = body_ref(job->body);
    assign->stage = job->stage;
    assign->kind = slice_of(kind_info(job->kind)->name);
    assign->remaining_ms = job->deadline_us > now_us ? (job->deadline_us - now_us) / 1000 : 0;
    assign->versions = (struct list){job->versions, job->version_count};
    assign->op = slice_of(job->op);
    assign->trace = slice_of(job->trace);
    assign->suspect = job->as_suspect;
    if (!job_streams(job)) return;
    assign->resume_from = job->stream.answer.len;
    assign->prefix_by = slice_of(job->author);
    action->prefix = buffer_slice(&job->stream.answer);
    window_fill(lanes, job, &assign->upto, &assign->upto_bytes);
    job->tack_bytes = assign->upto_bytes;
}

void job_send_cancel(struct lanes *lanes, const struct lane_job *job)
{
    if (job->session) send_add(lanes, job->session, MESSAGE_CANCEL, job);
}

void job_tack(struct lanes *lanes, struct lane_job *job, bool at_once)
{
    uint64_t got = job->stream.next - 1, upto, upto_bytes;
    if (!job->session || !job_streams(job)) return;
    window_fill(lanes, job, &upto, &upto_bytes);
    if (!at_once && got - job->tack_got < lanes->limits.window_tokens / 4 &&
        upto_bytes - job->tack_bytes < lanes->limits.window_bytes / 4)
        return;
    struct lane_action *action = send_add(lanes, job->session, MESSAGE_TACK, job);
    action->message.tack.got = job->tack_got = got;
    action->message.tack.upto = upto;
    action->message.tack.upto_bytes = job->tack_bytes = upto_bytes;
}

void job_keep_meta(struct lane_job *job, const struct meta *meta)
{
    struct meta *kept = arena_alloc(&job->arena, sizeof(*kept));
    record_copy(meta_type(), meta, &job->arena, kept);
    job->meta = kept;
}

uint64_t lane_job_id(const struct lane_job *job)
{
    return job->id;
}

struct lane_job_view lane_job_view(const struct lane_job *job)
{
    return (struct lane_job_view){
        .owner = job->owner,
        .answer = buffer_slice(&job->stream.answer),
        .error = job->error,
        .message = job->message,
        .retryable = job->retryable,
        .answered = job->answered,
        .meta = job->meta,
        .result = job->result,
        .attempts = job->attempt,
        .queue_us = job->queue_us,
        .stage_us = job->stage_us,
    };
}
