/* The backend of providers against an HTTP client of one page: calls are structs, and the test says
 * what is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "workers/embedder/backend.h"
#include "workers/http_client.h"

/* --- the worker --- */

struct worker {
    struct event_base *base;
    struct settings settings;
    char trouble[128];
    uint64_t retries, failures, texts;
};

struct event_base *worker_base(const struct worker *worker)
{
    return worker->base;
}

const struct settings *worker_settings(const struct worker *worker)
{
    return &worker->settings;
}

void worker_count(struct worker *worker, const char *name, uint64_t by)
{
    if (!strcmp(name, "embedding_retry"))
        worker->retries += by;
    else if (!strcmp(name, "embedding_text"))
        worker->texts += by;
    else if (error_from_code(slice_of(name)) != ERR_INTERNAL)
        worker->failures += by;
}

void worker_trouble(struct worker *worker, const char *trouble)
{
    snprintf(worker->trouble, sizeof worker->trouble, "%s", trouble ? trouble : "");
}

/* --- the HTTP client --- */

enum { CALLS_MAX = 64 };

struct http_call {
    char url[200], authorization[200];
    struct buffer body;
    const struct http_call_handler *handler;
    void *context;
    enum { FREE, UNDER_WAY, ENDED, CANCELLED } state;
};

static struct http_call calls[CALLS_MAX];
static size_t call_count;

struct http_client *http_client_new(struct event_base *base, const struct settings *settings)
{
    (void)base, (void)settings;
    return xcalloc(1, 1);
}

void http_client_destroy(struct http_client **client)
{
    for (size_t i = 0; i < call_count; i++) assert_int_not_equal(calls[i].state, UNDER_WAY);
    free(*client);
    *client = NULL;
}

struct http_call *http_call_start(struct http_client *client, const struct http_call_spec *spec,
                                  const struct http_call_handler *handler, void *context)
{
    assert_true(call_count < CALLS_MAX);
    struct http_call *call = &calls[call_count++];
    (void)client;
    snprintf(call->url, sizeof call->url, "%s", spec->url);
    snprintf(call->authorization, sizeof call->authorization, "%s",
             spec->headers[0] ? spec->headers[0] : "");
    buffer_append_slice(&call->body, spec->body);
    buffer_append_char(&call->body, '\0');
    call->handler = handler;
    call->context = context;
    call->state = UNDER_WAY;
    return call;
}

void http_call_cancel(struct http_call **call)
{
    assert_int_equal((*call)->state, UNDER_WAY);
    (*call)->state = CANCELLED;
    *call = NULL;
}

/* --- fixture --- */

enum { DIMENSIONS = 2, ITEMS_MAX = 8 };

struct fixture {
    struct worker worker;
    void *backend;
    struct embed_batch batch;
    struct embed_item items[ITEMS_MAX];
    float vectors[ITEMS_MAX][DIMENSIONS];
    unsigned done;
    err_t error;
};

static void on_done(struct embed_batch *batch, err_t error)
{
    struct fixture *f = batch->owner;
    f->done++;
    f->error = error;
}

static void open_backend(struct fixture *f, const char *name)
{
    const struct embedder_info *info = embedder_find(slice_of(name));
    assert_int_equal(backend_provider.open(&f->worker, info, &f->backend), OK);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->worker.base = event_base_new();
    f->worker.settings = (struct settings){
        .openai_base_url = "http://openai.test/v1",
        .openai_api_key = "key-1",
        .mistral_base_url = "http://mistral.test/v1/",
        .mistral_api_key = "",
        .embedding_base_url = "http://compatible.test/v1/",
        .embedding_api_key = "",
        .embedding_batch_max = 10,
        .embedding_batch_tokens_max = 1000,
        .provider_retries_max = 2,
        .provider_first_token_timeout_ms = 5000,
        .breaker_failures = 100,
        .breaker_open_ms = 20,
    };
    open_backend(f, "openai/m/2");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    backend_provider.close(f->backend);
    event_base_free(f->worker.base);
    for (size_t i = 0; i < call_count; i++) buffer_free(&calls[i].body);
    memset(calls, 0, sizeof calls);
    call_count = 0;
    free(f);
    return 0;
}

