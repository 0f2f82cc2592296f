/* The embedder pool against a runtime of one page: jobs are structs, and what becomes of them is
 * written down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "workers/embedder/hashing.h"
#include "workers/embedder/pool.h"

/* --- the runtime --- */

struct job {
    enum kind kind;
    struct buffer frames[JOB_FRAMES];
    struct arena arena;
    void *data;
    unsigned ended; /* its turn among those that ended; 0: not yet */
    err_t error;
    bool requeued;
    struct buffer result; /* of job_answer */
};

struct worker {
    struct event_base *base;
    struct settings settings;
    char serves[256];
};

static unsigned ended;

enum kind job_kind(const struct job *job)
{
    return job->kind;
}

struct slice job_frame(const struct job *job, enum job_frame frame)
{
    return buffer_slice(&job->frames[frame]);
}

struct arena *job_arena(struct job *job)
{
    return &job->arena;
}

void *job_data(const struct job *job)
{
    return job->data;
}

void job_set_data(struct job *job, void *data)
{
    job->data = data;
}

void job_set_frame(struct job *job, enum job_frame frame, struct slice bytes)
{
    job->frames[frame].len = 0;
    buffer_append_slice(&job->frames[frame], bytes);
}

void job_next(struct job **job, const struct meta *meta)
{
    (void)meta;
    assert_int_equal((*job)->ended, 0);
    (*job)->ended = ++ended;
    *job = NULL;
}

void job_answer(struct job **job, const struct meta *meta, struct slice result)
{
    buffer_append_slice(&(*job)->result, result);
    job_next(job, meta);
}

void job_fail(struct job **job, err_t error, bool requeue, const char *message,
              const struct meta *meta)
{
    (void)message, (void)meta;
    assert_int_equal((*job)->ended, 0);
    (*job)->ended = ++ended;
    (*job)->error = error;
    (*job)->requeued = requeue;
    *job = NULL;
}

struct event_base *worker_base(const struct worker *worker)
{
    return worker->base;
}

const struct settings *worker_settings(const struct worker *worker)
{
    return &worker->settings;
}

void worker_serves(struct worker *worker, const char *serves)
{
    assert_true(strlen(serves) < sizeof worker->serves);
    strcpy(worker->serves, serves);
}

void worker_count(struct worker *worker, const char *name, uint64_t by)
{
    (void)worker, (void)name, (void)by;
}

void worker_trouble(struct worker *worker, const char *trouble)
{
    (void)worker, (void)trouble;
}

/* --- fixture --- */

struct fixture {
    struct worker worker;
    void *pool;
};

static const struct settings usual = {
    .embedder = "hashing",
    .model_dir = "",
    .openai_api_key = "",
    .mistral_api_key = "",
    .embedding_model = "",
    .embedding_base_url = "",
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->worker.base = event_base_new();
    f->worker.settings = usual;
    ended = 0;
    *state = f;
    return embedder_pool.open(&f->worker, &f->pool) != OK;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    embedder_pool.close(f->pool);
    event_base_free(f->worker.base);
    free(f);
    return 0;
}

static void job_clean(struct job *job)
{
    for (size_t i = 0; i < JOB_FRAMES; i++) buffer_free(&job->frames[i]);
    arena_free(&job->arena);
    buffer_free(&job->result);
}

static void start_question(struct fixture *f, struct job *job, struct slice text,
                           struct slice embedder)
{
    struct chat_request request = {.message = text, .embedder = embedder};
    *job = (struct job){.kind = KIND_CHAT};
    record_encode(chat_request_type(), &request, &job->frames[JOB_REQUEST]);
    embedder_pool.start(f->pool, job);
}

static void start_list(struct fixture *f, struct job *job, size_t count)
{
    struct embed_text *texts = xcalloc(count, sizeof *texts);
    struct embed_request request = {.texts = {texts, count}};
    for (size_t i = 0; i < count; i++) texts[i].text = SLICE("mill");
    *job = (struct job){.kind = KIND_EMBED};
    record_encode(embed_request_type(), &request, &job->frames[JOB_REQUEST]);
    embedder_pool.start(f->pool, job);
    free(texts);
}

/* A batch of `count` long passages. */
static void start_batch(struct fixture *f, struct job *job, size_t count)
{
    struct index_request request = {.embedder = slice_of(f->worker.serves)};
    struct passage *passages = xcalloc(count, sizeof *passages);
    struct buffer text = {0};
    for (size_t i = 0; i < 4000; i++) buffer_printf(&text, "passage%zu ", i);
    for (size_t i = 0; i < count; i++) passages[i].text = buffer_slice(&text);
    struct context context = {.passages = {passages, count}};
    *job = (struct job){.kind = KIND_INDEX};
    record_encode(index_request_type(), &request, &job->frames[JOB_REQUEST]);
    record_encode(context_type(), &context, &job->frames[JOB_CONTEXT]);
    embedder_pool.start(f->pool, job);
    buffer_free(&text);
    free(passages);
}

static struct embedding result_of(struct job *job)
{
    struct embedding embedding;
    assert_int_equal(
        record_decode(embedding_type(), job_frame(job, JOB_EMBEDDING), &job->arena, &embedding),
        OK);
    return embedding;
}

/* --- tests --- */

static void a_question_is_embedded_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct hashing *hashing = hashing_new();
    float want[HASHING_DIMENSIONS];
    struct job job;
    start_question(f, &job, SLICE("Where is the mill?"), slice_of(f->worker.serves));
    assert_int_equal(job.ended, 1);
    struct embedding got = result_of(&job);
    hashing_embed(hashing, SLICE("Where is the mill?"), want);
    assert_true(slice_equal(got.embedder, SLICE("hashing-1")));
    assert_int_equal(got.dimensions, HASHING_DIMENSIONS);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.vectors.len, sizeof want);
    assert_memory_equal(got.vectors.ptr, want, sizeof want);
    hashing_destroy(&hashing);
    job_clean(&job);
}

