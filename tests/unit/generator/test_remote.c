/* An answer by a model over HTTP, with the provider, the runtime and the client in the test's
 * hands: what is sent, what goes on, how it ends, and when it is asked again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/language.h"
#include "fake_http.h"
#include "fake_runtime.h"
#include "proto/codec.h"
#include "workers/generator/generator.h"

static void *pool;

/* --- the clock: the system's, and what the test adds --- */

static time_t later_s;

int clock_gettime(clockid_t id, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, id, now);
    now->tv_sec += later_s;
    return (int)result;
}

/* --- jobs --- */

static struct fallback fallbacks[] = {
    {.provider = SLICE("anthropic"), .model = SLICE("second")},
    {.provider = SLICE("extractive")},
};

static struct chat_message earlier[] = {
    {.role = SLICE("user"), .content = SLICE("Who lives here?"), .status = SLICE("completed")},
    {.role = SLICE("assistant"), .content = SLICE("A heron."), .status = SLICE("completed")},
};
static size_t earlier_count; /* of the jobs to come */

static struct job *start_with(const char *provider, const char *model, size_t fallback_count,
                              const char *prefix)
{
    struct job *job = test_calloc(1, sizeof *job);
    struct chat_request request = {.message = SLICE("Why?"),
                                   .language = SLICE("en"),
                                   .complexity = SLICE("simple"),
                                   .max_tokens = 1000,
                                   .agent = {.provider = slice_of(provider),
                                             .model = slice_of(model),
                                             .fallbacks = {fallbacks, fallback_count}}};
    job->kind = KIND_CHAT;
    job->room = SIZE_MAX;
    struct history history = {.messages = {earlier, earlier_count}};
    record_encode(chat_request_type(), &request, &job->frames[JOB_REQUEST]);
    if (earlier_count) record_encode(history_type(), &history, &job->frames[JOB_HISTORY]);
    if (prefix) {
        static char author[64];
        snprintf(author, sizeof author, "%s/%s", provider, model);
        job->prefix_by = slice_of(author);
        job->resume_from = strlen(prefix);
        buffer_append_text(&job->frames[JOB_PREFIX], prefix);
    }
    generator_pool.start(pool, job);
    return job;
}

static struct job *start(const char *provider)
{
    return start_with(provider, "m", 0, NULL);
}

