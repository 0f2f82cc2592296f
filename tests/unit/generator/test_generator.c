/* The pool's callbacks with a job of our own in the runtime's place: what goes out, in which
 * pieces, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/language.h"
#include "fake_runtime.h"
#include "proto/codec.h"
#include "workers/generator/generator.h"

/* --- jobs --- */

static const struct passage passages[] = {
    {.chunk_id = 11,
     .document_id = 1,
     .title = SLICE("Pump"),
     .heading = SLICE("Pump > Use"),
     .source = SLICE("pump.md"),
     .end = 79,
     .text = SLICE("The pump starts at ten. Its gasket is made of rubber. The pump weighs 4 kg."),
     .score = 0.9},
    {.chunk_id = 12,
     .document_id = 2,
     .title = SLICE("Valve"),
     .text = SLICE("The valve opens at nine. A gasket of cork seals the valve."),
     .score = 0.5},
};

static struct job *job_new(const char *message, const char *level, uint64_t portfolio_id,
                           size_t passage_count)
{
    struct job *job = test_calloc(1, sizeof *job);
    struct chat_request request = {.message = slice_of(message),
                                   .language = SLICE("en"),
                                   .complexity = slice_of(level),
                                   .portfolio_id = portfolio_id,
                                   .agent = {.provider = SLICE("extractive")}};
    struct context context = {.portfolio_id = portfolio_id,
                              .passages = {(void *)passages, passage_count}};
    job->kind = KIND_CHAT;
    job->room = SIZE_MAX;
    record_encode(chat_request_type(), &request, &job->frames[JOB_REQUEST]);
    if (passage_count) record_encode(context_type(), &context, &job->frames[JOB_CONTEXT]);
    return job;
}

static void *pool; /* what generator_pool.open made */

/* --- what is answered --- */

static const struct {
    const char *message, *level;
    uint64_t portfolio_id;
    size_t passages;
    const char *key; /* of the phrase that is the answer */
} phrases[] = {
    {"Hello!", "trivial", 0, 0, "greeting"},
    {"Hello!", "trivial", 1, 0, "greeting"},
    {"Hello!", "simple", 1, 2, "no_answer"}, /* the level is as the gateway says */
    {"thanks a lot", "trivial", 1, 0, "thanks"},
    {"bye", "trivial", 1, 0, "goodbye"},
    {"how are you?", "trivial", 1, 0, "small_talk"},
    {"What is a gasket?", "simple", 0, 0, "no_documents"},
    {"What is a gasket?", "simple", 1, 0, "no_answer"},
    {"What is the capital of France?", "simple", 1, 2, "no_answer"},
};

static void what_needs_no_document_is_answered_by_a_phrase(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
        struct job *job = job_new(phrases[i].message, phrases[i].level, phrases[i].portfolio_id,
                                  phrases[i].passages);
        generator_pool.start(pool, job);
        assert_true(job->ended);
        assert_int_equal(job->error, OK);
        assert_string_equal(text_of(job),
                            language_phrase(language_find(SLICE("en")), phrases[i].key));
        assert_int_equal(job->meta.citations.count, 0);
        assert_true(slice_equal(job->meta.finish_reason, SLICE("stop")));
        job_free(job);
    }
}

static void an_answer_ends_with_author_usage_and_the_citations_it_shows(void **state)
{
    struct job *job = job_new("When does the pump start?", "simple", 1, 2);
    (void)state;
    generator_pool.start(pool, job);
    assert_string_equal(text_of(job), "The pump starts at ten. [1]");
    assert_true(slice_equal(job->meta.written_by, SLICE("extractive/1")));
    assert_true(slice_equal(buffer_slice(&job->author), SLICE("extractive/1")));
    assert_int_equal(job->meta.usage.completion_tokens, (job->text.len + 3) / 4);
    assert_int_equal(job->meta.usage.prompt_tokens, 7 + 19 + 15);
    assert_int_equal(job->meta.usage.total_tokens,
                     job->meta.usage.prompt_tokens + job->meta.usage.completion_tokens);
    assert_int_equal(job->meta.citations.count, 1);
    const struct citation *citation = job->meta.citations.items;
    assert_int_equal(citation->n, 1);
    assert_int_equal(citation->chunk_id, 11);
    assert_true(slice_equal(citation->heading, SLICE("Pump > Use")));
    job_free(job);
}