static void a_clients_texts_are_answered_with_their_vectors(void **state)
{
    static const size_t counts[] = {0, 1, 3, 40};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct embedding embedding;
        struct job job;
        start_list(f, &job, counts[i]);
        for (size_t turns = 0; !job.ended && turns < 1000; turns++)
            event_base_loop(f->worker.base, EVLOOP_ONCE);
        assert_int_equal(
            record_decode(embedding_type(), buffer_slice(&job.result), &job.arena, &embedding), OK);
        assert_int_equal(embedding.count, counts[i]);
        assert_int_equal(embedding.vectors.len, counts[i] * HASHING_DIMENSIONS * sizeof(float));
        assert_int_equal(job_frame(&job, JOB_EMBEDDING).len, 0);
        job_clean(&job);
    }
}

static void another_embedder_is_left_to_another_worker(void **state)
{
    static const char *const names[] = {"abacus-1", "use-multilingual-3",
                                        "openai/text-embedding-3-small/1536", "openai"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct job job;
        start_question(*state, &job, SLICE("mill"), slice_of(names[i]));
        assert_int_equal(job.error, ERR_EMBEDDER_UNAVAILABLE);
        assert_true(job.requeued);
        job_clean(&job);
    }
}

static void garbage_and_unknown_kinds_fail_for_good(void **state)
{
    struct fixture *f = *state;
    struct job garbage = {.kind = KIND_CHAT}, unknown = {.kind = KIND_RECORD};
    buffer_append_text(&garbage.frames[JOB_REQUEST], "\xC1 no msgpack");
    embedder_pool.start(f->pool, &garbage);
    embedder_pool.start(f->pool, &unknown);
    assert_int_equal(garbage.error, ERR_BAD_FRAME);
    assert_int_equal(unknown.error, ERR_UNKNOWN_KIND);
    assert_false(garbage.requeued || unknown.requeued);
    job_clean(&garbage);
    job_clean(&unknown);
}

static void a_question_overtakes_a_batch(void **state)
{
    struct fixture *f = *state;
    struct job batch, question;
    start_batch(f, &batch, 200);
    event_base_loop(f->worker.base, EVLOOP_ONCE);
    assert_int_equal(batch.ended, 0); /* one turn of the loop is not enough for it */
    start_question(f, &question, SLICE("mill"), SLICE(""));
    assert_int_equal(question.ended, 1);
    for (size_t turns = 0; !batch.ended && turns < 10000; turns++)
        event_base_loop(f->worker.base, EVLOOP_ONCE);
    assert_int_equal(batch.ended, 2);
    assert_int_equal(result_of(&batch).count, 200);
    job_clean(&batch);
    job_clean(&question);
}

static void a_cancelled_batch_ends_at_once_and_the_next_goes_on(void **state)
{
    struct fixture *f = *state;
    struct job first, second;
    start_batch(f, &first, 200);
    start_batch(f, &second, 1);
    event_base_loop(f->worker.base, EVLOOP_ONCE);
    embedder_pool.cancel(f->pool, &first);
    assert_int_equal(first.error, ERR_CANCELLED);
    for (size_t turns = 0; !second.ended && turns < 100; turns++)
        event_base_loop(f->worker.base, EVLOOP_ONCE);
    assert_int_equal(second.error, OK);
    assert_int_equal(result_of(&second).count, 1);
    job_clean(&first);
    job_clean(&second);
}

static void an_empty_batch_goes_on_with_no_vectors(void **state)
{
    struct fixture *f = *state;
    struct job job;
    start_batch(f, &job, 0);
    event_base_loop(f->worker.base, EVLOOP_ONCE);
    assert_int_equal(job.ended, 1);
    assert_int_equal(result_of(&job).count, 0);
    job_clean(&job);
}

static void the_worker_says_what_it_serves_the_default_first(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(f->worker.serves, "hashing-1");
    embedder_pool.close(f->pool);
    f->worker.settings.embedder = "openai";
    f->worker.settings.openai_base_url = "http://127.0.0.1:9/v1";
    f->worker.settings.embedding_batch_max = f->worker.settings.embedding_batch_tokens_max = 9;
    f->worker.settings.openai_api_key = "key";
    assert_int_equal(embedder_pool.open(&f->worker, &f->pool), OK);
    assert_string_equal(f->worker.serves, "openai/text-embedding-3-small/1536,hashing-1,openai/");
}

static void a_default_without_what_it_needs_is_refused(void **state)
{
    struct worker worker = {.settings = usual};
    void *pool = NULL;
    (void)state;
    worker.settings.embedder = "openai";
    assert_int_equal(embedder_pool.open(&worker, &pool), ERR_EMBEDDER_UNAVAILABLE);
    assert_null(pool);
}

static void an_unknown_setting_is_refused(void **state)
{
    struct worker worker = {.settings = usual};
    void *pool = NULL;
    (void)state;
    worker.settings.embedder = "abacus";
    assert_int_equal(embedder_pool.open(&worker, &pool), ERR_BAD_SETTING);
    assert_null(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_question_is_embedded_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clients_texts_are_answered_with_their_vectors, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_embedder_is_left_to_another_worker, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(garbage_and_unknown_kinds_fail_for_good, setup, teardown),
        cmocka_unit_test_setup_teardown(a_question_overtakes_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_batch_ends_at_once_and_the_next_goes_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_empty_batch_goes_on_with_no_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(the_worker_says_what_it_serves_the_default_first, setup,
                                        teardown),
        cmocka_unit_test(a_default_without_what_it_needs_is_refused),
        cmocka_unit_test(an_unknown_setting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
