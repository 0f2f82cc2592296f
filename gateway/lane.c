#include "gateway/lane.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/lane_state.h"

struct lanes *lanes_new(const struct lane_limits *limits, uint64_t now_us)
{
    struct lanes *lanes = xcalloc(1, sizeof(*lanes));
    lanes->limits = *limits;
    for (int pool = 0; pool < POOL_COUNT; pool++) lanes->lane[pool].empty_since_us = now_us;
    return lanes;
}

void lanes_destroy(struct lanes **at)
{
    struct lanes *lanes = *at;
    *at = NULL;
    if (!lanes) return;
    lane_actions_clear(lanes);
    while (lanes->all) {
        struct lane_job *job = lanes->all;
        if (job->state != JOB_ENDED) job_move(lanes, job, JOB_ENDED, 0);
        lane_job_forget(lanes, job);
    }
    sessions_free(lanes);
    free(lanes->buckets);
    free(lanes->actions);
    free(lanes);
}

/* --- actions --- */

struct lane_action *action_add(struct lanes *lanes, enum lane_action_type type)
{
    lanes->actions = xgrow(lanes->actions, &lanes->action_capacity, lanes->action_count + 1,
                           sizeof(struct lane_action));
    struct lane_action *action = &lanes->actions[lanes->action_count++];
    memset(action, 0, sizeof(*action));
    action->type = type;
    return action;
}

struct lane_action *send_add(struct lanes *lanes, const struct lane_session *session,
                             enum message_type type, const struct lane_job *job)
{
    struct lane_action *action = action_add(lanes, ACTION_SEND);
    action->pool = session->pool;
    action->session = session->id;
    action->message.type = type;
    action->message.job = job ? job->id : 0;
    action->message.attempt = job ? job->attempt : 0;
    return action;
}

const struct lane_action *lane_actions(const struct lanes *lanes, size_t *count)
{
    *count = lanes->action_count;
    return lanes->actions;
}

void lane_actions_clear(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->action_count; i++) body_unref(&lanes->actions[i].body);
    lanes->action_count = 0;
}

/* --- the client's side --- */

static bool lane_is_full(const struct lanes *lanes, enum pool pool,
                         const struct lane_job_spec *spec, uint64_t now_us)
{
    const struct lane *lane = &lanes->lane[pool];
    const struct lane_limits *limits = &lanes->limits;
    const struct lane_job *oldest = lane->waiting.first;
    if (spec->record) return lane->records >= limits->records_max;
    return lane->urgent.count + lane->waiting.count >= limits->jobs_max ||
           lane->bytes + body_bytes(spec->body) > limits->bytes_max ||
           (oldest && now_us - oldest->since_us > limits->age_max_ms * 1000);
}

static err_t admission(const struct lanes *lanes, const struct lane_job_spec *spec, uint64_t now_us)
{
    if (lanes->closed || (lanes->draining && !spec->record)) return ERR_DRAINING;
    for (const char *stage = spec->stages; *stage; stage++) {
        enum pool pool = pool_of_stage(*stage);
        const struct lane *lane = &lanes->lane[pool];
        if (lane_is_full(lanes, pool, spec, now_us)) return ERR_LANE_FULL;
        if (!lane->session_count &&
            now_us - lane->empty_since_us > lanes->limits.no_worker_ms * 1000)
            return ERR_NO_WORKER;
    }
    return OK;
}

static err_t on_submit(struct lanes *lanes, const struct lane_event *event, uint64_t now_us)
{
    err_t error = admission(lanes, event->spec, now_us);
    struct body *body = event->spec->body;
    if (error) {
        lanes->lane[pool_of_stage(event->spec->stages[0])].counters.refused++;
        body_unref(&body);
        return error;
    }
    struct lane_job *job = job_new(lanes, event->job, event->spec, now_us);
    job_lane(lanes, job)->counters.submitted++;
    lane_dispatch(lanes, job_pool(job), now_us);
    return OK;
}

static void on_cancel(struct lanes *lanes, struct lane_job *job, uint64_t now_us)
{
    switch (job->state) {
    case JOB_SENT:
    case JOB_HELD:
    case JOB_RUNNING:
        job_send_cancel(lanes, job);
        job_move(lanes, job, JOB_CANCELLING, now_us);
        break;
    case JOB_COUNTED:
        job_send_cancel(lanes, job);
        job_end(lanes, job, ERR_CANCELLED, false, now_us);
        break;
    case JOB_QUEUED:
    case JOB_BACKOFF: job_end(lanes, job, ERR_CANCELLED, false, now_us); break;
    case JOB_CANCELLING:
    case JOB_ENDED:
    case JOB_STATES: break;
    }
}

