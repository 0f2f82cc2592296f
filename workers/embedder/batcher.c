#include "workers/embedder/batcher.h"

#include <assert.h>
#include <stdlib.h>

#include "common/arena.h"

/* A work's part of a batch. */
struct share {
    struct embed_work *work; /* NULL: it has gone */
    size_t at, first, count; /* in the batch, in the work */
};

struct batch {
    struct embed_batch public; /* first: batch_of */
    size_t tokens;
    struct share *shares;
    size_t share_count, share_capacity, item_capacity;
    size_t wanted; /* shares whose work is still there */
    bool told;     /* that nobody wants it */
    float *vectors;
    struct arena arena; /* its texts */
    TAILQ_ENTRY(batch) link;
};

TAILQ_HEAD(embed_works, embed_work);

/* Works that have texts in no batch yet. */
struct queue {
    struct embed_works works;
    size_t texts, tokens; /* not in a batch yet */
    size_t running;       /* batches under way */
};

struct batcher {
    struct backend_limits limits;
    size_t dimensions;
    struct queue questions, passages;
    struct embed_works ended;
    TAILQ_HEAD(, batch) running;
};

struct batcher *batcher_new(const struct backend_limits *limits, size_t dimensions)
{
    struct batcher *batcher = xcalloc(1, sizeof *batcher);
    assert(limits->texts_max && limits->tokens_max && limits->batches_max);
    batcher->limits = *limits;
    batcher->dimensions = dimensions;
    TAILQ_INIT(&batcher->questions.works);
    TAILQ_INIT(&batcher->passages.works);
    TAILQ_INIT(&batcher->ended);
    TAILQ_INIT(&batcher->running);
    return batcher;
}

static void batch_free(struct batch *batch)
{
    arena_free(&batch->arena);
    free(batch->public.items);
    free(batch->shares);
    free(batch->vectors);
    free(batch);
}

void batcher_destroy(struct batcher **self)
{
    struct batcher *batcher = *self;
    if (!batcher) return;
    while (!TAILQ_EMPTY(&batcher->running)) {
        struct batch *batch = TAILQ_FIRST(&batcher->running);
        TAILQ_REMOVE(&batcher->running, batch, link);
        batch_free(batch);
    }
    free(batcher);
    *self = NULL;
}

static struct queue *queue_of(struct batcher *batcher, bool question)
{
    return question ? &batcher->questions : &batcher->passages;
}

/* --- works: the only mover between lists is work_enter --- */

static void work_enter(struct embed_work *work, struct embed_works *list)
{
    if (work->list) TAILQ_REMOVE(work->list, work, link);
    work->list = list;
    if (list) TAILQ_INSERT_TAIL(list, work, link);
}

static size_t tokens_of(const struct embed_work *work, size_t first)
{
    size_t tokens = 0;
    for (size_t i = first; i < work->count; i++) tokens += work->items[i].tokens;
    return tokens;
}

void batcher_add(struct batcher *batcher, struct embed_work *work, uint64_t now_us)
{
    struct queue *queue = queue_of(batcher, work->question);
    work->error = OK;
    work->taken = 0;
    work->left = work->count;
    work->added_us = now_us;
    work->list = NULL;
    queue->texts += work->count;
    queue->tokens += tokens_of(work, 0);
    work_enter(work, work->count ? &queue->works : &batcher->ended);
}

static void drop_shares(struct batcher *batcher, const struct embed_work *work)
{
    struct batch *batch;
    TAILQ_FOREACH(batch, &batcher->running, link)
    for (size_t i = 0; i < batch->share_count; i++) {
        if (batch->shares[i].work != work) continue;
        batch->shares[i].work = NULL;
        batch->wanted--;
    }
}

void batcher_cancel(struct batcher *batcher, struct embed_work *work)
{
    struct queue *queue = queue_of(batcher, work->question);
    queue->texts -= work->count - work->taken;
    queue->tokens -= tokens_of(work, work->taken);
    work->taken = work->count;
    work_enter(work, NULL);
    drop_shares(batcher, work);
}

static void fail(struct batcher *batcher, struct embed_work *work, err_t error)
{
    batcher_cancel(batcher, work);
    work->error = error;
    work_enter(work, &batcher->ended);
}

struct embed_work *batcher_ended(struct batcher *batcher)
{
    struct embed_work *work = TAILQ_FIRST(&batcher->ended);
    if (work) work_enter(work, NULL);
    return work;
}

/* --- batches --- */

static bool fits(const struct batcher *batcher, const struct batch *batch,
                 const struct embed_item *item)
{
    const struct backend_limits *limits = &batcher->limits;
    return !batch->public.count || (batch->public.count < limits->texts_max &&
                                    batch->tokens + item->tokens <= limits->tokens_max);
}

static void put_item(struct batch *batch, const struct embed_item *item)
{
    struct embed_batch *public = &batch->public;
    public->items =
        xgrow(public->items, &batch->item_capacity, public->count + 1, sizeof *public->items);
    public->items[public->count++] = (struct embed_item){
        .title = arena_slice(&batch->arena, item->title),
        .heading = arena_slice(&batch->arena, item->heading),
        .text = arena_slice(&batch->arena, item->text),
        .tokens = item->tokens,
    };
    batch->tokens += item->tokens;
}