static void says_text(const char *text)
{
    struct buffer event = {0};
    buffer_printf(&event, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n", text);
    provider_says(buffer_slice(&event));
    buffer_free(&event);
}

static void says_done(void)
{
    provider_says(SLICE("data: [DONE]\n\n"));
}

static void assert_ended(struct job *job, err_t error, const char *text)
{
    assert_true(job->ended);
    assert_int_equal(job->error, error);
    assert_string_equal(text_of(job), text);
    job_free(job);
}

static bool body_has(const char *what)
{
    return strstr(fake_http.body.data, what);
}

/* --- a stream --- */

static void a_stream_goes_on_as_it_comes_and_ends_at_its_terminator(void **state)
{
    struct job *job = start("openai");
    (void)state;
    assert_string_equal(fake_http.url.data, "https://openai.test/v1/chat/completions");
    assert_string_equal(fake_http.headers.data,
                        "Accept: text/event-stream\nAuthorization: Bearer key-of-openai\n");
    assert_true(slice_equal(buffer_slice(&job->author), SLICE("openai/m")));
    provider_says_head(200, 0);
    says_text("One ");
    assert_string_equal(text_of(job), "One ");
    says_text("two");
    provider_says(SLICE("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],"
                        "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n"));
    assert_false(job->ended);
    says_done();
    assert_true(slice_equal(job->meta.finish_reason, SLICE("length")));
    assert_int_equal(job->meta.usage.total_tokens, 10);
    assert_ended(job, OK, "One two");
    provider_ends(OK); /* the connection is kept */
    assert_int_equal(fake_http.cancelled, 0);
}

static void a_conversation_is_kept_for_the_next_to_be_asked_until_the_first_text(void **state)
{
    (void)state;
    earlier_count = ARRAY_LEN(earlier);
    struct job *job = start_with("openai", "m", 1, NULL);
    earlier_count = 0;
    assert_true(body_has("A heron."));
    provider_says_head(401, 0);
    provider_ends(OK);
    assert_string_equal(fake_http.url.data, "https://anthropic.test/v1/messages");
    assert_true(body_has("A heron."));
    provider_says_head(200, 0);
    assert_true(job->frames[JOB_HISTORY].len > 0);
    provider_says(SLICE("data: {\"type\":\"content_block_delta\",\"delta\":"
                        "{\"type\":\"text_delta\",\"text\":\"It\"}}\n\n"));
    assert_string_equal(text_of(job), "It");
    assert_int_equal(job->frames[JOB_HISTORY].len, 0);
    provider_ends(ERR_PROVIDER_CUT);
    assert_ended(job, ERR_PROVIDER_CUT, "It");
}

static void a_provider_gets_its_own_key_and_headers(void **state)
{
    (void)state;
    struct job *job = start("anthropic");
    assert_string_equal(fake_http.url.data, "https://anthropic.test/v1/messages");
    assert_string_equal(fake_http.headers.data,
                        "Accept: text/event-stream\nanthropic-version: 2023-06-01\n"
                        "x-api-key: key-of-anthropic\n");
    generator_pool.cancel(pool, job);
    assert_ended(job, ERR_CANCELLED, "");
}

static void a_code_point_cut_between_two_events_is_not_torn(void **state)
{
    struct job *job = start("openai");
    (void)state;
    provider_says_head(200, 0);
    says_text("a\xe2\x82");
    assert_string_equal(text_of(job), "a");
    says_text("\xac \\ud83d");
    assert_string_equal(text_of(job), "a\u20ac ");
    says_text("\\ude00");
    says_done();
    provider_ends(OK);
    assert_ended(job, OK, "a\u20ac \U0001F600");
    assert_int_equal(counted("provider_utf8_repaired"), 0);
}

/* --- windows --- */

static void a_full_window_pauses_the_connection_until_there_is_room(void **state)
{
    struct job *job = start("openai");
    (void)state;
    provider_says_head(200, 0);
    job->room = 1;
    says_text("one");
    assert_false(fake_http.room);
    assert_int_equal(fake_http.resumed, 0);
    job->room = 2;
    generator_pool.writable(pool, job);
    assert_int_equal(fake_http.resumed, 1);
    says_text("two");
    says_done();
    provider_ends(OK);
    assert_ended(job, OK, "onetwo");
}

static void text_behind_a_full_window_is_given_before_the_end(void **state)
{
    enum { LONG = 10000 };
    char text[LONG + 1] = {0};
    struct job *job = start("openai");
    (void)state;
    memset(text, 'x', LONG);
    provider_says_head(200, 0);
    job->room = 1;
    struct buffer events = {0};
    buffer_printf(&events,
                  "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\ndata: [DONE]\n\n",
                  text);
    provider_says(buffer_slice(&events));
    buffer_free(&events);
    assert_true(fake_http.room); /* behind the terminator nothing is held back */
    provider_ends(OK);
    assert_int_equal(job->tokens, 1);
    for (size_t given = 2; given <= 3; given++) {
        job->room = 1;
        generator_pool.writable(pool, job);
        assert_int_equal(job->tokens, given);
        assert_int_equal(job->ended, given == 3);
    }
    assert_ended(job, OK, text);
}

static const struct {
    time_t pause_s, after_s; /* how long it was paused, and when it then was found gone */
    err_t want;
} gone[] = {
    {0, 0, ERR_PROVIDER_CUT},
    {5, 0, ERR_CLIENT_TOO_SLOW},
    {5, 5, ERR_PROVIDER_CUT},
    {0, 5, ERR_PROVIDER_CUT},
};

static void a_provider_that_goes_during_a_pause_went_because_of_the_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        struct job *job = start("openai");
        provider_says_head(200, 0);
        job->room = 1;
        says_text("one");
        later_s += gone[i].pause_s;
        job->room = 2;
        generator_pool.writable(pool, job);
        later_s += gone[i].after_s;
        provider_ends(ERR_PROVIDER_CUT);
        assert_ended(job, gone[i].want, "one");
    }
}

/* --- what goes wrong --- */