static void on_taken(struct lanes *lanes, struct lane_job *job, uint64_t bytes)
{
    job->taken = MAX(job->taken, MIN(bytes, job->stream.answer.len));
    job_tack(lanes, job, false);
}

/* --- the worker's side --- */

/* Ends the job as its worker said, once every counted token is there. */
static void finish_if_complete(struct lanes *lanes, struct lane_job *job, uint64_t now_us)
{
    if (job->state != JOB_COUNTED || !token_stream_complete(&job->stream)) return;
    bool continued = slice_equal(job->meta->written_by, slice_of(job->author));
    if (!job->error && token_stream_short(&job->stream) && !(job->stream.count == 0 && continued)) {
        job->error = ERR_STREAM_INTERRUPTED;
        job->retryable = true;
    }
    if (job->stream.count > job->tack_got) job_tack(lanes, job, true); /* lets the ring go */
    job_end(lanes, job, job->error, job->retryable, now_us);
}

static void stage_done(struct lane_job *job, uint64_t now_us)
{
    job->stage_us[job_pool(job)] += now_us - job->sent_us;
}

static void report_version(struct lanes *lanes, const char *kind, uint64_t id, uint64_t version)
{
    struct lane_action *action;
    if (!id || !version) return;
    action = action_add(lanes, ACTION_VERSION);
    action->version = (struct version_of){.kind = slice_of(kind), .id = id, .version = version};
}

static void on_accept(struct lanes *lanes, struct lane_job *job, const struct lane_event *event,
                      uint64_t now_us)
{
    (void)event;
    if (job->state == JOB_SENT || job->state == JOB_HELD) job_move(lanes, job, JOB_RUNNING, now_us);
}

static void on_held(struct lanes *lanes, struct lane_job *job, const struct lane_event *event,
                    uint64_t now_us)
{
    (void)event;
    if (job->state == JOB_SENT) job_move(lanes, job, JOB_HELD, now_us);
}

static void on_next(struct lanes *lanes, struct lane_job *job, const struct lane_event *event,
                    uint64_t now_us)
{
    const struct meta *meta = &event->message->next.meta;
    enum pool pool = job_pool(job);
    if (!job->stages[job->stage + 1]) {
        job_send_cancel(lanes, job);
        job_end(lanes, job, ERR_BAD_FRAME, false, now_us);
        return;
    }
    stage_done(job, now_us);
    body_unref(&job->body);
    job->body = body_ref(event->body);
    job->bytes = body_bytes(job->body);
    struct lane_action *action = action_add(lanes, ACTION_STAGE);
    action->job = job;
    action->pool = pool;
    action->meta = meta;
    action->body = body_ref(job->body);
    report_version(lanes, "portfolio", job->affinity, meta->portfolio_version);
    job->stage++;
    job->attempt++;
    job->front = job->record;
    job->deaths = job->lone_deaths = job->requeues = 0;
    job->avoid = 0;
    job->refuser_count = 0;
    token_stream_begin(&job->stream, job->attempt);
    if (job->state == JOB_SENT) job_move(lanes, job, JOB_RUNNING, now_us);
    job_move(lanes, job, JOB_QUEUED, now_us);
    lane_dispatch(lanes, job_pool(job), now_us);
}

static void on_answer(struct lanes *lanes, struct lane_job *job, const struct lane_event *event,
                      uint64_t now_us)
{
    const struct meta *meta = &event->message->answer.meta;
    stage_done(job, now_us);
    job_keep_meta(job, meta);
    report_version(lanes, "portfolio", job->affinity, meta->portfolio_version);
    job->answered = true;
    job->result = arena_slice(&job->arena, event->result);
    job_end(lanes, job, OK, false, now_us);
}

/* Tokens that came with their count are not kept by the worker: it waits for no TACK. */
static void count_tokens(struct lane_job *job, uint64_t count, bool tail, uint64_t now_us)
{
    if (tail) job->tack_got = job->stream.next - 1;
    token_stream_count(&job->stream, count, now_us / 1000);
}

static void on_done(struct lanes *lanes, struct lane_job *job, const struct lane_event *event,
                    uint64_t now_us)
{
    stage_done(job, now_us);
    job_keep_meta(job, &event->message->done.meta);
    count_tokens(job, event->message->done.count, event->tail, now_us);
    job_move(lanes, job, JOB_COUNTED, now_us);
    finish_if_complete(lanes, job, now_us);
}