/* Takes the work's next texts as far as there is room. */
static void put_share(struct batcher *batcher, struct batch *batch, struct embed_work *work)
{
    struct queue *queue = queue_of(batcher, work->question);
    struct share share = {.work = work, .at = batch->public.count, .first = work->taken};
    while (work->taken < work->count && fits(batcher, batch, &work->items[work->taken])) {
        const struct embed_item *item = &work->items[work->taken++];
        put_item(batch, item);
        queue->texts--;
        queue->tokens -= item->tokens;
        share.count++;
    }
    if (!share.count) return;
    batch->shares =
        xgrow(batch->shares, &batch->share_capacity, batch->share_count + 1, sizeof *batch->shares);
    batch->shares[batch->share_count++] = share;
    batch->wanted++;
}

static struct embed_batch *batch_make(struct batcher *batcher, struct queue *queue)
{
    struct batch *batch = xcalloc(1, sizeof *batch);
    struct embed_work *work;
    bool full = false;
    while (!full && (work = TAILQ_FIRST(&queue->works))) {
        put_share(batcher, batch, work);
        full = work->taken < work->count;
        if (!full) work_enter(work, NULL);
    }
    batch->vectors = xcalloc(batch->public.count * batcher->dimensions, sizeof *batch->vectors);
    for (size_t i = 0; i < batch->public.count; i++)
        batch->public.items[i].vector = batch->vectors + i * batcher->dimensions;
    batch->public.question = queue == &batcher->questions;
    queue->running++;
    TAILQ_INSERT_TAIL(&batcher->running, batch, link);
    return &batch->public;
}

/* When the queue's next batch may go, slots apart; BATCHER_NEVER for an empty one. */
static uint64_t due_us(const struct batcher *batcher, const struct queue *queue)
{
    const struct backend_limits *limits = &batcher->limits;
    const struct embed_work *oldest = TAILQ_FIRST(&queue->works);
    bool follows = queue == &batcher->questions && queue->running;
    if (!oldest) return BATCHER_NEVER;
    if (queue->texts >= limits->texts_max || queue->tokens >= limits->tokens_max) return 0;
    return oldest->added_us +
           (follows ? MAX(limits->follow_us, limits->gather_us) : limits->gather_us);
}

/* Passages leave the last slot to questions, or wait for them where there is no other. */
static bool slot_free(const struct batcher *batcher, const struct queue *queue)
{
    size_t slots = batcher->limits.batches_max;
    if (batcher->questions.running + batcher->passages.running >= slots) return false;
    if (queue == &batcher->questions) return true;
    if (slots == 1) return TAILQ_EMPTY(&batcher->questions.works);
    return batcher->passages.running < slots - 1;
}

struct embed_batch *batcher_next(struct batcher *batcher, uint64_t now_us)
{
    struct queue *const queues[] = {&batcher->questions, &batcher->passages};
    for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
        uint64_t due = due_us(batcher, queues[i]);
        if (due != BATCHER_NEVER && due <= now_us && slot_free(batcher, queues[i]))
            return batch_make(batcher, queues[i]);
    }
    return NULL;
}

uint64_t batcher_wake_us(const struct batcher *batcher)
{
    const struct queue *const queues[] = {&batcher->questions, &batcher->passages};
    uint64_t wake = BATCHER_NEVER;
    for (size_t i = 0; i < ARRAY_LEN(queues); i++)
        if (slot_free(batcher, queues[i])) wake = MIN(wake, due_us(batcher, queues[i]));
    return wake;
}

static void give(struct batcher *batcher, const struct batch *batch, const struct share *share)
{
    struct embed_work *work = share->work;
    for (size_t i = 0; i < share->count; i++)
        memcpy(work->items[share->first + i].vector, batch->public.items[share->at + i].vector,
               batcher->dimensions * sizeof(float));
    work->left -= share->count;
    if (!work->left) work_enter(work, &batcher->ended);
}

static struct batch *batch_of(struct embed_batch *public)
{
    return (struct batch *)public;
}

void batcher_done(struct batcher *batcher, struct embed_batch *public, err_t error)
{
    struct batch *batch = batch_of(public);
    for (size_t i = 0; i < batch->share_count; i++) {
        const struct share *share = &batch->shares[i];
        if (share->work && error)
            fail(batcher, share->work, error);
        else if (share->work)
            give(batcher, batch, share);
    }
    TAILQ_REMOVE(&batcher->running, batch, link);
    queue_of(batcher, public->question)->running--;
    batch_free(batch);
}

struct embed_batch *batcher_unwanted(struct batcher *batcher)
{
    struct batch *batch;
    TAILQ_FOREACH(batch, &batcher->running, link)
    {
        if (batch->wanted || batch->told) continue;
        batch->told = true;
        return &batch->public;
    }
    return NULL;
}
