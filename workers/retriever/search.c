/* A question's passages.
 *
 *     request, embedding ─▶ portfolio up to date ─▶ search in memory ─▶ texts ─▶ `chat`: on, with
 *                           (waits where it must)                       [context]; `search`: answer
 */
#include "common/clock.h"
#include "common/language.h"
#include "proto/codec.h"
#include "workers/retriever/followup.h"
#include "workers/retriever/retriever.h"

#define TOP_K_DEFAULT        8
#define TOP_K_MAX            100
#define CHARACTERS_PER_TOKEN 4

struct search {
    struct retriever *retriever;
    struct job *job;
    struct chat_request request;
    struct history history;
    struct embedding embedding;
    struct portfolio_wait wait;
    struct store_passages texts;
    uint64_t began_us, search_us, portfolio_version;
};

/* About what a frame of them takes: room made once. */
static size_t frame_bytes(const struct store_passages *texts)
{
    enum { MEMBERS_BYTES = 512 }; /* of a passage, beside its text */
    const struct passage *passages = texts->passages.items;
    size_t bytes = MEMBERS_BYTES;
    for (size_t i = 0; i < texts->passages.count; i++)
        bytes += passages[i].text.len + MEMBERS_BYTES;
    return bytes;
}

static void finish(struct store_passages *texts)
{
    struct search *search = texts->context;
    struct job *job = search->job;
    struct buffer frame = {0};
    if (texts->error) {
        retriever_fail(job, texts->error, NULL);
        return;
    }
    buffer_reserve(&frame, frame_bytes(texts));
    struct meta meta = {
        .work_us = clock_us() - search->began_us,
        .search_us = search->search_us,
        .portfolio_version = search->portfolio_version,
    };
    if (job_kind(job) == KIND_SEARCH) {
        struct search_results results = {.results = texts->passages};
        record_encode(search_results_type(), &results, &frame);
        job_answer(&job, &meta, buffer_slice(&frame));
    } else {
        struct context context = {.portfolio_id = search->request.portfolio_id,
                                  .portfolio_version = search->portfolio_version,
                                  .passages = texts->passages};
        record_encode(context_type(), &context, &frame);
        job_set_frame(job, JOB_CONTEXT, buffer_slice(&frame));
        job_next(&job, &meta);
    }
    buffer_free(&frame);
}

/* The question's vector, aligned; NULL where there is none that fits: then words search alone. */
static const float *query_vector(struct search *search, const struct embedder_info *embedder)
{
    const struct embedding *embedding = &search->embedding;
    if (!embedder || !slice_equal(embedding->embedder, slice_of(embedder->name)) ||
        !embedding->count || embedding->dimensions != embedder->dimensions ||
        embedding->vectors.len < embedder->dimensions * sizeof(float))
        return NULL;
    float *vector = arena_alloc(job_arena(search->job), embedder->dimensions * sizeof(float));
    memcpy(vector, embedding->vectors.ptr, embedder->dimensions * sizeof(float));
    return vector;
}

static const struct language *query_language(const struct search *search)
{
    const struct language *language = language_find(search->request.language);
    return language ? language : language_detect(search->request.message, NULL);
}

static void find(struct search *search, const struct portfolio_view *view)
{
    const struct language *language = query_language(search);
    size_t top_k = search->request.top_k ? search->request.top_k : TOP_K_DEFAULT;
    struct resident_query query = {
        .text = followup_query(language, search->request.message, &search->history,
                               job_arena(search->job)),
        .language = language,
        .vector = query_vector(search, view->embedder),
        .vector_weight = view->embedder ? view->embedder->vector_weight : 0,
        .top_k = MIN(top_k, TOP_K_MAX),
        .merge = true,
    };
    struct resident_hit *hits = arena_alloc(job_arena(search->job), query.top_k * sizeof(*hits));
    uint64_t began_us = clock_us();
    search->texts.hits = hits;
    search->texts.count = resident_search(view->resident, &query, hits);
    search->search_us = clock_us() - began_us;
    search->portfolio_version = view->version;
}

static void on_ready(struct portfolio_wait *wait, err_t error, const struct portfolio_view *view)
{
    struct search *search = wait->context;
    if (!error && job_cancelled(search->job)) error = ERR_CANCELLED;
    if (error) {
        retriever_fail(search->job, error, NULL);
        return;
    }
    find(search, view);
    search->texts.tenant = search->request.tenant;
    search->texts.characters_max = search->request.max_tokens * CHARACTERS_PER_TOKEN;
    search->texts.arena = job_arena(search->job);
    search->texts.done = finish;
    search->texts.context = search;
    store_passages(search->retriever->store, &search->texts);
}

static err_t decode(struct search *search)
{
    struct arena *arena = job_arena(search->job);
    err_t error = record_decode(chat_request_type(), job_frame(search->job, JOB_REQUEST), arena,
                                &search->request);
    if (!error)
        error = record_decode(history_type(), job_frame(search->job, JOB_HISTORY), arena,
                              &search->history);
    if (error) return error;
    return record_decode(embedding_type(), job_frame(search->job, JOB_EMBEDDING), arena,
                         &search->embedding);
}

void search_start(struct retriever *retriever, struct job *job)
{
    struct search *search = arena_alloc(job_arena(job), sizeof(*search));
    search->retriever = retriever;
    search->job = job;
    search->began_us = clock_us();
    err_t error = decode(search);
    if (error) {
        retriever_fail(job, error, NULL);
        return;
    }
    search->wait = (struct portfolio_wait){.tenant = search->request.tenant,
                                           .portfolio_id = search->request.portfolio_id,
                                           .ready = on_ready,
                                           .context = search};
    portfolio_cache_want(retriever->portfolios, &search->wait);
}