static bool may_requeue(const struct lanes *lanes, const struct lane_job *job,
                        const struct fail_message *fail)
{
    return fail->requeue && !fail->count && !job->stream.answer.len &&
           job->requeues < lanes->limits.requeues_max;
}

/* The worker has not what the job needs, which waiting does not mend: another is asked at once, as
 * long as there is one. True if so. */
static bool ask_another(struct lanes *lanes, struct lane_job *job, uint64_t now_us)
{
    enum pool pool = job_pool(job);
    if (job->refuser_count == REFUSERS_MAX) return false;
    job->refusers[job->refuser_count++] = job->session->boot;
    if (!lane_has_unasked(&lanes->lane[pool], job)) return false;
    job_redeliver(lanes, job, now_us);
    lane_dispatch(lanes, pool, now_us);
    return true;
}

static void hand_back(struct lanes *lanes, struct lane_job *job, struct slice code, uint64_t now_us)
{
    bool unserved = error_from_code(code) == ERR_EMBEDDER_UNAVAILABLE;
    if (unserved && ask_another(lanes, job, now_us)) return;
    job->until_us = now_us + ((uint64_t)BACKOFF_FIRST_MS * 1000 << job->requeues++);
    job->avoid = job->session->boot;
    job->refuser_count = 0;
    job_move(lanes, job, JOB_BACKOFF, now_us);
}

static void on_fail(struct lanes *lanes, struct lane_job *job, const struct lane_event *event,
                    uint64_t now_us)
{
    const struct fail_message *fail = &event->message->fail;
    if (may_requeue(lanes, job, fail)) {
        hand_back(lanes, job, fail->code, now_us);
        return;
    }
    stage_done(job, now_us);
    job_keep_meta(job, &fail->meta);
    job->error = error_from_code(fail->code);
    if (fail->message.len && error_category(job->error) == ERROR_CLIENT)
        job->message = arena_copy(&job->arena, fail->message);
    job->retryable = fail->retryable;
    count_tokens(job, fail->count, event->tail, now_us);
    job_move(lanes, job, JOB_COUNTED, now_us);
    finish_if_complete(lanes, job, now_us);
}

/* The answer to CANCEL, whatever it is: the usage that it tells counts. */
static void on_cancelled(struct lanes *lanes, struct lane_job *job, const struct message *message,
                         uint64_t now_us)
{
    switch (message->type) {
    case MESSAGE_DONE: job_keep_meta(job, &message->done.meta); break;
    case MESSAGE_FAIL: job_keep_meta(job, &message->fail.meta); break;
    case MESSAGE_ANSWER: job_keep_meta(job, &message->answer.meta); break;
    case MESSAGE_NEXT: break;
    default: return;
    }
    job_end(lanes, job, ERR_CANCELLED, false, now_us);
}

/* A message about a job: of the attempt that runs, from the worker that has it, or stale. */
static void on_job_message(struct lanes *lanes, struct lane_session *session,
                           const struct lane_event *event, uint64_t now_us)
{
    static void (*const handlers[])(struct lanes *, struct lane_job *, const struct lane_event *,
                                    uint64_t) = {
        [MESSAGE_ACCEPT] = on_accept, [MESSAGE_HELD] = on_held, [MESSAGE_NEXT] = on_next,
        [MESSAGE_ANSWER] = on_answer, [MESSAGE_DONE] = on_done, [MESSAGE_FAIL] = on_fail,
    };
    const struct message *message = event->message;
    struct lane_job *job = job_find(lanes, message->job);
    if (!job || job->attempt != message->attempt || job->session != session) {
        struct lane_action *action = send_add(lanes, session, MESSAGE_CANCEL, NULL);
        action->message.job = message->job;
        action->message.attempt = message->attempt;
        lanes->lane[session->pool].counters.stale++;
    } else if (job->state == JOB_CANCELLING) {
        on_cancelled(lanes, job, message, now_us);
    } else if (job->state != JOB_COUNTED) {
        handlers[message->type](lanes, job, event, now_us);
    }
}

static void report_counts(struct lanes *lanes, const struct lane_session *session,
                          struct list counts)
{
    struct lane_action *action = action_add(lanes, ACTION_COUNTS);
    action->pool = session->pool;
    action->boot = session->boot;
    action->counts = counts;
}

