/* A job at a worker: its frames, its tokens, its end.
 *
 * Tokens go into a ring that keeps them until the gateway says that it has them (TACK got), so that
 * it can ask for them again (REPLAY). What is sent is bounded by the gateway's window (TACK upto,
 * upto_bytes). DONE and FAIL wait behind the last token; the slot is free as soon as the pool has
 * ended the job.
 *
 * An answer costs few messages: what a job has to tell goes out at the end of the loop's turn,
 * ACCEPT only where nothing else has told it by the next tick, and the text that is made in the
 * turn that ends the job travels with DONE or FAIL. */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/worker_state.h"

#define JOB_BUCKETS_FIRST 64
#define TAIL_BYTES_MAX    32768 /* of text that travels with DONE or FAIL */

/* --- queues: the only mover is job_enter --- */

static void job_enter(struct job *job, struct job_queue *queue)
{
    if (job->queue) {
        *(job->previous ? &job->previous->next : &job->queue->first) = job->next;
        *(job->next ? &job->next->previous : &job->queue->last) = job->previous;
        job->queue->count--;
    }
    job->queue = queue;
    job->next = NULL;
    job->previous = queue ? queue->last : NULL;
    if (!queue) return;
    *(queue->last ? &queue->last->next : &queue->first) = job;
    queue->last = job;
    queue->count++;
}

/* --- the table --- */

static struct job **table_bucket(const struct job_table *table, uint64_t id)
{
    return &table->buckets[id & (table->bucket_count - 1)];
}

static void table_grow(struct job_table *table)
{
    struct job_table old = *table;
    table->bucket_count = old.bucket_count ? old.bucket_count * 2 : JOB_BUCKETS_FIRST;
    table->buckets = xcalloc(table->bucket_count, sizeof(struct job *));
    for (size_t i = 0; i < old.bucket_count; i++)
        for (struct job *job = old.buckets[i], *next; job; job = next) {
            struct job **bucket = table_bucket(table, job->id);
            next = job->hash_next;
            job->hash_next = *bucket;
            *bucket = job;
        }
    free(old.buckets);
}

static void table_insert(struct job_table *table, struct job *job)
{
    if (table->count == table->bucket_count) table_grow(table);
    struct job **bucket = table_bucket(table, job->id);
    job->hash_next = *bucket;
    *bucket = job;
    table->count++;
}

static void table_remove(struct job_table *table, struct job *job)
{
    struct job **at = table_bucket(table, job->id);
    while (*at != job) at = &(*at)->hash_next;
    *at = job->hash_next;
    table->count--;
}

struct job *job_lookup(struct session *session, uint64_t id, uint64_t attempt)
{
    const struct job_table *table = &session->worker->jobs;
    if (!table->bucket_count) return NULL;
    struct job *job = *table_bucket(table, id);
    while (job && (job->id != id || job->attempt != attempt || job->session != session))
        job = job->hash_next;
    return job;
}

void job_free(struct job *job)
{
    job_enter(job, NULL);
    table_remove(&job->worker->jobs, job);
    for (int i = 0; i < JOB_FRAMES; i++) zmq_msg_close(&job->frames[i]);
    free(job->tokens);
    buffer_free(&job->text);
    arena_free(&job->arena);
    free(job);
}

/* --- coming in --- */

static struct message reply(const struct job *job, enum message_type type)
{
    return (struct message){.type = type, .job = job->id, .attempt = job->attempt};
}

static void send_reply(struct job *job, enum message_type type)
{
    struct message message = reply(job, type);
    if (job->session) session_send(job->session, &message, NULL, 0);
}

static struct list copy_versions(struct arena *arena, const struct list *from)
{
    struct list copy = {arena_alloc(arena, from->count * sizeof(struct version_of)), from->count};
    const struct version_of *in = from->items;
    struct version_of *out = copy.items;
    for (size_t i = 0; i < from->count; i++) {
        out[i] = in[i];
        out[i].kind = arena_slice(arena, in[i].kind);
    }
    return copy;
}

static struct job *job_new(struct session *session, const struct message *message)
{
    const struct assign_message *assign = &message->assign;
    struct job *job = xcalloc(1, sizeof(*job));
    job->worker = session->worker;
    job->session = session;
    job->id = message->job;
    job->attempt = message->attempt;
    job->kind = kind_find(assign->kind);
    job->stage = (unsigned)assign->stage;
    job->deadline_ms = clock_ms() + assign->remaining_ms;
    job->resume_from = assign->resume_from;
    job->upto = assign->upto;
    job->upto_bytes = assign->upto_bytes;
    job->trace = arena_slice(&job->arena, assign->trace);
    job->op = arena_slice(&job->arena, assign->op);
    job->prefix_by = arena_slice(&job->arena, assign->prefix_by);
    job->versions = copy_versions(&job->arena, &assign->versions);
    for (int i = 0; i < JOB_FRAMES; i++) zmq_msg_init(&job->frames[i]);
    table_insert(&job->worker->jobs, job);
    return job;
}