static void run_text(struct fixture *f, size_t count, struct slice text)
{
    memset(f->vectors, 0, sizeof f->vectors);
    for (size_t i = 0; i < count; i++)
        f->items[i] = (struct embed_item){.text = text, .vector = f->vectors[i]};
    f->batch = (struct embed_batch){
        .items = f->items, .count = count, .question = true, .done = on_done, .owner = f};
    f->done = 0;
    f->error = OK;
    backend_provider.run(f->backend, &f->batch);
}

static void run(struct fixture *f, size_t count)
{
    run_text(f, count, SLICE("mill"));
}

static struct http_call *last_call(void)
{
    return call_count ? &calls[call_count - 1] : NULL;
}

static void answer(int status, uint64_t retry_after_ms, const char *body)
{
    struct http_call *call = last_call();
    assert_int_equal(call->state, UNDER_WAY);
    call->handler->on_head(call->context, status, retry_after_ms);
    assert_true(call->handler->on_body(call->context, slice_of(body)));
    if (call->state != UNDER_WAY) return;
    call->state = ENDED;
    call->handler->on_end(call->context, OK);
}

static void lose(err_t error)
{
    struct http_call *call = last_call();
    assert_int_equal(call->state, UNDER_WAY);
    call->state = ENDED;
    call->handler->on_end(call->context, error);
}

/* `count` vectors [0, 1]. */
static void answer_vectors(size_t count)
{
    struct buffer body = {0};
    buffer_append_text(&body, "{\"data\":[");
    for (size_t i = 0; i < count; i++)
        buffer_printf(&body, "%s{\"embedding\":[0,3]}", i ? "," : "");
    buffer_append_text(&body, "]}");
    buffer_append_char(&body, '\0');
    answer(200, 0, body.data);
    buffer_free(&body);
}

/* Until there is another call, or the batch has ended. */
static void loop(struct fixture *f, size_t count)
{
    uint64_t until_ms = clock_ms() + 10000;
    while (call_count == count && !f->done && clock_ms() < until_ms)
        event_base_loop(f->worker.base, EVLOOP_ONCE);
}

static size_t inputs_of(const struct http_call *call)
{
    size_t count = 0;
    for (const char *at = call->body.data; (at = strstr(at, "mill")); at++) count++;
    return count;
}

/* --- tests --- */

static void a_batch_is_one_call_with_the_key_of_its_provider(void **state)
{
    struct fixture *f = *state;
    run(f, 3);
    assert_int_equal(call_count, 1);
    assert_string_equal(calls[0].url, "http://openai.test/v1/embeddings");
    assert_string_equal(calls[0].authorization, "Authorization: Bearer key-1");
    assert_int_equal(inputs_of(&calls[0]), 3);
    answer_vectors(3);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->error, OK);
    for (size_t i = 0; i < 3; i++) assert_true(f->vectors[i][0] == 0 && f->vectors[i][1] == 1);
    assert_string_equal(f->worker.trouble, "");
    assert_int_equal(f->worker.texts, 3);
}

static void a_key_goes_to_its_own_provider_alone(void **state)
{
    struct fixture *f = *state;
    void *context;
    backend_provider.close(f->backend);
    open_backend(f, "openai-compatible/m/2");
    run(f, 1);
    assert_string_equal(calls[0].url, "http://compatible.test/v1/embeddings");
    assert_string_equal(calls[0].authorization, "");
    answer_vectors(1);
    assert_int_equal(f->error, OK);
    assert_int_equal(
        backend_provider.open(&f->worker, embedder_find(SLICE("mistral/m/2")), &context),
        ERR_EMBEDDER_UNAVAILABLE);
}

