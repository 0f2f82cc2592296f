/* What makes vectors: one backend an embedder, of which a process may have several (a portfolio's
 * questions need the one that made its vectors). The pool collects texts into batches, the
 * questions first (batcher.h); a backend turns a batch into vectors, now or later.
 *
 *     pool: texts of jobs ─▶ batch ─▶ backend.run ─▶ embed_batch.done ─▶ the jobs' next stage
 */
#ifndef MILLRACE_EMBEDDER_BACKEND_H
#define MILLRACE_EMBEDDER_BACKEND_H

#include "workers/embedder/embedder.h"
#include "workers/worker.h"

struct embed_item {
    struct slice title, heading; /* of a passage; empty for a question */
    struct slice text;
    size_t tokens; /* as the backend's `tokens` counted them */
    float *vector; /* info.dimensions floats, written by the backend, normalised */
};

/* The pool's, with all that it points to; a backend may use it until it calls `done`, also on a
 * thread of its own. */
struct embed_batch {
    struct embed_item *items;
    size_t count;
    bool question; /* somebody waits for it */
    /* The last that is done with the batch; on the loop; may come inside `run` or `cancel`. */
    void (*done)(struct embed_batch *batch, err_t error);
    void *data;  /* the backend's */
    void *owner; /* the pool's */
};

/* What a backend can take at once. */
struct backend_limits {
    size_t texts_max;   /* of a batch */
    size_t tokens_max;  /* of a batch, as `tokens` counts; a single text may exceed it */
    size_t batches_max; /* under way at once; of more than one, one is kept for questions */
    uint64_t gather_us; /* a batch that is not full waits so long for company; 0: not at all */
    uint64_t follow_us; /* while a batch of questions is under way, others wait for its end so long,
                           to go out as one; 0: not at all */
};

struct backend {
    /* Opens what this machine needs for the embedder `info` (which lives for ever).
     * ERR_EMBEDDER_UNAVAILABLE where it has not what that takes, ERR_BAD_SETTING,
     * ERR_MODEL_INVALID; the reason is logged. */
    err_t (*open)(struct worker *worker, const struct embedder_info *info, void **context);
    /* Batches that are still under way are dropped without `done`, and not touched any more. */
    void (*close)(void *context);
    const struct backend_limits *(*limits)(const void *context);
    /* The cost of a text in the backend's own measure (tokens, or an estimate). Cheap. */
    size_t (*tokens)(void *context, const struct embed_item *item);
    void (*run)(void *context, struct embed_batch *batch);
    /* Nobody wants the batch any more: `done` comes soon with ERR_CANCELLED, or whatever it is.
     * NULL: it runs to its end. */
    void (*cancel)(void *context, struct embed_batch *batch);
};

extern const struct backend backend_hashing;  /* hashing.c's, in steps on the loop */
extern const struct backend backend_model;    /* the local model, on a helper thread */
extern const struct backend backend_provider; /* openai, mistral, openai-compatible */

#endif
