/* How texts of many jobs become batches, and vectors find back to their jobs. Pure: it starts
 * nothing, and is told the time.
 *
 *     batcher_add ─▶ questions ─┐ a slot is free     ┌─▶ batcher_done ─▶ batcher_ended
 *                    passages ──┴▶ batcher_next ─▶ batch
 *                                                    └─▶ nobody wants it: batcher_unwanted
 *
 * Questions go first, and one of several slots is theirs alone. A batch waits a moment for company
 * (backend_limits.gather_us); what comes while all slots are taken goes out together. A job's texts
 * may go in several batches, and a batch may hold those of several jobs: a job that goes leaves the
 * batch to the others. */
#ifndef MILLRACE_EMBEDDER_BATCHER_H
#define MILLRACE_EMBEDDER_BATCHER_H

#include <sys/queue.h>

#include "workers/embedder/backend.h"

/* The texts of one job. The caller's, and must stay until it has ended or was cancelled; so must
 * the vectors that it wants filled. */
struct embed_work {
    struct embed_item *items;
    size_t count;
    bool question; /* somebody waits for it */
    err_t error;   /* why it has ended */
    /* the batcher's */
    size_t taken, left; /* texts that are in batches, or were; texts without a vector */
    uint64_t added_us;
    struct embed_works *list;
    TAILQ_ENTRY(embed_work) link;
};

#define BATCHER_NEVER UINT64_MAX

struct batcher;

struct batcher *batcher_new(const struct backend_limits *limits, size_t dimensions) MUST_USE;
/* Drops batches that are under way: their backend must be closed. Works are not touched. */
void batcher_destroy(struct batcher **batcher);
void batcher_add(struct batcher *batcher, struct embed_work *work, uint64_t now_us);
/* Forgets a work that has not ended. */
void batcher_cancel(struct batcher *batcher, struct embed_work *work);
/* The next batch to run, with copies of its texts; NULL: none now. The batcher's, until
 * batcher_done. */
struct embed_batch *batcher_next(struct batcher *batcher, uint64_t now_us);
/* When batcher_next may have one, if nothing happens before; BATCHER_NEVER. */
uint64_t batcher_wake_us(const struct batcher *batcher);
/* A batch has ended; it is freed. With an error all works in it end. */
void batcher_done(struct batcher *batcher, struct embed_batch *batch, err_t error);
/* The next work that has ended; NULL: none. It is the caller's again. */
struct embed_work *batcher_ended(struct batcher *batcher);
/* The next batch under way that nobody wants any more, each once; NULL: none. batcher_done is still
 * due. */
struct embed_batch *batcher_unwanted(struct batcher *batcher);

#endif