static void the_language_of_the_agent_or_else_of_the_question_decides_the_phrases(void **state)
{
    static const struct {
        const char *message, *language, *agents, *key;
    } cases[] = {
        {"hola", "es", "", "greeting"},
        {"hello", "en", "es", "greeting"},
        {"Which pump is it?", "en", "es", "no_documents"},
        {"¿Qué bomba es?", "es", "es", "no_documents"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct job *job = job_new("", "", 0, 0);
        struct chat_request request = {
            .message = slice_of(cases[i].message),
            .language = slice_of(cases[i].language),
            .agent = {.provider = SLICE("extractive"), .language = slice_of(cases[i].agents)}};
        job->frames[JOB_REQUEST].len = 0;
        record_encode(chat_request_type(), &request, &job->frames[JOB_REQUEST]);
        generator_pool.start(pool, job);
        assert_string_equal(text_of(job),
                            language_phrase(language_find(SLICE("es")), cases[i].key));
        job_free(job);
    }
}

static void a_follow_up_reads_the_history(void **state)
{
    struct chat_message messages[] = {
        {.role = SLICE("user"), .content = SLICE("Tell me about the valve")},
        {.role = SLICE("assistant"), .content = SLICE("The pump, the pump, the pump.")},
    };
    struct history history = {.messages = {messages, 2}};
    struct job *job = job_new("and its gasket?", "simple", 1, 2);
    (void)state;
    record_encode(history_type(), &history, &job->frames[JOB_HISTORY]);
    generator_pool.start(pool, job);
    assert_string_equal(text_of(job), "A gasket of cork seals the valve. [2]");
    job_free(job);
}

/* --- windows, cancelling, continuing --- */

static const char list[] = "List all gasket projects";

static void a_full_window_stops_the_answer_until_there_is_room(void **state)
{
    struct job *whole = job_new(list, "comprehensive", 1, 2);
    struct job *job = job_new(list, "comprehensive", 1, 2);
    (void)state;
    generator_pool.start(pool, whole);
    assert_true(whole->tokens > 2);
    job->room = 1;
    generator_pool.start(pool, job);
    for (size_t given = 1; given < whole->tokens; given++) {
        assert_int_equal(job->tokens, given);
        assert_false(job->ended);
        job->room = 1;
        generator_pool.writable(pool, job);
    }
    assert_true(job->ended);
    assert_string_equal(text_of(job), text_of(whole));
    assert_int_equal(job->meta.citations.count, 2);
    job_free(job);
    job_free(whole);
}

static void a_cancelled_answer_ends_with_its_usage(void **state)
{
    struct job *job = job_new(list, "comprehensive", 1, 2);
    (void)state;
    job->room = 1;
    generator_pool.start(pool, job);
    generator_pool.cancel(pool, job);
    assert_true(job->ended);
    assert_int_equal(job->error, ERR_CANCELLED);
    assert_true(job->meta.usage.completion_tokens > 0);
    assert_int_equal(job->tokens, 1);
    job_free(job);
}

/* The rest of `whole` from byte `from`, asked of a worker that did not begin it. */
static void continue_from(struct job *whole, size_t from)
{
    struct job *job = job_new(list, "comprehensive", 1, 2);
    job->resume_from = from;
    job->prefix_by = SLICE("extractive/1");
    buffer_append(&job->frames[JOB_PREFIX], whole->text.data, from);
    generator_pool.start(pool, job);
    assert_true(job->ended);
    assert_int_equal(job->error, OK);
    assert_int_equal(job->continued, from > 0);
    assert_string_equal(text_of(job), text_of(whole) + from);
    assert_int_equal(job->meta.citations.count, whole->meta.citations.count);
    job_free(job);
}

static void an_answer_goes_on_where_another_worker_stopped(void **state)
{
    struct job *whole = job_new(list, "comprehensive", 1, 2);
    (void)state;
    generator_pool.start(pool, whole);
    for (size_t from = 0; from <= whole->text.len; from++) continue_from(whole, from);
    job_free(whole);
}

static void a_prefix_that_is_not_ours_starts_the_answer_anew(void **state)
{
    static const struct {
        const char *prefix, *by;
    } prefixes[] = {
        {"The pump", "openai/gpt"}, {"Something else", "extractive/1"}, {"", "extractive/1"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        struct job *job = job_new("When does the pump start?", "simple", 1, 2);
        job->resume_from = 8;
        job->prefix_by = slice_of(prefixes[i].by);
        buffer_append_text(&job->frames[JOB_PREFIX], prefixes[i].prefix);
        generator_pool.start(pool, job);
        assert_false(job->continued);
        assert_string_equal(text_of(job), "The pump starts at ten. [1]");
        job_free(job);
    }
}

/* --- what is refused --- */

static const struct {
    const char *provider;
    err_t error;
} providers[] = {
    {"", OK},
    {"extractive", OK},
    {"openai", ERR_PROVIDER_AUTH}, /* there is no key */
    {"openai-compatible", ERR_PROVIDER_MODEL},
    {"oracle-of-delphi", ERR_PROVIDER_UNKNOWN},
};

static void a_provider_that_is_not_there_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        struct chat_request request = {.message = SLICE("Hello"),
                                       .language = SLICE("en"),
                                       .complexity = SLICE("trivial"),
                                       .agent = {.provider = slice_of(providers[i].provider)}};
        struct job *job = job_new("", "trivial", 0, 0);
        job->frames[JOB_REQUEST].len = 0;
        record_encode(chat_request_type(), &request, &job->frames[JOB_REQUEST]);
        generator_pool.start(pool, job);
        assert_true(job->ended);
        assert_int_equal(job->error, providers[i].error);
        assert_false(job->requeue);
        assert_int_equal(counted(error_code(providers[i].error)), providers[i].error ? 1 : 0);
        job_free(job);
    }
}