static const struct {
    int status; /* 0: no head comes */
    const char *body;
    bool ends; /* the response, OK or with `end` */
    err_t end, want;
    const char *text;
} broken[] = {
    {0, NULL, true, ERR_PROVIDER_ADDRESS, ERR_PROVIDER_ADDRESS, ""},
    {0, NULL, true, ERR_PROVIDER_UNAVAILABLE, ERR_PROVIDER_UNAVAILABLE, ""},
    {401, "{\"error\":\"secret\"}", true, OK, ERR_PROVIDER_AUTH, ""},
    {404, NULL, true, OK, ERR_PROVIDER_MODEL, ""},
    {429, NULL, true, ERR_PROVIDER_CUT, ERR_PROVIDER_RATE_LIMITED, ""},
    {302, NULL, true, OK, ERR_PROVIDER_BAD_RESPONSE, ""},
    {200, "{\"choices\":[]}", true, OK, ERR_PROVIDER_BAD_RESPONSE, ""},
    {200, "data: {\"cho\n\n", false, OK, ERR_PROVIDER_BAD_RESPONSE, ""},
    {200, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n", true, OK, ERR_PROVIDER_CUT,
     "Hi"},
    {200, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n", true, ERR_PROVIDER_CUT,
     ERR_PROVIDER_CUT, "Hi"},
    {200, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {]\n\n", false, OK,
     ERR_PROVIDER_BAD_RESPONSE, ""},
    {200, "data: {\"error\":{\"message\":\"secret\"}}\n\n", false, OK, ERR_PROVIDER_FAILED, ""},
};

static void what_breaks_ends_in_its_error_and_closes_the_connection(void **state)
{
    (void)state;
    fake_worker.settings.provider_retries_max = 0;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct job *job = start("openai");
        unsigned cancelled = fake_http.cancelled;
        if (broken[i].status) provider_says_head(broken[i].status, 0);
        if (broken[i].body) provider_says(slice_of(broken[i].body));
        if (broken[i].ends) provider_ends(broken[i].end);
        assert_null(fake_http.call);
        assert_int_equal(fake_http.cancelled - cancelled, broken[i].ends ? 0 : 1);
        assert_int_equal(job->message.len, 0); /* a provider's words stay here */
        assert_ended(job, broken[i].want, broken[i].text);
    }
}

static void an_answer_over_the_limit_is_broken_off(void **state)
{
    struct job *job = start("openai");
    (void)state;
    fake_worker.settings.answer_bytes_max = 10;
    provider_says_head(200, 0);
    says_text("0123456789");
    says_text("x");
    assert_int_equal(fake_http.cancelled, 1);
    assert_ended(job, ERR_ANSWER_TOO_LARGE, "0123456789");
}

static void a_long_error_body_is_not_read_to_its_end(void **state)
{
    static char words[100 << 10];
    struct job *job = start("openai");
    (void)state;
    fake_worker.settings.provider_retries_max = 0;
    provider_says_head(500, 0);
    provider_says((struct slice){words, sizeof words});
    assert_int_equal(fake_http.cancelled, 1);
    assert_ended(job, ERR_PROVIDER_FAILED, "");
}

static void a_client_that_goes_closes_the_connection_and_is_charged_by_estimate(void **state)
{
    struct job *job = start("openai");
    (void)state;
    provider_says_head(200, 0);
    says_text("0123456789");
    generator_pool.cancel(pool, job);
    assert_int_equal(fake_http.cancelled, 1);
    assert_int_equal(job->meta.usage.completion_tokens, 3);
    assert_true(job->meta.usage.prompt_tokens > 0);
    assert_ended(job, ERR_CANCELLED, "0123456789");
}

static void a_first_token_that_does_not_come_is_a_timeout(void **state)
{
    (void)state;
    fake_worker.settings.provider_first_token_timeout_ms = 1;
    struct job *job = start("openai");
    provider_says_head(200, 0);
    event_base_loop(fake_worker.base, EVLOOP_ONCE);
    assert_int_equal(fake_http.cancelled, 1);
    assert_ended(job, ERR_PROVIDER_TIMEOUT, "");
}

/* --- asked again --- */

static void what_may_pass_is_asked_again_later(void **state)
{
    struct job *job = start("openai");
    (void)state;
    provider_says_head(503, 0);
    provider_ends(OK);
    assert_false(job->ended);
    assert_int_equal(counted("retry"), 1);
    assert_int_equal(fake_http.started, 1); /* not at once */
    generator_pool.cancel(pool, job);
    assert_int_equal(job->meta.usage.total_tokens, 0); /* nothing was written */
    assert_ended(job, ERR_CANCELLED, "");
}

