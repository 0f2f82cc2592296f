/* The pool's jobs end to end over a real store: what a job is given, and how it ends. The runtime
 * is played by this file: it holds one job's frames and writes down its end. */
#include "store_fixture.h"

#include "workers/retriever/retriever.h"

struct job {
    enum kind kind;
    unsigned stage;
    struct buffer frames[JOB_FRAMES];
    struct arena arena;
    enum { RUNNING, NEXT, ANSWERED, FAILED } end;
    bool ended, cancelled, requeue;
    err_t error;
    struct meta meta;
    struct buffer result;
};

struct worker {
    struct event_base *base;
    struct settings settings;
    uint64_t announced, pending;
    bool left, troubled;
};

struct event_base *worker_base(const struct worker *worker)
{
    return worker->base;
}

const struct settings *worker_settings(const struct worker *worker)
{
    return &worker->settings;
}

void worker_announce(struct worker *worker, const char *kind, uint64_t id, uint64_t version)
{
    (void)kind, (void)version;
    worker->announced = id;
}

void worker_pending(struct worker *worker, const char *kind, uint64_t portfolio_id)
{
    assert_string_equal(kind, "index");
    worker->pending = portfolio_id;
}

void worker_trouble(struct worker *worker, const char *trouble)
{
    worker->troubled = trouble;
}

void worker_leave(struct worker *worker)
{
    worker->left = true;
}

enum kind job_kind(const struct job *job)
{
    return job->kind;
}

unsigned job_stage(const struct job *job)
{
    return job->stage;
}

struct slice job_frame(const struct job *job, enum job_frame frame)
{
    return buffer_slice(&job->frames[frame]);
}

struct slice job_op(const struct job *job)
{
    (void)job;
    return (struct slice){0};
}

bool job_cancelled(const struct job *job)
{
    return job->cancelled;
}

struct arena *job_arena(struct job *job)
{
    return &job->arena;
}

void job_set_frame(struct job *job, enum job_frame frame, struct slice bytes)
{
    job->frames[frame].len = 0;
    buffer_append_slice(&job->frames[frame], bytes);
}

static void job_ends(struct job **job, int end, const struct meta *meta)
{
    assert_false((*job)->ended);
    (*job)->ended = true;
    (*job)->end = end;
    if (meta) (*job)->meta = *meta;
    *job = NULL;
}

void job_next(struct job **job, const struct meta *meta)
{
    job_ends(job, NEXT, meta);
}

void job_answer(struct job **job, const struct meta *meta, struct slice result)
{
    buffer_append_slice(&(*job)->result, result);
    job_ends(job, ANSWERED, meta);
}

void job_fail(struct job **job, err_t error, bool requeue, const char *message,
              const struct meta *meta)
{
    (void)message;
    (*job)->error = error;
    (*job)->requeue = requeue;
    job_ends(job, FAILED, meta);
}

/* --- running jobs --- */

struct played {
    struct fixture f; /* its store is not used: the pool opens its own */
    struct worker worker;
    void *context;
};

static int setup(void **state)
{
    struct played *pool = xcalloc(1, sizeof(*pool));
    struct fixture *f;
    void *made;
    if (fixture_setup(&made)) return -1;
    f = made;
    pool->f = *f;
    free(f);
    store_close(&pool->f.store);
    pool->worker.base = pool->f.base;
    pool->worker.settings = (struct settings){.database_url = pool->f.url,
                                              .database_connections_max = 5,
                                              .embedder = "hashing",
                                              .history_messages_max = 4,
                                              .document_bytes_max = 100000,
                                              .resident_bytes_max = 1 << 30,
                                              .resident_chunks_max = 1000};
    *state = pool;
    return retriever_pool.open(&pool->worker, &pool->context) ? -1 : 0;
}

static int teardown(void **state)
{
    struct played *pool = *state;
    struct fixture *f = xmalloc(sizeof(*f));
    retriever_pool.close(pool->context);
    *f = pool->f;
    f->store = NULL;
    free(pool);
    *state = f;
    return fixture_teardown(state);
}

static void job_run(struct played *pool, struct job *job)
{
    retriever_pool.start(pool->context, job);
    fixture_wait(&pool->f, &job->ended);
}