static void a_frame_that_cannot_be_read_fails_the_job(void **state)
{
    static const enum job_frame frames[] = {JOB_REQUEST, JOB_HISTORY, JOB_CONTEXT};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        struct job *job = job_new("What is a gasket?", "simple", 1, 2);
        job->frames[frames[i]].len = 0;
        buffer_append_text(&job->frames[frames[i]], "\xc1garbage");
        generator_pool.start(pool, job);
        assert_true(job->ended);
        assert_int_equal(job->error, ERR_BAD_FRAME);
        assert_int_equal(job->tokens, 0);
        job_free(job);
    }
}

static void a_kind_of_another_pool_is_refused(void **state)
{
    struct job *job = job_new("x", "simple", 0, 0);
    (void)state;
    job->kind = KIND_RECORD;
    generator_pool.start(pool, job);
    assert_int_equal(job->error, ERR_UNKNOWN_KIND);
    job_free(job);
}

static int open_pool(void **state)
{
    (void)state;
    fake_worker_open();
    return generator_pool.open(NULL, &pool) ? -1 : 0;
}

static int close_pool(void **state)
{
    (void)state;
    generator_pool.close(pool);
    fake_worker_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_no_document_is_answered_by_a_phrase),
        cmocka_unit_test(an_answer_ends_with_author_usage_and_the_citations_it_shows),
        cmocka_unit_test(the_language_of_the_agent_or_else_of_the_question_decides_the_phrases),
        cmocka_unit_test(a_follow_up_reads_the_history),
        cmocka_unit_test(a_full_window_stops_the_answer_until_there_is_room),
        cmocka_unit_test(a_cancelled_answer_ends_with_its_usage),
        cmocka_unit_test(an_answer_goes_on_where_another_worker_stopped),
        cmocka_unit_test(a_prefix_that_is_not_ours_starts_the_answer_anew),
        cmocka_unit_test(a_provider_that_is_not_there_is_refused),
        cmocka_unit_test(a_frame_that_cannot_be_read_fails_the_job),
        cmocka_unit_test(a_kind_of_another_pool_is_refused),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