static void what_cannot_get_better_fails_at_once_with_its_name(void **state)
{
    static const struct {
        int status;
        const char *body;
        err_t want;
    } cases[] = {
        {401, "key-1 is a secret", ERR_PROVIDER_AUTH},
        {403, "", ERR_PROVIDER_AUTH},
        {404, "", ERR_PROVIDER_MODEL},
        {418, "", ERR_PROVIDER_REFUSED},
        {302, "", ERR_PROVIDER_BAD_RESPONSE},
        {200, "no json", ERR_PROVIDER_BAD_RESPONSE},
        {200, "{\"data\":[{\"embedding\":[1,2,3]}]}", ERR_EMBEDDING_INVALID},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        run(f, 1);
        answer(cases[i].status, 0, cases[i].body);
        assert_int_equal(f->done, 1);
        assert_int_equal(f->error, cases[i].want);
        assert_non_null(strstr(f->worker.trouble, error_code(cases[i].want)));
        assert_null(strstr(f->worker.trouble, "secret"));
    }
    assert_int_equal(f->worker.failures, ARRAY_LEN(cases));
    assert_int_equal(call_count, ARRAY_LEN(cases));
    run(f, 1);
    answer_vectors(1);
    assert_string_equal(f->worker.trouble, "");
}

static void what_may_get_better_is_asked_again_a_few_times(void **state)
{
    static const struct {
        int status; /* 0: lost */
        err_t want;
    } cases[] = {
        {500, ERR_PROVIDER_FAILED},    {503, ERR_PROVIDER_FAILED}, {429, ERR_PROVIDER_RATE_LIMITED},
        {0, ERR_PROVIDER_UNAVAILABLE}, {0, ERR_PROVIDER_CUT},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t before = call_count;
        run(f, 1);
        for (size_t turn = 0; turn < 3; turn++) {
            assert_int_equal(call_count, before + turn + 1);
            if (cases[i].status)
                answer(cases[i].status, 0, "");
            else
                lose(cases[i].want);
            loop(f, before + turn + 1);
        }
        assert_int_equal(f->done, 1);
        assert_int_equal(f->error, cases[i].want);
    }
    assert_int_equal(f->worker.retries, 2 * ARRAY_LEN(cases));
}

static void a_retry_that_works_is_all_the_job_sees(void **state)
{
    struct fixture *f = *state;
    uint64_t began_ms = clock_ms();
    run(f, 2);
    answer(429, 400, ""); /* Retry-After */
    assert_int_equal(f->done, 0);
    loop(f, 1);
    assert_true(clock_ms() - began_ms >= 399);
    answer_vectors(2);
    assert_int_equal(f->error, OK);
    assert_string_equal(f->worker.trouble, "");
}

static void a_provider_that_wants_to_be_left_alone_for_long_is(void **state)
{
    struct fixture *f = *state;
    run(f, 1);
    answer(429, 3600000, "");
    assert_int_equal(f->error, ERR_PROVIDER_RATE_LIMITED);
    assert_int_equal(call_count, 1);
}

static void a_provider_that_says_nothing_is_given_up(void **state)
{
    struct fixture *f = *state;
    f->worker.settings.provider_first_token_timeout_ms = 20;
    run(f, 1);
    loop(f, 1);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->error, ERR_PROVIDER_TIMEOUT);
    assert_int_equal(calls[0].state, CANCELLED);
    assert_int_equal(call_count, 1);
}

static void an_endless_answer_is_cut_off(void **state)
{
    struct fixture *f = *state;
    struct http_call *call;
    char *piece = xcalloc(1, 100001);
    memset(piece, ' ', 100000);
    run(f, 1);
    call = last_call();
    call->handler->on_head(call->context, 200, 0);
    for (size_t i = 0; i < 100 && call->state == UNDER_WAY; i++)
        call->handler->on_body(call->context, (struct slice){piece, 100000});
    assert_int_equal(call->state, CANCELLED);
    assert_int_equal(f->error, ERR_PROVIDER_BAD_RESPONSE);
    free(piece);
}

static void too_much_at_once_is_asked_for_in_parts(void **state)
{
    static const size_t want[] = {8, 4, 2, 2, 2, 2};
    struct fixture *f = *state;
    run(f, 8);
    answer(400, 0, "too many tokens");
    answer(413, 0, "");
    for (size_t i = 0; i < 4; i++) answer_vectors(2);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->error, OK);
    assert_int_equal(call_count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) assert_int_equal(inputs_of(&calls[i]), want[i]);
    for (size_t i = 0; i < 8; i++) assert_true(f->vectors[i][1] == 1);
}