static void on_beat(struct lanes *lanes, struct lane_session *session,
                    const struct beat_message *beat, uint64_t now_us)
{
    const struct version_of *versions = beat->versions.items;
    const struct stream_at *streams = beat->streams.items;
    session->progress = beat->progress;
    session_complain(session, beat->trouble);
    if (beat->counts.count) report_counts(lanes, session, beat->counts);
    for (size_t i = 0; i < beat->versions.count; i++)
        action_add(lanes, ACTION_VERSION)->version = versions[i];
    for (size_t i = 0; i < beat->streams.count; i++) {
        struct lane_job *job = job_find(lanes, streams[i].job);
        if (job && job->session == session)
            token_stream_sent(&job->stream, streams[i].attempt, streams[i].seq, now_us / 1000);
    }
}

static void on_credit(struct lanes *lanes, struct lane_session *session,
                      const struct credit_message *credit, uint64_t now_us)
{
    if (credit->epoch != session->epoch) {
        lanes->lane[session->pool].counters.stale++;
        return;
    }
    session->granted = MAX(session->granted, credit->cumulative);
    session->shared = credit->shared;
    lane_dispatch(lanes, session->pool, now_us);
}

static void on_version(struct lanes *lanes, const struct version_message *version)
{
    action_add(lanes, ACTION_VERSION)->version =
        (struct version_of){.kind = version->kind, .id = version->id, .version = version->version};
}

static void on_session_message(struct lanes *lanes, struct lane_session *session,
                               const struct lane_event *event, uint64_t now_us)
{
    const struct message *message = event->message;
    session->heard_us = now_us;
    session->asked_us = 0;
    switch (message->type) {
    case MESSAGE_CREDIT: on_credit(lanes, session, &message->credit, now_us); break;
    case MESSAGE_ACCEPT:
    case MESSAGE_HELD:
    case MESSAGE_NEXT:
    case MESSAGE_ANSWER:
    case MESSAGE_DONE:
    case MESSAGE_FAIL: on_job_message(lanes, session, event, now_us); break;
    case MESSAGE_BEAT: on_beat(lanes, session, &message->beat, now_us); break;
    case MESSAGE_PENDING: action_add(lanes, ACTION_PENDING)->message = *message; break;
    case MESSAGE_VERSION: on_version(lanes, &message->version); break;
    case MESSAGE_DRAIN: session_drain(lanes, session, now_us); break;
    case MESSAGE_BYE: session_end(lanes, session, false, now_us); break;
    default: lanes->lane[session->pool].counters.garbage++; session_reset(lanes, session, now_us);
    }
}

/* Somebody whom we don't know speaks as if we did: its session was ended here. */
static void send_reset(struct lanes *lanes, const struct lane_event *event)
{
    const struct lane_session stranger = {.id = event->session, .pool = event->pool};
    send_add(lanes, &stranger, MESSAGE_RESET, NULL);
    lanes->lane[event->pool].counters.resets++;
    struct lane_action *action = action_add(lanes, ACTION_FORGET);
    action->pool = event->pool;
    action->session = event->session;
}

static void on_message(struct lanes *lanes, const struct lane_event *event, uint64_t now_us)
{
    struct lane_session *session = session_find(&lanes->lane[event->pool], event->session);
    const struct hello_message *hello = &event->message->hello;
    if (session)
        on_session_message(lanes, session, event, now_us);
    else if (event->message->type == MESSAGE_HELLO && pool_find(hello->pool) == event->pool)
        session_open(lanes, event->pool, event->session, hello, now_us);
    else
        send_reset(lanes, event);
}

static void on_garbage(struct lanes *lanes, const struct lane_event *event, uint64_t now_us)
{
    struct lane_session *session = session_find(&lanes->lane[event->pool], event->session);
    lanes->lane[event->pool].counters.garbage++;
    if (session)
        session_reset(lanes, session, now_us);
    else
        send_reset(lanes, event);
}

/* --- tokens --- */

static void stream_break(struct lanes *lanes, struct lane_job *job, err_t error, uint64_t now_us)
{
    job_send_cancel(lanes, job);
    job_end(lanes, job, error, error_retryable(error), now_us);
}

static void keep_author(struct lane_job *job, struct slice by)
{
    if (by.len && !slice_equal(by, slice_of(job->author)))
        job->author = arena_copy(&job->arena, by);
}

