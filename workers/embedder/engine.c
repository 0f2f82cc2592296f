#include "workers/embedder/engine.h"

#include <stdlib.h>

#include "common/clock.h"

static const struct {
    const char *setting;
    const struct backend *backend;
} backends[] = {
    {"hashing", &backend_hashing},
    {"model", &backend_model},
    {"openai", &backend_provider},
    {"mistral", &backend_provider},
    {"openai-compatible", &backend_provider},
};

struct engine {
    const struct embedder_info *info;
    const struct backend *backend;
    void *context; /* the backend's */
    struct batcher *batcher;
    void (*ended)(struct embed_work *work);
    struct event *wake;
    bool driving; /* drive() is on the stack */
};

static void drive(struct engine *engine);

static void on_done(struct embed_batch *batch, err_t error)
{
    struct engine *engine = batch->owner;
    batcher_done(engine->batcher, batch, error);
    drive(engine);
}

static void run(struct engine *engine, struct embed_batch *batch)
{
    batch->owner = engine;
    batch->done = on_done;
    engine->backend->run(engine->context, batch);
}

/* One thing that is to do; false: nothing is. */
static bool step(struct engine *engine)
{
    struct embed_work *ended = batcher_ended(engine->batcher);
    struct embed_batch *unwanted = ended ? NULL : batcher_unwanted(engine->batcher);
    struct embed_batch *next = ended || unwanted ? NULL : batcher_next(engine->batcher, clock_us());
    if (ended) engine->ended(ended);
    if (unwanted && engine->backend->cancel) engine->backend->cancel(engine->context, unwanted);
    if (next) run(engine, next);
    return ended || unwanted || next;
}

static void wake_later(struct engine *engine)
{
    uint64_t at_us = batcher_wake_us(engine->batcher), now_us = clock_us();
    uint64_t wait_us = at_us > now_us ? at_us - now_us : 0;
    struct timeval wait = clock_timeval_us(wait_us);
    if (at_us != BATCHER_NEVER) evtimer_add(engine->wake, &wait);
}

/* Backends and jobs come back in here from what it calls: then the first one goes on. */
static void drive(struct engine *engine)
{
    if (engine->driving) return;
    engine->driving = true;
    while (step(engine)) {
    }
    engine->driving = false;
    wake_later(engine);
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    drive(context);
}

void engine_add(struct engine *engine, struct embed_work *work)
{
    for (size_t i = 0; i < work->count; i++)
        work->items[i].tokens = engine->backend->tokens(engine->context, &work->items[i]);
    batcher_add(engine->batcher, work, clock_us());
    drive(engine);
}

void engine_cancel(struct engine *engine, struct embed_work *work)
{
    batcher_cancel(engine->batcher, work);
    drive(engine);
}

const struct embedder_info *engine_info(const struct engine *engine)
{
    return engine->info;
}

err_t engine_open(struct worker *worker, const struct embedder_info *info,
                  void (*ended)(struct embed_work *work), struct engine **out)
{
    size_t i = 0;
    void *context;
    while (i < ARRAY_LEN(backends) && strcmp(backends[i].setting, info->setting)) i++;
    if (i == ARRAY_LEN(backends)) return ERR_EMBEDDER_UNAVAILABLE;
    err_t error = backends[i].backend->open(worker, info, &context);
    if (error) return error;
    struct engine *engine = xcalloc(1, sizeof *engine);
    engine->info = info;
    engine->backend = backends[i].backend;
    engine->context = context;
    engine->batcher = batcher_new(engine->backend->limits(context), info->dimensions);
    engine->ended = ended;
    engine->wake = evtimer_new(worker_base(worker), on_wake, engine);
    *out = engine;
    return OK;
}

void engine_close(struct engine **self)
{
    struct engine *engine = *self;
    if (!engine) return;
    engine->backend->close(engine->context);
    batcher_destroy(&engine->batcher);
    event_free(engine->wake);
    free(engine);
    *self = NULL;
}