static void a_text_that_is_too_long_is_cut_and_a_short_one_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buffer text = {0};
    for (size_t i = 0; i < 250; i++) buffer_append_text(&text, "mill");
    run_text(f, 1, buffer_slice(&text));
    answer(413, 0, "");
    assert_int_equal(inputs_of(&calls[1]), 125);
    answer_vectors(1);
    assert_int_equal(f->error, OK);
    run_text(f, 1, buffer_slice(&text));
    for (size_t i = 0; i < 10 && !f->done; i++) answer(400, 0, "");
    assert_int_equal(f->error, ERR_PROVIDER_REFUSED);
    assert_true(call_count < 8);
    buffer_free(&text);
}

static void a_provider_that_keeps_failing_is_not_asked_for_a_while(void **state)
{
    struct fixture *f = *state;
    backend_provider.close(f->backend);
    f->worker.settings.breaker_failures = 3;
    f->worker.settings.breaker_open_ms = 200;
    f->worker.settings.provider_retries_max = 0;
    open_backend(f, "openai/m/2");
    for (size_t i = 0; i < 3; i++) {
        run(f, 1);
        answer(500, 0, "");
        assert_int_equal(f->error, ERR_PROVIDER_FAILED);
    }
    run(f, 1);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->error, ERR_PROVIDER_CIRCUIT_OPEN);
    assert_int_equal(call_count, 3);
    assert_string_equal(f->worker.trouble, "openai: provider_failed");
    for (uint64_t until_ms = clock_ms() + 10000; call_count == 3 && clock_ms() < until_ms;)
        run(f, 1);
    answer_vectors(1);
    assert_int_equal(f->error, OK);
    assert_string_equal(f->worker.trouble, "");
}

static void what_each_provider_complains_of_is_told_until_it_works_again(void **state)
{
    struct fixture *f = *state;
    void *first = f->backend;
    run(f, 1);
    answer(401, 0, "");
    open_backend(f, "openai-compatible/m/2");
    run(f, 1);
    answer(404, 0, "");
    assert_string_equal(f->worker.trouble,
                        "openai: provider_auth, openai-compatible: provider_model");
    run(f, 1);
    answer_vectors(1);
    assert_string_equal(f->worker.trouble, "openai: provider_auth");
    backend_provider.close(f->backend);
    f->backend = first;
    run(f, 1);
    answer_vectors(1);
    assert_string_equal(f->worker.trouble, "");
}

static void a_batch_that_nobody_wants_ends_with_its_call(void **state)
{
    struct fixture *f = *state;
    run(f, 1);
    backend_provider.cancel(f->backend, &f->batch);
    assert_int_equal(calls[0].state, CANCELLED);
    assert_int_equal(f->error, ERR_CANCELLED);
    run(f, 1);
    answer(503, 0, "");
    assert_int_equal(f->done, 0);
    backend_provider.cancel(f->backend, &f->batch); /* while it waits to ask again */
    assert_int_equal(f->done, 1);
    assert_int_equal(call_count, 2);
    run(f, 1); /* and what is under way when the process ends is dropped: teardown */
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(a_batch_is_one_call_with_the_key_of_its_provider),
        STORY(a_key_goes_to_its_own_provider_alone),
        STORY(what_cannot_get_better_fails_at_once_with_its_name),
        STORY(what_may_get_better_is_asked_again_a_few_times),
        STORY(a_retry_that_works_is_all_the_job_sees),
        STORY(a_provider_that_wants_to_be_left_alone_for_long_is),
        STORY(a_provider_that_says_nothing_is_given_up),
        STORY(an_endless_answer_is_cut_off),
        STORY(too_much_at_once_is_asked_for_in_parts),
        STORY(a_text_that_is_too_long_is_cut_and_a_short_one_is_refused),
        STORY(a_provider_that_keeps_failing_is_not_asked_for_a_while),
        STORY(what_each_provider_complains_of_is_told_until_it_works_again),
        STORY(a_batch_that_nobody_wants_ends_with_its_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