static void on_token(struct lanes *lanes, const struct lane_event *event, uint64_t now_us)
{
    const struct tok_message *tok = &event->message->tok;
    struct lane_job *job = job_find(lanes, event->message->job);
    size_t before;
    if (!job || !job->session || !job_streams(job)) {
        lanes->lane[POOL_GENERATE].counters.stale++;
        return;
    }
    if (job->state == JOB_CANCELLING) return;
    before = job->stream.answer.len;
    switch (token_stream_put(&job->stream, event->message->attempt, tok->seq, tok->at, tok->text,
                             now_us / 1000)) {
    case TOKEN_PLACED: break;
    case TOKEN_RESTARTED: before = tok->at; break;
    case TOKEN_STALE: lanes->lane[POOL_GENERATE].counters.stale++; return;
    case TOKEN_REPEATED:
    case TOKEN_EARLY: return;
    case TOKEN_TOO_LARGE: stream_break(lanes, job, ERR_ANSWER_TOO_LARGE, now_us); return;
    case TOKEN_DIFFERS:
    case TOKEN_MISPLACED: stream_break(lanes, job, ERR_STREAM_INTERRUPTED, now_us); return;
    }
    keep_author(job, tok->by);
    if (job->stream.answer.len > before) {
        struct lane_action *action = action_add(lanes, ACTION_TEXT);
        action->job = job;
        action->from = before;
    }
    if (job->state == JOB_COUNTED)
        finish_if_complete(lanes, job, now_us);
    else
        job_tack(lanes, job, false);
}

/* --- time --- */

static void stream_tick(struct lanes *lanes, struct lane_job *job, uint64_t now_us)
{
    struct lane_session *session = job->session;
    switch (token_stream_gap(&job->stream, now_us / 1000)) {
    case GAP_NONE:
    case GAP_WAIT: break;
    case GAP_REPLAY:
        send_add(lanes, session, MESSAGE_REPLAY, job)->message.replay.from = job->stream.next;
        lanes->lane[session->pool].counters.replays++;
        break;
    case GAP_UNFILLED: session_reset(lanes, session, now_us); break;
    }
}

static bool another_has_room(const struct lanes *lanes, const struct lane_job *job)
{
    const struct lane *lane = &lanes->lane[job_pool(job)];
    for (size_t i = 0; i < lane->session_count; i++) {
        const struct lane_session *session = lane->sessions[i];
        if (session != job->session && session->state == SESSION_READY &&
            session_credits(session) && session->jobs.count < session->slots)
            return true;
    }
    return false;
}

static void job_tick(struct lanes *lanes, struct lane_job *job, uint64_t now_us)
{
    uint64_t waited_ms = (now_us - job->since_us) / 1000;
    enum pool pool = job_pool(job);
    if (job->state == JOB_ENDED) return;
    if (now_us >= job->deadline_us) {
        job_send_cancel(lanes, job);
        job_end(lanes, job, job->state == JOB_QUEUED ? ERR_LANE_TIMEOUT : ERR_DEADLINE_EXCEEDED,
                true, now_us);
    } else if (job->state == JOB_CANCELLING && waited_ms >= CANCEL_WAIT_MS) {
        job_end(lanes, job, ERR_CANCELLED, false, now_us);
    } else if (job->state == JOB_BACKOFF && now_us < job->until_us) {
        return;
    } else if (job->state == JOB_BACKOFF && job_is_condemned(job)) {
        job_end(lanes, job, ERR_WORKER_DIED, true, now_us);
    } else if (job->state == JOB_BACKOFF) {
        job_redeliver(lanes, job, now_us);
        lane_dispatch(lanes, pool, now_us);
    } else if ((job->state == JOB_SENT && waited_ms >= lanes->limits.accept_timeout_ms) ||
               (job->state == JOB_HELD && another_has_room(lanes, job))) {
        job_send_cancel(lanes, job);
        job_redeliver(lanes, job, now_us);
        lane_dispatch(lanes, pool, now_us);
    } else if (job->session && job->state != JOB_CANCELLING && job_streams(job)) {
        stream_tick(lanes, job, now_us);
    }
}

/* A process that stood still (SIGSTOP, a long turn of its loop) must not take the others' silence
 * for death: what it was late by is added to everybody's last word. */
static uint64_t lateness_us(struct lanes *lanes, uint64_t now_us)
{
    uint64_t since = lanes->tick_us ? now_us - lanes->tick_us : 0;
    lanes->tick_us = now_us;
    return since > 5 * LANE_TICK_MS * 1000 ? since - LANE_TICK_MS * 1000 : 0;
}

