/* What makes vectors: one backend an embedder, of which a process may have several (a portfolio's
 * questions need the one that made its vectors). The pool (pool.c) collects texts into batches, the
 * questions first; a backend turns a batch into vectors, now or later.
 *
 *     pool: texts of jobs ─▶ batch ─▶ backend.run ─▶ embed_batch.done ─▶ the jobs' next stage
 */
#ifndef MILLRACE_EMBEDDER_BACKEND_H
#define MILLRACE_EMBEDDER_BACKEND_H

#include "workers/embedder/embedder.h"
#include "workers/worker.h"

struct embed_text {
    struct slice title, heading; /* of a passage; empty for a question */
    struct slice text;
    float *vector; /* info.dimensions floats, written by the backend, normalised */
};

/* The pool's; a backend may keep it until it calls `done`. */
struct embed_batch {
    struct embed_text *texts;
    size_t count;
    bool question;                                        /* somebody waits for it */
    void (*done)(struct embed_batch *batch, err_t error); /* on the loop; may come inside `run` */
    void *data;                                           /* the backend's */
};

/* What a backend can take at once. */
struct backend_limits {
    size_t texts_max;   /* of a batch */
    size_t tokens_max;  /* of a batch, as `tokens` counts; a single text may exceed it */
    size_t batches_max; /* under way at once */
    uint64_t gather_us; /* a batch may wait so long for company; 0: it goes at once */
};

struct backend {
    /* Opens what EMBEDDER's setting (or a portfolio) asks for. ERR_EMBEDDER_UNAVAILABLE where this
     * machine has not what it needs, ERR_BAD_SETTING, ERR_MODEL_INVALID; the reason is logged. */
    err_t (*open)(struct worker *worker, void **context);
    void (*close)(void *context);
    const struct embedder_info *(*info)(const void *context);
    const struct backend_limits *(*limits)(const void *context);
    /* The cost of a text in the backend's own measure (tokens, or an estimate). Cheap. */
    size_t (*tokens)(void *context, const struct embed_text *text);
    void (*run)(void *context, struct embed_batch *batch);
    /* Nobody wants the batch any more: `done` comes soon with ERR_CANCELLED, or whatever it is.
     * NULL: it runs to its end. */
    void (*cancel)(void *context, struct embed_batch *batch);
};

extern const struct backend backend_hashing;  /* hashing.c's, in steps on the loop */
extern const struct backend backend_model;    /* the local model, on a helper thread */
extern const struct backend backend_provider; /* openai, mistral, openai-compatible */

#endif