static void a_retry_after_beyond_the_patience_is_not_waited_for(void **state)
{
    struct job *job = start("openai");
    (void)state;
    provider_says_head(429, 3600 * 1000);
    provider_ends(OK);
    assert_ended(job, ERR_PROVIDER_RATE_LIMITED, "");
}

static void a_refused_request_goes_again_without_what_may_be_refused(void **state)
{
    struct job *job = start("openai");
    (void)state;
    assert_true(body_has("stream_options") && body_has("temperature"));
    provider_says_head(400, 0);
    provider_ends(OK);
    assert_true(body_has("stream_options") && !body_has("temperature"));
    provider_says_head(400, 0);
    provider_ends(OK);
    assert_int_equal(fake_http.started, 3);
    assert_false(body_has("stream_options") || body_has("temperature"));
    provider_says_head(200, 0);
    says_text("Yes");
    says_done();
    provider_ends(OK);
    assert_ended(job, OK, "Yes");
    job = start("openai"); /* and that is remembered, of this model */
    assert_false(body_has("stream_options"));
    generator_pool.cancel(pool, job);
    job_free(job);
    job = start_with("openai", "another", 0, NULL);
    assert_true(body_has("stream_options"));
    generator_pool.cancel(pool, job);
    job_free(job);
}

static void going_on_is_given_up_before_what_else_may_be_refused(void **state)
{
    struct job *job = start_with("anthropic", "m", 0, "One");
    (void)state;
    assert_true(body_has("\"role\":\"assistant\"") && body_has("temperature"));
    provider_says_head(400, 0);
    provider_ends(OK);
    assert_true(!body_has("\"role\":\"assistant\"") && body_has("temperature"));
    provider_says_head(400, 0);
    provider_ends(OK);
    assert_true(!body_has("\"role\":\"assistant\"") && !body_has("temperature"));
    provider_says_head(400, 0);
    provider_ends(OK);
    assert_ended(job, ERR_PROVIDER_REFUSED, "");
}

static void a_request_that_is_refused_without_all_that_is_refused(void **state)
{
    struct job *job = start("openai");
    (void)state;
    for (int i = 0; i < 3; i++) {
        provider_says_head(422, 0);
        provider_ends(OK);
    }
    assert_ended(job, ERR_PROVIDER_REFUSED, "");
    job = start("openai");
    assert_true(body_has("stream_options")); /* which was not the reason */
    generator_pool.cancel(pool, job);
    job_free(job);
}

static void fallbacks_follow_each_other_before_the_first_text(void **state)
{
    struct job *job = start_with("openai", "m", 2, NULL);
    (void)state;
    provider_says_head(401, 0);
    provider_ends(OK);
    assert_string_equal(fake_http.url.data, "https://anthropic.test/v1/messages");
    provider_says_head(404, 0);
    provider_ends(OK);
    assert_true(slice_equal(job->meta.written_by, SLICE("extractive/1")));
    assert_int_equal(counted("fallback"), 2);
    assert_int_equal(counted("provider_auth"), 1);
    assert_ended(job, OK, language_phrase(language_find(SLICE("en")), "no_documents"));
}

static void what_a_try_in_vain_has_used_counts_in_the_end(void **state)
{
    struct job *job = start_with("openai", "m", 1, NULL);
    (void)state;
    provider_says_head(200, 0);
    provider_says(SLICE("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":70}}\n\n"));
    provider_ends(ERR_PROVIDER_CUT); /* it will be asked again */
    assert_int_equal(counted("retry"), 1);
    generator_pool.cancel(pool, job);
    assert_int_equal(job->meta.usage.prompt_tokens, 70);
    assert_ended(job, ERR_CANCELLED, "");
    fake_worker.settings.provider_retries_max = 0;
    job = start_with("openai", "m", 1, NULL);
    provider_says_head(200, 0);
    provider_says(SLICE("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":70}}\n\n"));
    provider_ends(ERR_PROVIDER_CUT); /* the fallback will be */
    provider_says_head(200, 0);
    provider_says(SLICE("data: {\"type\":\"message_start\",\"message\":{\"usage\":"
                        "{\"input_tokens\":25,\"output_tokens\":5}}}\n\n"
                        "data: {\"type\":\"message_stop\"}\n\n"));
    provider_ends(OK);
    assert_int_equal(job->meta.usage.prompt_tokens, 95);
    assert_int_equal(job->meta.usage.completion_tokens, 5);
    assert_int_equal(job->meta.usage.total_tokens, 100);
    assert_ended(job, OK, "");
}