static void job_free(struct job *job)
{
    for (size_t i = 0; i < JOB_FRAMES; i++) buffer_free(&job->frames[i]);
    buffer_free(&job->result);
    arena_free(&job->arena);
}

/* A job of one stage that must be answered; its result in `result`. */
static void run(struct played *pool, enum kind kind, const void *request, void *result)
{
    struct job job = {.kind = kind};
    record_encode(kind_info(kind)->request(), request, &job.frames[JOB_REQUEST]);
    job_run(pool, &job);
    assert_int_equal(job.end, ANSWERED);
    struct slice bytes = arena_slice(&pool->f.arena, buffer_slice(&job.result));
    if (result)
        assert_int_equal(record_decode(kind_info(kind)->result(), bytes, &pool->f.arena, result),
                         OK);
    job_free(&job);
}

static uint64_t portfolio_with(struct played *pool, const char *const *texts, size_t count)
{
    struct portfolio portfolio;
    struct put_portfolio make = {.portfolio = {.name = SLICE("p")}};
    run(pool, KIND_PORTFOLIO_CREATE, &make, &portfolio);
    for (size_t i = 0; i < count; i++) {
        struct document document = {.content = slice_of(texts[i]), .title = SLICE("A title")};
        struct put_documents put = {.portfolio_id = portfolio.id, .documents = {&document, 1}};
        run(pool, KIND_DOCUMENT_PUT, &put, NULL);
    }
    return portfolio.id;
}

static const char *const texts[] = {"The wheel turns in the millrace.",
                                    "Bread is baked in the morning.",
                                    "La rueda gira en el canal del molino."};

static struct job question(enum kind kind, uint64_t portfolio_id, const char *message)
{
    struct job job = {.kind = kind, .stage = 1};
    struct chat_request request = {.message = slice_of(message),
                                   .language = SLICE("en"),
                                   .portfolio_id = portfolio_id,
                                   .top_k = 3,
                                   .max_tokens = 1000};
    record_encode(chat_request_type(), &request, &job.frames[JOB_REQUEST]);
    return job;
}

static void a_chat_goes_on_with_the_passages_that_answer(void **state)
{
    struct played *pool = *state;
    uint64_t id = portfolio_with(pool, texts, ARRAY_LEN(texts));
    struct job job = question(KIND_CHAT, id, "Where does the wheel turn?");
    struct context context;
    job_run(pool, &job);
    assert_int_equal(job.end, NEXT);
    assert_int_equal(record_decode(context_type(), buffer_slice(&job.frames[JOB_CONTEXT]),
                                   &pool->f.arena, &context),
                     OK);
    assert_int_equal(context.portfolio_id, id);
    assert_true(context.passages.count > 0);
    const struct passage *passage = context.passages.items;
    assert_text(passage->text, texts[0]);
    assert_text(passage->title, "A title");
    assert_true(job.meta.portfolio_version > 1);
    assert_int_equal(job.meta.portfolio_version, context.portfolio_version);
    job_free(&job);
}

static void a_search_is_answered_with_scores(void **state)
{
    struct played *pool = *state;
    uint64_t id = portfolio_with(pool, texts, ARRAY_LEN(texts));
    struct job job = question(KIND_SEARCH, id, "baked bread");
    struct search_results results;
    job_run(pool, &job);
    assert_int_equal(job.end, ANSWERED);
    assert_int_equal(
        record_decode(search_results_type(), buffer_slice(&job.result), &pool->f.arena, &results),
        OK);
    const struct passage *passage = results.results.items;
    assert_text(passage->text, texts[1]);
    assert_true(passage->score > 0);
    assert_true(passage->scores.bm25 > 0);
    job_free(&job);
}

static void an_unknown_portfolio_fails_for_good(void **state)
{
    struct job job = question(KIND_CHAT, 999, "Where?");
    job_run(*state, &job);
    assert_int_equal(job.end, FAILED);
    assert_int_equal(job.error, ERR_PORTFOLIO_NOT_FOUND);
    assert_false(job.requeue);
    job_free(&job);
}

