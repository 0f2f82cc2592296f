/* A question's passages.
 *
 *     request, embedding ─▶ portfolio up to date ─▶ search in memory ─▶ texts ─▶ `chat`: on, with
 *                           (waits where it must)          │            [context]; `search`: answer
 *                                                          └▶ a question that means the same: its
 * answer
 */
#include "common/clock.h"
#include "common/language.h"
#include "proto/codec.h"
#include "workers/retriever/followup.h"
#include "workers/retriever/retriever.h"
#include "workers/retriever/semantic_guard.h"

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
    struct resident_query query;
    const struct embedder_info *embedder; /* of the portfolio's vectors */
    struct store_search in_store;
    struct store_passages texts;
    struct semantic_question semantic;
    uint64_t passages[GUARD_PASSAGES]; /* chunk ids of the best hits */
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
        retriever_fail(search->retriever, job, texts->error, NULL);
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

static void prepare(struct search *search, const struct portfolio_view *view)
{
    const struct language *language = query_language(search);
    size_t top_k = search->request.top_k ? search->request.top_k : TOP_K_DEFAULT;
    struct arena *arena = job_arena(search->job);
    search->embedder = view->embedder;
    search->portfolio_version = view->version;
    search->query = (struct resident_query){
        .text = followup_query(language, search->request.message, &search->history, arena),
        .language = language,
        .vector = query_vector(search, view->embedder),
        .vector_weight = view->embedder ? view->embedder->vector_weight : 0,
        .top_k = MIN(top_k, TOP_K_MAX),
        .merge = true,
    };
    search->texts = (struct store_passages){
        .tenant = search->request.tenant,
        .characters_max = search->request.max_tokens * CHARACTERS_PER_TOKEN,
        .arena = arena,
        .done = finish,
        .context = search,
    };
}

/* --- an earlier answer --- */

static void answer_again(struct search *search)
{
    struct semantic_question *question = &search->semantic;
    struct meta meta = {.work_us = clock_us() - search->began_us,
                        .search_us = search->search_us,
                        .portfolio_version = search->portfolio_version,
                        .finish_reason = SLICE("stop"),
                        .similarity = question->similarity,
                        .question = question->original};
    struct job *job = search->job;
    job_answer(&job, &meta, question->ready);
}

static void on_looked(struct semantic_question *question)
{
    struct search *search = question->context;
    if (job_cancelled(search->job))
        retriever_fail(search->retriever, search->job, ERR_CANCELLED, NULL);
    else if (question->found)
        answer_again(search);
    else
        store_passages(search->retriever->store, &search->texts);
}

/* Whether an earlier answer will do: never for a question that follows another. */
static bool takes_answer(const struct search *search, const struct resident_query *query)
{
    return job_kind(search->job) == KIND_CHAT && search->request.semantic &&
           !search->history.messages.count && query->vector && search->texts.count;
}

static void look_for_answer(struct search *search, const struct resident_query *query,
                            const struct embedder_info *embedder)
{
    const struct chat_request *request = &search->request;
    size_t count = MIN(search->texts.count, (size_t)GUARD_PASSAGES);
    for (size_t i = 0; i < count; i++) search->passages[i] = search->texts.hits[i].chunk_id;
    search->semantic = (struct semantic_question){
        .place = {.tenant = request->tenant,
                  .agent_id = request->agent.id,
                  .agent_version = request->agent.version,
                  .portfolio_id = request->portfolio_id,
                  .portfolio_version = search->portfolio_version,
                  .language = request->language},
        .language = query->language,
        .text = request->message,
        .complexity = request->complexity,
        .top_k = request->top_k,
        .max_tokens = request->max_tokens,
        .embedder = slice_of(embedder->name),
        .vector = query->vector,
        .dimensions = embedder->dimensions,
        .threshold = MAX(embedder->semantic_threshold, request->agent.semantic_threshold),
        .passages = search->passages,
        .passage_count = count,
        .arena = job_arena(search->job),
        .done = on_looked,
        .context = search,
    };
    semantic_find(search->retriever->semantic, &search->semantic);
}

/* --- the search itself --- */

static void on_hits(struct search *search, const struct resident_hit *hits, size_t count,
                    uint64_t began_us)
{
    search->texts.hits = hits;
    search->texts.count = count;
    search->search_us = clock_us() - began_us;
    if (takes_answer(search, &search->query))
        look_for_answer(search, &search->query, search->embedder);
    else
        store_passages(search->retriever->store, &search->texts);
}

static void on_searched(struct store_search *in_store)
{
    struct search *search = in_store->context;
    err_t error = in_store->error;
    if (!error && job_cancelled(search->job)) error = ERR_CANCELLED;
    if (error)
        retriever_fail(search->retriever, search->job, error, NULL);
    else
        on_hits(search, in_store->hits, in_store->count, search->search_us);
}

static void search_in_store(struct search *search, struct portfolio_terms *terms,
                            struct resident_hit *hits)
{
    search->search_us = clock_us(); /* when it began, until it is over */
    search->in_store = (struct store_search){
        .portfolio_id = search->request.portfolio_id,
        .query = &search->query,
        .terms = terms,
        .dimensions = search->embedder->dimensions,
        .hits = hits,
        .done = on_searched,
        .context = search,
    };
    store_search(search->retriever->store, &search->in_store);
}

static void on_ready(struct portfolio_wait *wait, err_t error, const struct portfolio_view *view)
{
    struct search *search = wait->context;
    if (!error && job_cancelled(search->job)) error = ERR_CANCELLED;
    if (error) {
        retriever_fail(search->retriever, search->job, error, NULL);
        return;
    }
    prepare(search, view);
    struct resident_hit *hits =
        arena_alloc(job_arena(search->job), search->query.top_k * sizeof(*hits));
    uint64_t began_us = clock_us();
    if (view->resident)
        on_hits(search, hits, resident_search(view->resident, &search->query, hits), began_us);
    else
        search_in_store(search, view->terms, hits);
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
        retriever_fail(retriever, job, error, NULL);
        return;
    }
    search->wait = (struct portfolio_wait){.tenant = search->request.tenant,
                                           .portfolio_id = search->request.portfolio_id,
                                           .ready = on_ready,
                                           .context = search};
    portfolio_cache_want(retriever->portfolios, &search->wait);
}