static void the_extractive_generator_is_last_where_it_is_allowed(void **state)
{
    static const char *const keys[] = {"key-of-openai", ""}; /* one that fails, none at all */
    (void)state;
    fake_worker.settings.extractive_fallback = "yes";
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        fake_worker.settings.openai_api_key = keys[i];
        struct job *job = start("openai");
        if (*keys[i]) provider_says_head(401, 0);
        if (*keys[i]) provider_ends(OK);
        assert_int_equal(counted("provider_auth"), i + 1);
        assert_true(slice_equal(job->meta.written_by, SLICE("extractive/1")));
        assert_ended(job, OK, language_phrase(language_find(SLICE("en")), "no_documents"));
    }
}

static void failures_in_a_row_open_the_breaker(void **state)
{
    (void)state;
    fake_worker.settings.provider_retries_max = 0;
    for (uint64_t i = 0; i < fake_worker.settings.breaker_failures; i++) {
        struct job *job = start("openai");
        assert_string_equal(fake_worker.trouble, "");
        provider_ends(ERR_PROVIDER_UNAVAILABLE);
        assert_ended(job, ERR_PROVIDER_UNAVAILABLE, "");
    }
    unsigned started = fake_http.started;
    assert_ended(start("openai"), ERR_PROVIDER_CIRCUIT_OPEN, "");
    assert_int_equal(fake_http.started, started);
    assert_int_equal(counted("breaker_opened"), 1);
    assert_string_equal(fake_worker.trouble, "openai: provider_unavailable");
    struct job *job = start("anthropic"); /* which is another */
    assert_int_equal(fake_http.started, started + 1);
    generator_pool.cancel(pool, job);
    job_free(job);
}

/* --- going on --- */

static const struct {
    const char *prefix;
    const char *pieces[3];
    const char *want;
} repeated[] = {
    {"One two", {"One two", " three"}, " three"},
    {"One two", {"One", " two th", "ree"}, " three"},
    {"One two", {" three"}, " three"},         /* it was not repeated */
    {"One two", {"One", " more"}, "One more"}, /* nor here: it only starts alike */
    {"One two", {"One"}, "One"},
    {"One ", {"One two"}, "two"},
};

static void mistral_goes_on_and_what_it_repeats_is_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(repeated); i++) {
        struct job *job = start_with("mistral", "m", 0, repeated[i].prefix);
        assert_true(body_has("\"prefix\":true"));
        provider_says_head(200, 0);
        for (size_t j = 0; j < 3 && repeated[i].pieces[j]; j++) says_text(repeated[i].pieces[j]);
        says_done();
        provider_ends(OK);
        assert_true(job->continued);
        assert_ended(job, OK, repeated[i].want);
    }
}

static void says_anthropic(const char *text)
{
    struct buffer event = {0};
    buffer_printf(&event,
                  "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"%s\"}}\n\n"
                  "data: {\"type\":\"message_stop\"}\n\n",
                  text);
    provider_says(buffer_slice(&event));
    buffer_free(&event);
    provider_ends(OK);
}

static void anthropic_goes_on_from_text_without_white_space_at_its_end(void **state)
{
    struct job *job = start_with("anthropic", "m", 0, "One \n");
    (void)state;
    assert_true(body_has("{\"role\":\"assistant\",\"content\":\"One\"}"));
    provider_says_head(200, 0);
    says_anthropic(" \\ntwo");
    assert_true(job->continued);
    assert_ended(job, OK, "two");
}

static void a_model_that_does_not_go_on_tells_the_answer_anew(void **state)
{
    struct job *job = start_with("anthropic", "m", 0, "One");
    (void)state;
    provider_says_head(400, 0);
    provider_ends(OK);
    assert_false(body_has("\"role\":\"assistant\""));
    assert_true(body_has("temperature")); /* which was not refused */
    provider_says_head(200, 0);
    says_anthropic("One two");
    assert_false(job->continued);
    assert_ended(job, OK, "One two");
    job = start_with("openai", "m", 0, "One"); /* whose dialect never does */
    assert_false(body_has("\"role\":\"assistant\""));
    generator_pool.cancel(pool, job);
    assert_false(job->continued);
    job_free(job);
}