struct job *job_receive(struct session *session, const struct message *message, zmq_msg_t *frames,
                        size_t count)
{
    struct job *job = job_new(session, message);
    for (size_t i = 0; i < MIN(count, (size_t)JOB_FRAMES); i++)
        zmq_keep(&job->frames[i], &frames[i]);
    job->state = JOB_WAITING;
    credits_spend(&session->credit);
    job_enter(job, &job->worker->waiting);
    job->held = job->worker->running >= job->worker->settings.slots;
    if (job->held) send_reply(job, MESSAGE_HELD);
    jobs_start(job->worker);
    return job;
}

static void job_accept(struct job *job)
{
    if (!job->accepted) send_reply(job, MESSAGE_ACCEPT);
    job->accepted = true;
}

void jobs_accept(struct worker *worker)
{
    for (struct job *job = worker->stirred.first; job; job = job->next) job_accept(job);
    while (worker->starting.first) {
        job_accept(worker->starting.first);
        job_enter(worker->starting.first, &worker->active);
    }
}

/* A held job is accepted at once: the gateway may be about to give it to another worker. */
static void job_start(struct job *job)
{
    struct worker *worker = job->worker;
    job->state = JOB_RUNNING;
    job_enter(job, &worker->starting);
    worker->running++;
    if (job->held) job_accept(job);
    if (job->kind == KIND_COUNT)
        job_fail(&job, ERR_UNKNOWN_KIND, false, NULL, NULL);
    else
        worker->pool->start(worker->pool_context, job);
}

void jobs_start(struct worker *worker)
{
    while (worker->waiting.first && worker->running < worker->settings.slots && !worker->draining)
        job_start(worker->waiting.first);
}

/* --- tokens --- */

static bool window_open(const struct job *job)
{
    return job->made < job->upto && job->text_at + job->text.len < job->upto_bytes;
}

/* What it has to tell goes out at the end of this turn: an end may still come, and go with it. */
static void job_stir(struct job *job)
{
    struct worker *worker = job->worker;
    if (job->queue == &worker->stirred) return;
    job_enter(job, &worker->stirred);
    worker_flush_soon(worker);
}

bool job_token(struct job *job, struct slice text)
{
    size_t kept = (size_t)(job->made - job->got);
    if (!text.len) return window_open(job);
    job->tokens = xgrow(job->tokens, &job->token_capacity, kept + 1, sizeof(struct token));
    job->tokens[kept] = (struct token){job->text.len, text.len};
    buffer_append_slice(&job->text, text);
    job->made++;
    job->worker->progress++;
    job_stir(job);
    job->choked = !window_open(job);
    return !job->choked;
}

static struct message token_message(struct job *job, uint64_t seq)
{
    const struct token *token = &job->tokens[seq - job->got - 1];
    struct message message = reply(job, MESSAGE_TOK);
    message.tok.seq = seq;
    message.tok.at = job->text_at + token->start;
    message.tok.text = (struct slice){job->text.data + token->start, token->len};
    if (seq == 1) message.tok.by = job->author;
    return message;
}

static bool token_in_window(const struct job *job, uint64_t seq)
{
    const struct token *token = &job->tokens[seq - job->got - 1];
    return seq <= job->upto && job->text_at + token->start < job->upto_bytes;
}

/* Behind the last token: DONE or FAIL. The ring stays until the gateway has everything. */
static void finish_sending(struct job *job)
{
    session_send(job->session, &job->end, NULL, 0);
    job->state = JOB_LINGERING;
    job_enter(job, &job->worker->lingering);
    if (job->got == job->made) job_free(job);
}

/* All that is left may go with the end: the gateway has everything that was sent before, so nothing
 * can be missing in front of it, and its window is open. */
static bool tail_fits(const struct job *job)
{
    return job->state == JOB_SENDING && job->session->takes_tails && job->sent == job->got &&
           job->made > job->sent && token_in_window(job, job->made) &&
           job->text.len <= TAIL_BYTES_MAX;
}

static void send_with_frame(const struct job *job, const struct message *message,
                            struct slice bytes)
{
    zmq_msg_t frame;
    if (zmq_msg_init_size(&frame, bytes.len)) abort();
    if (bytes.len) memcpy(zmq_msg_data(&frame), bytes.ptr, bytes.len);
    session_send(job->session, message, &frame, 1);
    zmq_msg_close(&frame);
}

