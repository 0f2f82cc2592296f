/* What a provider of answers is. There are two: `extractive`, which needs no model, and `remote`,
 * which asks one over HTTP in the dialect that the target's name says.
 *
 *     generator_start ─▶ provider.start ─▶ generation_text … ─▶ generation_done | generation_fail
 *                            ▲              │ false: wait          │   (exactly one, the last call)
 *                            │ provider.writable ◀┘                │
 *                            └── the agent's next target ◀─────────┘ before the first text
 *
 * Everything happens on the loop. A generation lives until it is ended; its memory is its job's. */
#ifndef MILLRACE_GENERATOR_PROVIDER_H
#define MILLRACE_GENERATOR_PROVIDER_H

#include "common/complexity.h"
#include "workers/generator/citations.h"
#include "workers/generator/targets.h"
#include "workers/worker.h"

struct generator;
struct provider;

/* One answer being written. */
struct generation {
    struct generator *generator;
    struct job *job;
    const struct provider *provider;
    void *context; /* what provider.open made */
    void *data;    /* the provider's own, of this answer */
    struct chat_request request;
    struct history history;
    struct context passages;          /* cited by their place in the list, from 1 */
    const struct language *language;  /* of the question */
    const struct language *answer_in; /* the agent's, or else the question's */
    enum complexity level;
    const struct target *targets; /* asked in turn */
    size_t target_count, target;  /* and the one that is asked now */
    const char *author;           /* "provider/model" */
    struct slice prefix; /* what this author has written before and the client has; mostly empty */
    struct citation_scan citations;
    size_t citable;     /* how many of the passages its writer was given */
    bool begun;         /* text was given */
    err_t error;        /* of the targets that have failed, what the client would be told */
    struct usage usage; /* of this try; kept up to date by the provider, so every end has it */
    struct usage spent; /* of the tries before */
    uint64_t started_us;
};

struct provider {
    const char *name;
    /* Opens what all its answers share. NULL: nothing. */
    err_t (*open)(struct worker *worker, void **context);
    void (*close)(void *context);
    /* Who will write: provider and model. In the arena or for ever. */
    const char *(*author)(const struct target *target, struct arena *arena);
    void (*start)(struct generation *generation);
    /* There is room again after generation_text said false. */
    void (*writable)(struct generation *generation);
    /* Nobody wants the answer any more: stop, and end with generation_fail(ERR_CANCELLED). */
    void (*cancel)(struct generation *generation);
};

extern const struct provider provider_extractive, provider_remote;

static inline const struct target *generation_target(const struct generation *generation)
{
    return &generation->targets[generation->target];
}

/* The text to come goes on behind the prefix. Before the first text, or never. */
void generation_continue(struct generation *generation);
/* A try was in vain and another follows: what it used is kept and counts in the end. */
void generation_retry(struct generation *generation);
/* More of the answer, whole code points. False: kept, but wait for `writable` with more. */
bool generation_text(struct generation *generation, struct slice text);
/* The ends. Each sets the caller's pointer to NULL. Before the first text, generation_fail hands
 * the answer to the next target, which may be this very provider's. */
void generation_done(struct generation **generation, const char *finish_reason);
void generation_fail(struct generation **generation, err_t error);

#endif