static void garbage_in_a_frame_fails_the_job(void **state)
{
    static const enum kind kinds[] = {KIND_CHAT, KIND_SEARCH, KIND_RECORD, KIND_HISTORY};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct job job = {.kind = kinds[i]};
        buffer_append_text(&job.frames[JOB_REQUEST], "\xc1garbage");
        job_run(*state, &job);
        assert_int_equal(job.error, ERR_BAD_FRAME);
        job_free(&job);
    }
}

static void an_embedding_of_another_embedder_leaves_the_words(void **state)
{
    struct played *pool = *state;
    uint64_t id = portfolio_with(pool, texts, ARRAY_LEN(texts));
    struct job job = question(KIND_SEARCH, id, "wheel");
    struct embedding embedding = {
        .embedder = SLICE("other-1"), .dimensions = 2, .count = 1, .vectors = SLICE("12345678")};
    struct search_results results;
    record_encode(embedding_type(), &embedding, &job.frames[JOB_EMBEDDING]);
    job_run(pool, &job);
    assert_int_equal(
        record_decode(search_results_type(), buffer_slice(&job.result), &pool->f.arena, &results),
        OK);
    assert_true(results.results.count > 0);
    job_free(&job);
}

static void an_index_job_goes_on_with_a_batch_or_ends_with_nothing(void **state)
{
    struct played *pool = *state;
    uint64_t id = portfolio_with(pool, texts, ARRAY_LEN(texts));
    assert_int_equal(pool->worker.pending, id);
    struct job lease = {.kind = KIND_INDEX}, nothing = {.kind = KIND_INDEX};
    struct select select = {.portfolio_id = id};
    struct index_request leased;
    struct context context;
    record_encode(select_type(), &select, &lease.frames[JOB_REQUEST]);
    record_encode(select_type(), &select, &nothing.frames[JOB_REQUEST]);
    job_run(pool, &lease);
    assert_int_equal(lease.end, NEXT);
    struct slice request = buffer_slice(&lease.frames[JOB_REQUEST]);
    struct slice passages = buffer_slice(&lease.frames[JOB_CONTEXT]);
    assert_int_equal(record_decode(index_request_type(), request, &pool->f.arena, &leased), OK);
    assert_int_equal(record_decode(context_type(), passages, &pool->f.arena, &context), OK);
    assert_int_equal(leased.chunks.count, ARRAY_LEN(texts));
    assert_int_equal(context.passages.count, ARRAY_LEN(texts));
    job_run(pool, &nothing);
    assert_int_equal(nothing.end, ANSWERED);
    job_free(&lease);
    job_free(&nothing);
}

static void changes_are_announced(void **state)
{
    struct played *pool = *state;
    uint64_t id = portfolio_with(pool, texts, 1), until = clock_ms() + 5000;
    while (pool->worker.announced != id && clock_ms() < until)
        event_base_loop(pool->f.base, EVLOOP_ONCE);
    assert_int_equal(pool->worker.announced, id);
}

static void one_that_a_newer_schema_shuts_out_hands_its_job_back_and_leaves(void **state)
{
    static const struct {
        err_t error;
        bool requeue, left;
    } wants[] = {
        {ERR_PORTFOLIO_NOT_FOUND, false, false},
        {ERR_STORE_UNAVAILABLE, true, false},
        {ERR_STORE_SCHEMA, true, true},
    };
    struct played *pool = *state;
    for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
        struct job job = {0};
        retriever_fail(pool->context, &job, wants[i].error, NULL);
        assert_int_equal(job.error, wants[i].error);
        assert_int_equal(job.requeue, wants[i].requeue);
        assert_int_equal(pool->worker.left, wants[i].left);
    }
}

#define POOL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(a_chat_goes_on_with_the_passages_that_answer),
        POOL_TEST(a_search_is_answered_with_scores),
        POOL_TEST(an_unknown_portfolio_fails_for_good),
        POOL_TEST(garbage_in_a_frame_fails_the_job),
        POOL_TEST(an_embedding_of_another_embedder_leaves_the_words),
        POOL_TEST(an_index_job_goes_on_with_a_batch_or_ends_with_nothing),
        POOL_TEST(changes_are_announced),
        POOL_TEST(one_that_a_newer_schema_shuts_out_hands_its_job_back_and_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