/* In the frame behind DONE or FAIL, which arrives unless the session ends; that ends the job as
 * well: no ring is kept. */
static void finish_with_tail(struct job *job)
{
    struct buffer *tail = &job->worker->tail;
    tail->len = 0;
    for (uint64_t seq = job->sent + 1; seq <= job->made; seq++) {
        struct message message = token_message(job, seq);
        message_encode(&message, tail);
    }
    send_with_frame(job, &job->end, buffer_slice(tail));
    job_free(job);
}

void job_pump(struct job *job)
{
    if (!job->session) return;
    if (tail_fits(job)) {
        finish_with_tail(job);
        return;
    }
    while (job->sent < job->made && token_in_window(job, job->sent + 1)) {
        struct message message = token_message(job, job->sent + 1);
        job_accept(job); /* tokens tell it on another connection, which DRAIN may overtake */
        if (!session_put_token(job->session, &message)) return;
        job->sent++;
    }
    if (job->state == JOB_SENDING && job->sent == job->made) finish_sending(job);
}

void jobs_pump(struct worker *worker)
{
    while (worker->stirred.first) {
        struct job *job = worker->stirred.first;
        job_enter(job, &worker->active);
        job_pump(job);
    }
}

static void forget_tokens(struct job *job, uint64_t got)
{
    uint64_t gone = got - job->got;
    size_t bytes = 0;
    if (got <= job->got || got > job->sent) return;
    for (uint64_t i = 0; i < gone; i++) bytes += job->tokens[i].len;
    memmove(job->tokens, job->tokens + gone, (job->made - got) * sizeof(struct token));
    for (uint64_t i = 0; i < job->made - got; i++) job->tokens[i].start -= bytes;
    buffer_consume(&job->text, bytes);
    job->text_at += bytes;
    job->got = got;
}

void job_tack(struct job *job, const struct tack_message *tack)
{
    forget_tokens(job, tack->got);
    job->upto = MAX(job->upto, tack->upto);
    job->upto_bytes = MAX(job->upto_bytes, tack->upto_bytes);
    if (job->state == JOB_LINGERING && job->got == job->made) {
        job_free(job);
        return;
    }
    bool running = job->state == JOB_RUNNING;
    job_pump(job);
    if (running && job->choked && window_open(job)) {
        job->choked = false;
        if (job->worker->pool->writable)
            job->worker->pool->writable(job->worker->pool_context, job);
    }
}

void job_replay(struct job *job, uint64_t from)
{
    for (uint64_t seq = MAX(from, job->got + 1); seq <= job->sent; seq++) {
        struct message message = token_message(job, seq);
        if (!session_put_token(job->session, &message)) return;
    }
}

/* --- the ends --- */

static void slot_free(struct job *job)
{
    job->worker->running--;
    job->worker->progress++;
    if (job->session) job->session->credit.jobs--;
    worker_flush_soon(job->worker);
}

/* Nobody waits for what this job made: it ends as cancelled, with the usage so far. */
static bool end_unwanted(struct job *job, const struct meta *meta)
{
    struct message message = reply(job, MESSAGE_FAIL);
    if (job->session && !job->cancelled) return false;
    message.fail.code = slice_of(error_code(ERR_CANCELLED));
    message.fail.count = job->sent;
    if (meta) message.fail.meta = *meta;
    if (job->session) session_send(job->session, &message, NULL, 0);
    slot_free(job);
    job_free(job);
    return true;
}

static bool frames_too_large(const struct job *job)
{
    for (int i = 0; i < JOB_PREFIX; i++)
        if (zmq_msg_size(&job->frames[i]) > job->worker->settings.frame_bytes_max) return true;
    return false;
}

void job_next(struct job **at, const struct meta *meta)
{
    struct job *job = *at;
    struct message message = reply(job, MESSAGE_NEXT);
    if (frames_too_large(job)) {
        job_fail(at, ERR_FRAME_TOO_LARGE, false, NULL, meta);
        return;
    }
    *at = NULL;
    if (end_unwanted(job, meta)) return;
    if (meta) message.next.meta = *meta;
    session_send(job->session, &message, job->frames, JOB_PREFIX);
    slot_free(job);
    job_free(job);
}

void job_answer(struct job **at, const struct meta *meta, struct slice result)
{
    struct job *job = *at;
    struct message message = reply(job, MESSAGE_ANSWER);
    if (result.len > job->worker->settings.frame_bytes_max) {
        job_fail(at, ERR_FRAME_TOO_LARGE, false, NULL, meta);
        return;
    }
    *at = NULL;
    if (end_unwanted(job, meta)) return;
    if (meta) message.answer.meta = *meta;
    send_with_frame(job, &message, result);
    slot_free(job);
    job_free(job);
}