static void who_has_begun_is_asked_first(void **state)
{
    struct job *job = start_with("openai", "m", 1, NULL);
    (void)state;
    generator_pool.cancel(pool, job);
    job->ended = false;
    job->prefix_by = SLICE("anthropic/second");
    job->resume_from = 3;
    buffer_append_text(&job->frames[JOB_PREFIX], "One");
    generator_pool.start(pool, job);
    assert_true(body_has("\"model\":\"second\"") && body_has("\"role\":\"assistant\""));
    provider_says_head(503, 0); /* no retries are left in this test: the other one tells it anew */
    fake_worker.settings.provider_retries_max = 0;
    provider_ends(OK);
    assert_true(body_has("\"model\":\"m\""));
    provider_says_head(200, 0);
    says_text("One");
    says_done();
    provider_ends(OK);
    assert_false(job->continued);
    assert_ended(job, OK, "One");
}

/* --- each test has a pool of its own --- */

static int open_pool(void **state)
{
    (void)state;
    fake_worker_open();
    memset(fake_worker.counts, 0, sizeof fake_worker.counts);
    fake_worker.trouble[0] = '\0';
    fake_http.started = fake_http.cancelled = fake_http.resumed = 0;
    fake_worker.settings.openai_api_key = "key-of-openai";
    fake_worker.settings.openai_base_url = "https://openai.test/v1";
    fake_worker.settings.mistral_api_key = "key-of-mistral";
    fake_worker.settings.mistral_base_url = "https://mistral.test/v1";
    fake_worker.settings.anthropic_api_key = "key-of-anthropic";
    fake_worker.settings.anthropic_base_url = "https://anthropic.test";
    return generator_pool.open(NULL, &pool) ? -1 : 0;
}

static int close_pool(void **state)
{
    (void)state;
    generator_pool.close(pool);
    fake_worker_close();
    return 0;
}

#define REMOTE_TEST(name) cmocka_unit_test_setup_teardown(name, open_pool, close_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REMOTE_TEST(a_stream_goes_on_as_it_comes_and_ends_at_its_terminator),
        REMOTE_TEST(a_conversation_is_kept_for_the_next_to_be_asked_until_the_first_text),
        REMOTE_TEST(a_provider_gets_its_own_key_and_headers),
        REMOTE_TEST(a_code_point_cut_between_two_events_is_not_torn),
        REMOTE_TEST(a_full_window_pauses_the_connection_until_there_is_room),
        REMOTE_TEST(text_behind_a_full_window_is_given_before_the_end),
        REMOTE_TEST(a_provider_that_goes_during_a_pause_went_because_of_the_client),
        REMOTE_TEST(what_breaks_ends_in_its_error_and_closes_the_connection),
        REMOTE_TEST(an_answer_over_the_limit_is_broken_off),
        REMOTE_TEST(a_long_error_body_is_not_read_to_its_end),
        REMOTE_TEST(a_client_that_goes_closes_the_connection_and_is_charged_by_estimate),
        REMOTE_TEST(a_first_token_that_does_not_come_is_a_timeout),
        REMOTE_TEST(what_may_pass_is_asked_again_later),
        REMOTE_TEST(a_retry_after_beyond_the_patience_is_not_waited_for),
        REMOTE_TEST(a_refused_request_goes_again_without_what_may_be_refused),
        REMOTE_TEST(going_on_is_given_up_before_what_else_may_be_refused),
        REMOTE_TEST(a_request_that_is_refused_without_all_that_is_refused),
        REMOTE_TEST(fallbacks_follow_each_other_before_the_first_text),
        REMOTE_TEST(what_a_try_in_vain_has_used_counts_in_the_end),
        REMOTE_TEST(the_extractive_generator_is_last_where_it_is_allowed),
        REMOTE_TEST(failures_in_a_row_open_the_breaker),
        REMOTE_TEST(mistral_goes_on_and_what_it_repeats_is_left_out),
        REMOTE_TEST(anthropic_goes_on_from_text_without_white_space_at_its_end),
        REMOTE_TEST(a_model_that_does_not_go_on_tells_the_answer_anew),
        REMOTE_TEST(who_has_begun_is_asked_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
