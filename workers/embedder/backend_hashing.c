/* The hashing embedder as a backend: always there, on the loop. A question is embedded as it comes:
 * it takes less than a millisecond and somebody waits for it. What is more than that is done in
 * steps of STEP_US, one a turn of the loop, so that questions, heartbeats and CANCEL are never
 * behind it:
 *
 *     run() ─ questions ─▶ a step at once ─ all done ─▶ done
 *           └ passages ──▶ waiting ─▶ on_step(): a few texts ─▶ ... ─▶ the last one ─▶ done
 */
#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "workers/embedder/backend.h"
#include "workers/embedder/hashing.h"

enum { STEP_US = 2000, BATCHES_MAX = 2 /* questions and passages */ };

static const struct backend_limits hashing_limits = {
    .texts_max = 1024, .tokens_max = SIZE_MAX, .batches_max = BATCHES_MAX};

struct progress {
    struct embed_batch *batch; /* NULL: none */
    size_t done;
};

struct hasher {
    struct hashing *hashing;
    struct event *step; /* a timer: it lets the loop look at its sockets before the next step */
    struct progress under_way[BATCHES_MAX];
};

static void end(struct progress *progress, err_t error)
{
    struct embed_batch *batch = progress->batch;
    *progress = (struct progress){0};
    batch->done(batch, error);
}

/* Embeds texts until the batch or the step's time is over. */
static void embed_some(struct hasher *hasher, struct progress *progress)
{
    uint64_t began_us = clock_us();
    struct embed_batch *batch = progress->batch;
    while (progress->done < batch->count && clock_us() - began_us < STEP_US) {
        const struct embed_item *item = &batch->items[progress->done++];
        if (batch->question)
            hashing_embed(hasher->hashing, item->text, item->vector);
        else
            hashing_embed_passage(hasher->hashing, item->title, item->heading, item->text,
                                  item->vector);
    }
    if (progress->done == batch->count) end(progress, OK);
}

/* The one to go on with: a batch of questions, if there is one. */
static struct progress *next(struct hasher *hasher)
{
    struct progress *next = NULL;
    for (size_t i = 0; i < BATCHES_MAX; i++) {
        struct progress *progress = &hasher->under_way[i];
        if (progress->batch && (!next || progress->batch->question)) next = progress;
    }
    return next;
}

static struct progress *progress_of(struct hasher *hasher, const struct embed_batch *batch)
{
    size_t i = 0;
    while (i < BATCHES_MAX && hasher->under_way[i].batch != batch) i++;
    assert(i < BATCHES_MAX);
    return &hasher->under_way[i];
}

static void step_soon(struct hasher *hasher)
{
    static const struct timeval at_once;
    if (next(hasher)) evtimer_add(hasher->step, &at_once);
}

static void on_step(evutil_socket_t fd, short what, void *context)
{
    struct hasher *hasher = context;
    struct progress *progress = next(hasher);
    (void)fd, (void)what;
    if (progress) embed_some(hasher, progress);
    step_soon(hasher);
}

static void run(void *context, struct embed_batch *batch)
{
    struct hasher *hasher = context;
    struct progress *progress = progress_of(hasher, NULL);
    *progress = (struct progress){.batch = batch};
    if (batch->question) embed_some(hasher, progress);
    step_soon(hasher);
}

static void cancel(void *context, struct embed_batch *batch)
{
    end(progress_of(context, batch), ERR_CANCELLED);
}

static size_t tokens(void *context, const struct embed_item *item)
{
    (void)context, (void)item;
    return 1;
}

static const struct backend_limits *limits(const void *context)
{
    (void)context;
    return &hashing_limits;
}

static err_t open_hashing(struct worker *worker, const struct embedder_info *info, void **context)
{
    struct hasher *hasher = xcalloc(1, sizeof *hasher);
    assert(info->dimensions == HASHING_DIMENSIONS);
    hasher->hashing = hashing_new();
    hasher->step = evtimer_new(worker_base(worker), on_step, hasher);
    *context = hasher;
    return OK;
}

static void close_hashing(void *context)
{
    struct hasher *hasher = context;
    event_free(hasher->step);
    hashing_destroy(&hasher->hashing);
    free(hasher);
}

const struct backend backend_hashing = {
    .open = open_hashing,
    .close = close_hashing,
    .limits = limits,
    .tokens = tokens,
    .run = run,
    .cancel = cancel,
};
