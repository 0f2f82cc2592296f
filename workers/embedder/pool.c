/* A question is embedded as it comes: it takes less than a millisecond and somebody waits for it. A
 * batch of passages is done in steps of STEP_US, one a turn of the loop, so that questions,
 * heartbeats and CANCEL are never behind it:
 *
 *     start() ─ chat, search ─▶ embedded ─▶ job_next
 *             └ index ─▶ queue ─▶ on_step(): a few passages ─▶ ... ─▶ the last one ─▶ job_next
 */
#include "workers/embedder/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/codec.h"
#include "workers/embedder/embedder.h"
#include "workers/embedder/hashing.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors travel as the machine has them");

enum { STEP_US = 2000 };

struct batch {
    struct job *job;
    struct context context; /* the passages */
    float *vectors;
    size_t done;
    uint64_t work_us;
    TAILQ_ENTRY(batch) entry;
};

struct embedder {
    const struct embedder_info *info;
    struct hashing *hashing;
    struct event *step; /* a timer: it lets the loop look at its sockets before the next step */
    TAILQ_HEAD(, batch) batches;
};

/* --- ends --- */

/* The job goes on with `count` vectors. */
static void pass_on(const struct embedder *embedder, struct job *job, const float *vectors,
                    size_t count, uint64_t work_us)
{
    struct buffer frame = {0};
    struct embedding embedding = {
        .embedder = slice_of(embedder->info->name),
        .dimensions = embedder->info->dimensions,
        .count = count,
        .vectors = {(const char *)vectors, count * embedder->info->dimensions * sizeof *vectors},
    };
    record_encode(embedding_type(), &embedding, &frame);
    job_set_frame(job, JOB_EMBEDDING, buffer_slice(&frame));
    job_next(&job, &(struct meta){.work_us = work_us});
    buffer_free(&frame);
}

static void fail(struct job *job, err_t error)
{
    bool elsewhere = error == ERR_EMBEDDER_UNAVAILABLE; /* another worker may serve it */
    job_fail(&job, error, elsewhere, NULL, NULL);
}

/* Where nobody says which, it is ours: the vectors tell whose they are. */
static bool serves(const struct embedder *embedder, struct slice name)
{
    return !name.len || slice_equal(name, slice_of(embedder->info->name));
}

/* --- questions --- */

static void start_question(struct embedder *embedder, struct job *job)
{
    struct chat_request request;
    float vector[HASHING_DIMENSIONS];
    uint64_t began_us = clock_us();
    err_t error =
        record_decode(chat_request_type(), job_frame(job, JOB_REQUEST), job_arena(job), &request);
    if (!error && !serves(embedder, request.embedder)) error = ERR_EMBEDDER_UNAVAILABLE;
    if (error) {
        fail(job, error);
        return;
    }
    hashing_embed(embedder->hashing, request.message, vector);
    pass_on(embedder, job, vector, 1, clock_us() - began_us);
}

/* --- batches --- */

static void step_soon(struct embedder *embedder)
{
    static const struct timeval at_once;
    if (!TAILQ_EMPTY(&embedder->batches)) evtimer_add(embedder->step, &at_once);
}

static void start_batch(struct embedder *embedder, struct job *job)
{
    struct index_request request;
    struct batch *batch = arena_alloc(job_arena(job), sizeof *batch);
    err_t error =
        record_decode(index_request_type(), job_frame(job, JOB_REQUEST), job_arena(job), &request);
    if (!error)
        error = record_decode(context_type(), job_frame(job, JOB_CONTEXT), job_arena(job),
                              &batch->context);
    if (!error && !serves(embedder, request.embedder)) error = ERR_EMBEDDER_UNAVAILABLE;
    if (error) {
        fail(job, error);
        return;
    }
    size_t floats = batch->context.passages.count * embedder->info->dimensions;
    batch->job = job;
    batch->vectors = arena_alloc(job_arena(job), floats * sizeof *batch->vectors);
    job_set_data(job, batch);
    TAILQ_INSERT_TAIL(&embedder->batches, batch, entry);
    step_soon(embedder);
}

/* Embeds passages until the batch or the step's time is over. */
static void embed_some(struct embedder *embedder, struct batch *batch, uint64_t began_us)
{
    const struct passage *passages = batch->context.passages.items;
    while (batch->done < batch->context.passages.count && clock_us() - began_us < STEP_US) {
        const struct passage *passage = &passages[batch->done];
        float *vector = batch->vectors + batch->done * embedder->info->dimensions;
        hashing_embed_passage(embedder->hashing, passage->title, passage->heading, passage->text,
                              vector);
        batch->done++;
    }
    batch->work_us += clock_us() - began_us;
}

static void on_step(evutil_socket_t fd, short what, void *context)
{
    struct embedder *embedder = context;
    struct batch *batch = TAILQ_FIRST(&embedder->batches);
    (void)fd, (void)what;
    if (!batch) return;
    embed_some(embedder, batch, clock_us());
    if (batch->done == batch->context.passages.count) {
        TAILQ_REMOVE(&embedder->batches, batch, entry);
        pass_on(embedder, batch->job, batch->vectors, batch->done, batch->work_us);
    }
    step_soon(embedder);
}

/* --- the pool --- */

static void (*const starts[KIND_COUNT])(struct embedder *embedder, struct job *job) = {
    [KIND_CHAT] = start_question,
    [KIND_SEARCH] = start_question,
    [KIND_INDEX] = start_batch,
};

static void start(void *context, struct job *job)
{
    enum kind kind = job_kind(job);
    if (kind < KIND_COUNT && starts[kind])
        starts[kind](context, job);
    else
        fail(job, ERR_UNKNOWN_KIND);
}

static void cancel(void *context, struct job *job)
{
    struct embedder *embedder = context;
    struct batch *batch = job_data(job);
    if (!batch) return;
    TAILQ_REMOVE(&embedder->batches, batch, entry);
    fail(job, ERR_CANCELLED);
}

static err_t open_pool(struct worker *worker, void **context)
{
    const char *setting = worker_settings(worker)->embedder;
    const struct embedder_info *info = embedder_find(slice_of(setting));
    if (!info || info->dimensions != HASHING_DIMENSIONS) {
        log_error("no such embedder: EMBEDDER=%s", setting);
        return ERR_BAD_SETTING;
    }
    struct embedder *embedder = xcalloc(1, sizeof *embedder);
    embedder->info = info;
    embedder->hashing = hashing_new();
    embedder->step = evtimer_new(worker_base(worker), on_step, embedder);
    TAILQ_INIT(&embedder->batches);
    worker_serves(worker, info->name);
    *context = embedder;
    return OK;
}

static void close_pool(void *context)
{
    struct embedder *embedder = context;
    event_free(embedder->step);
    hashing_destroy(&embedder->hashing);
    free(embedder);
}

const struct worker_pool embedder_pool = {
    .pool = POOL_EMBED,
    .settings = OF_EMBEDDER,
    .open = open_pool,
    .start = start,
    .cancel = cancel,
    .close = close_pool,
};