static void on_tick(struct lanes *lanes, uint64_t now_us)
{
    struct lane_job *job = lanes->all, *next;
    sessions_tick(lanes, lateness_us(lanes, now_us), now_us);
    for (; job; job = next) {
        next = job->all_next;
        job_tick(lanes, job, now_us);
    }
    /* A suspect that has ended made room for another one, of which no CREDIT tells. */
    for (enum pool pool = 0; pool < POOL_COUNT; pool++)
        if (lanes->lane[pool].urgent.first) lane_dispatch(lanes, pool, now_us);
}

static void on_close(struct lanes *lanes, uint64_t now_us)
{
    lanes->closed = true;
    for (struct lane_job *job = lanes->all; job; job = job->all_next)
        if (job->state != JOB_ENDED) job_end(lanes, job, ERR_DRAINING, true, now_us);
}

/* --- the step --- */

static void on_lost(struct lanes *lanes, const struct lane_event *event, uint64_t now_us)
{
    struct lane_session *session = session_find(&lanes->lane[event->pool], event->session);
    if (session) session_end(lanes, session, session->state == SESSION_READY, now_us);
}

err_t lane_step(struct lanes *lanes, const struct lane_event *event, uint64_t now_us)
{
    struct lane_job *job = event->job ? job_find(lanes, event->job) : NULL;
    switch (event->type) {
    case EVENT_SUBMIT: return on_submit(lanes, event, now_us);
    case EVENT_CANCEL:
        if (job) on_cancel(lanes, job, now_us);
        break;
    case EVENT_TAKEN:
        if (job) on_taken(lanes, job, event->bytes);
        break;
    case EVENT_EXTEND:
        if (job) job->deadline_us = MAX(job->deadline_us, now_us + event->timeout_ms * 1000);
        break;
    case EVENT_MESSAGE: on_message(lanes, event, now_us); break;
    case EVENT_TOKEN: on_token(lanes, event, now_us); break;
    case EVENT_GARBAGE: on_garbage(lanes, event, now_us); break;
    case EVENT_LOST: on_lost(lanes, event, now_us); break;
    case EVENT_TICK: on_tick(lanes, now_us); break;
    case EVENT_DRAIN: lanes->draining = true; break;
    case EVENT_CLOSE: on_close(lanes, now_us); break;
    }
    return OK;
}

/* --- what can be seen --- */

size_t lanes_jobs(const struct lanes *lanes)
{
    return lanes->job_count;
}

bool lanes_idle(const struct lanes *lanes)
{
    return lanes->job_count == 0;
}

const struct lane_counters *lane_counters(const struct lanes *lanes, enum pool pool)
{
    return &lanes->lane[pool].counters;
}

uint64_t lane_queued(const struct lanes *lanes, enum pool pool, uint64_t *bytes)
{
    const struct lane *lane = &lanes->lane[pool];
    if (bytes) *bytes = lane->bytes;
    return lane->urgent.count + lane->waiting.count;
}

uint64_t lane_oldest_us(const struct lanes *lanes, enum pool pool)
{
    const struct lane *lane = &lanes->lane[pool];
    const struct lane_job *oldest = lane->waiting.first ? lane->waiting.first : lane->urgent.first;
    return oldest ? oldest->since_us : 0;
}

static bool job_consistent(const struct lanes *lanes, const struct lane_job *job, const char **what)
{
    bool placed = job->list != NULL && job_find(lanes, job->id) == job;
    bool worker = job->state == JOB_SENT || job->state == JOB_HELD || job->state == JOB_RUNNING ||
                  job->state == JOB_COUNTED || job->state == JOB_CANCELLING;
    *what = !placed ? "a job is in no list" : "a job's session does not fit its state";
    return placed && worker == (job->session != NULL) &&
           (!worker || job->list == &job->session->jobs);
}

bool lanes_consistent(const struct lanes *lanes, const char **what)
{
    size_t jobs = lanes->backoff.count + lanes->ended.count;
    for (const struct lane_job *job = lanes->all; job; job = job->all_next)
        if (!job_consistent(lanes, job, what)) return false;
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        const struct lane *lane = &lanes->lane[pool];
        jobs += lane->urgent.count + lane->waiting.count;
        for (size_t i = 0; i < lane->session_count; i++) {
            const struct lane_session *session = lane->sessions[i];
            *what = "more credits used than granted";
            if (session->used + session->returned > session->granted) return false;
            jobs += session->jobs.count;
        }
    }
    *what = "a job is in two lists or none";
    return jobs == lanes->job_count;
}