/* DONE or FAIL: kept until the tokens before it are sent. */
static void end_stream(struct job *job, const struct message *end, const struct meta *meta)
{
    struct meta *kept = end->type == MESSAGE_DONE ? &job->end.done.meta : &job->end.fail.meta;
    job->end = *end;
    if (meta) record_copy(meta_type(), meta, &job->arena, kept);
    job->state = JOB_SENDING;
    slot_free(job);
    job_stir(job);
}

void job_done(struct job **at, const struct meta *meta)
{
    struct job *job = *at;
    struct message end = reply(job, MESSAGE_DONE);
    *at = NULL;
    if (end_unwanted(job, meta)) return;
    end.done.count = job->made;
    end_stream(job, &end, meta);
}

void job_fail(struct job **at, err_t error, bool requeue, const char *message,
              const struct meta *meta)
{
    struct job *job = *at;
    struct message end = reply(job, MESSAGE_FAIL);
    *at = NULL;
    if (end_unwanted(job, meta)) return;
    end.fail.count = job->made;
    end.fail.requeue = requeue && !job->made;
    end.fail.retryable = error_retryable(error);
    end.fail.code = slice_of(error_code(error));
    end.fail.message = arena_slice(&job->arena, slice_of(message ? message : error_text(error)));
    end_stream(job, &end, meta);
}

/* --- nobody wants it --- */

static void cancel_running(struct job *job)
{
    struct worker *worker = job->worker;
    if (worker->pool->cancel) worker->pool->cancel(worker->pool_context, job);
}

void job_cancel(struct job *job)
{
    job->cancelled = true;
    if (job->state == JOB_RUNNING) {
        cancel_running(job);
        return;
    }
    if (job->state != JOB_LINGERING) {
        struct message message = reply(job, MESSAGE_FAIL);
        message.fail.code = slice_of(error_code(ERR_CANCELLED));
        if (job->state == JOB_SENDING)
            message.fail.meta =
                job->end.type == MESSAGE_DONE ? job->end.done.meta : job->end.fail.meta;
        session_send(job->session, &message, NULL, 0);
    }
    if (job->state == JOB_WAITING) {
        job->session->credit.jobs--;
        worker_flush_soon(job->worker);
    }
    job_free(job);
}

void job_orphan(struct job *job)
{
    job->session = NULL;
    job->cancelled = true;
    if (job->state == JOB_RUNNING)
        cancel_running(job);
    else
        job_free(job);
}

/* --- what pools may ask --- */

enum kind job_kind(const struct job *job)
{
    return job->kind;
}

unsigned job_stage(const struct job *job)
{
    return job->stage;
}

uint64_t job_attempt(const struct job *job)
{
    return job->attempt;
}

struct slice job_frame(const struct job *job, enum job_frame frame)
{
    zmq_msg_t *message = (zmq_msg_t *)&job->frames[frame];
    return (struct slice){zmq_msg_data(message), zmq_msg_size(message)};
}

const char *job_trace(const struct job *job)
{
    return job->trace.ptr;
}

struct slice job_op(const struct job *job)
{
    return job->op;
}

uint64_t job_deadline_ms(const struct job *job)
{
    return job->deadline_ms;
}

uint64_t job_version(const struct job *job, const char *kind, uint64_t id)
{
    const struct version_of *versions = job->versions.items;
    for (size_t i = 0; i < job->versions.count; i++)
        if (versions[i].id == id && slice_equal(versions[i].kind, slice_of(kind)))
            return versions[i].version;
    return 0;
}

uint64_t job_resume_from(const struct job *job)
{
    return job->resume_from;
}

struct slice job_prefix_by(const struct job *job)
{
    return job->prefix_by;
}

bool job_cancelled(const struct job *job)
{
    return job->cancelled;
}

void *job_data(const struct job *job)
{
    return job->data;
}

void job_set_data(struct job *job, void *data)
{
    job->data = data;
}

struct arena *job_arena(struct job *job)
{
    return &job->arena;
}

void job_set_frame(struct job *job, enum job_frame frame, struct slice bytes)
{
    zmq_msg_close(&job->frames[frame]);
    if (zmq_msg_init_size(&job->frames[frame], bytes.len)) abort();
    if (bytes.len) memcpy(zmq_msg_data(&job->frames[frame]), bytes.ptr, bytes.len);
}

void job_set_author(struct job *job, const char *author)
{
    job->author = arena_slice(&job->arena, slice_of(author));
}

void job_continue(struct job *job)
{
    if (!job->made) job->text_at = job->resume_from;
}
