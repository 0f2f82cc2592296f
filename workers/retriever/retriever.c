#include "workers/retriever/retriever.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/codec.h"
#include "workers/embedder/embedder.h"

void retriever_fail(struct retriever *retriever, struct job *job, err_t error, const char *message)
{
    bool elsewhere = error_category(error) == ERROR_TRANSIENT;
    if (error == ERR_STORE_SCHEMA) worker_leave(retriever->worker);
    job_fail(&job, error, elsewhere, message, NULL);
}

/* --- jobs of the store --- */

struct store_job {
    struct store_call call;
    struct retriever *retriever;
    struct job *job;
    uint64_t began_us;
};

/* A batch that was leased goes on to the embedder; where nothing waits the job ends with nothing.
 */
static void end_lease(struct store_job *stored, const struct meta *meta)
{
    struct job *job = stored->job;
    static const struct documents none;
    struct buffer result = {0};
    if (stored->call.passages.len) {
        job_set_frame(job, JOB_REQUEST, buffer_slice(&stored->call.result));
        job_set_frame(job, JOB_CONTEXT, buffer_slice(&stored->call.passages));
        job_next(&job, meta);
        return;
    }
    record_encode(documents_type(), &none, &result);
    job_answer(&job, meta, buffer_slice(&result));
    buffer_free(&result);
}

static void on_stored(struct store_call *call)
{
    struct store_job *stored = call->context;
    struct job *job = stored->job;
    struct meta meta = {.work_us = clock_us() - stored->began_us,
                        .portfolio_version = call->portfolio_version};
    if (call->error)
        retriever_fail(stored->retriever, job, call->error, call->message);
    else if (call->kind == KIND_INDEX && call->stage == 0)
        end_lease(stored, &meta);
    else
        job_answer(&job, &meta, buffer_slice(&call->result));
    store_call_free(call);
    free(stored);
}

static void store_start(struct retriever *retriever, struct job *job)
{
    struct store_job *stored = xcalloc(1, sizeof(*stored));
    stored->retriever = retriever;
    stored->job = job;
    stored->began_us = clock_us();
    stored->call = (struct store_call){
        .kind = job_kind(job),
        .stage = job_stage(job),
        .op = job_op(job),
        .request = job_frame(job, JOB_REQUEST),
        .embedding = job_frame(job, JOB_EMBEDDING),
        .retrieved = job_frame(job, JOB_CONTEXT),
        .done = on_stored,
        .context = stored,
    };
    store_call(retriever->store, &stored->call);
}

/* Kinds that name no function here are the store's own. */
static void (*const starts[KIND_COUNT])(struct retriever *retriever, struct job *job) = {
    [KIND_CHAT] = search_start,
    [KIND_SEARCH] = search_start,
};

static void start(void *context, struct job *job)
{
    enum kind kind = job_kind(job);
    (starts[kind] ? starts[kind] : store_start)(context, job);
}

/* --- what the store hears --- */

static void on_version(void *context, const char *kind, uint64_t id, uint64_t version)
{
    struct retriever *retriever = context;
    worker_announce(retriever->worker, kind, id, version);
}

static void on_pending(void *context, uint64_t portfolio_id)
{
    struct retriever *retriever = context;
    worker_pending(retriever->worker, "index", portfolio_id);
}

/* Its first word is a code, by which the gateway tells how the store is. */
static void on_trouble(void *context, err_t error, const char *why)
{
    struct retriever *retriever = context;
    struct buffer text = {0};
    buffer_printf(&text, "%s: %s", error_code(error), why);
    buffer_append_char(&text, '\0');
    worker_trouble(retriever->worker, error ? text.data : NULL);
    buffer_free(&text);
}

static const struct store_listener listener = {on_version, on_pending, on_trouble};

/* --- the pool --- */

static err_t open_pool(struct worker *worker, void **context)
{
    const struct settings *settings = worker_settings(worker);
    const struct embedder_info *embedder;
    if (embedder_configured(settings, &embedder)) return ERR_BAD_SETTING;
    struct retriever *retriever = xcalloc(1, sizeof(*retriever));
    retriever->worker = worker;
    struct store_options options = {
        .url = settings->database_url,
        .embedder = embedder->name,
        .history_messages_max = settings->history_messages_max,
        .document_bytes_max = settings->document_bytes_max,
        .connections_max = settings->database_connections_max,
        .index = {.chunks_max = settings->resident_chunks_max,
                  .m = settings->hnsw_m,
                  .ef_construction = settings->hnsw_ef_construction,
                  .ef_search = settings->hnsw_ef_search,
                  .build_bytes_max = settings->hnsw_build_bytes_max},
        .answer_ttl_ms = settings->cache_answer_ttl_s * 1000,
        .listener = &listener,
        .listener_context = retriever,
    };
    err_t error = store_open(worker_base(worker), &options, &retriever->store);
    if (error) {
        free(retriever);
        return error;
    }
    retriever->portfolios = portfolio_cache_new(retriever->store, settings->resident_bytes_max,
                                                settings->resident_chunks_max);
    retriever->semantic = semantic_new(retriever->store, settings->semantic_bytes_max,
                                       settings->cache_answer_ttl_s * 1000);
    *context = retriever;
    return OK;
}

static void close_pool(void *context)
{
    struct retriever *retriever = context;
    store_close(&retriever->store);
    portfolio_cache_destroy(&retriever->portfolios);
    semantic_destroy(&retriever->semantic);
    free(retriever);
}

const struct worker_pool retriever_pool = {
    .pool = POOL_RETRIEVE,
    .settings = OF_RETRIEVER,
    .open = open_pool,
    .start = start,
    .close = close_pool,
};
