/* The gateway over real HTTP, with lanes that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "gateway/http_internal.h"
#include "gateway/request_flow.h"
#include "gateway_fixture.h"

/* --- what is refused --- */

static char big_body[70000];

static const struct refusal {
    const char *what, *method, *path, *headers, *body;
    int status;
    const char *text; /* that the answer contains */
} refusals[] = {
    {"unknown path", "GET", "/nowhere", "", NULL, 404, "\"code\":\"not_found\""},
    {"root", "GET", "/", "", NULL, 404, "not_found"},
    {"id that is no number", "GET", "/api/agents/one", "", NULL, 404, "not_found"},
    {"negative id", "GET", "/api/agents/-1", "", NULL, 404, "not_found"},
    {"huge id", "GET", "/api/agents/99999999999999999999", "", NULL, 404, "not_found"},
    {"wrong method", "PUT", "/api/agents/1/chat", "", "{}", 405, "Allow: POST"},
    {"wrong method of two", "PATCH", "/api/agents", "", NULL, 405, "Allow: GET, HEAD, POST"},
    {"wrong content type", "POST", "/api/agents/1/chat", "Content-Type: text/xml\r\n", "<a/>", 415,
     "unsupported_media_type"},
    {"body too large", "POST", "/api/agents/1/chat", "", big_body, 413, "body_too_large"},
    {"empty body", "POST", "/api/agents/1/chat", "", "", 400, "bad_json"},
    {"malformed JSON", "POST", "/api/agents/1/chat", "", "{\"message\":", 400, "bad_json"},
    {"an array", "POST", "/api/agents/1/chat", "", "[]", 422, "the body must be an object"},
    {"wrong type", "POST", "/api/agents/1/chat", "", "{\"message\":7}", 422,
     "message must be a string"},
    {"empty message", "POST", "/api/agents/1/chat", "", "{\"message\":\" \"}", 422,
     "message_empty"},
    {"the same of a stream", "POST", "/api/agents/1/chat/stream", "", "{\"message\":\" \"}", 422,
     "message_empty"},
    {"search without query", "POST", "/api/portfolios/1/search", "", "{}", 422, "message_empty"},
    {"limit that is no number", "GET", "/api/agents?limit=ten", "", NULL, 422,
     "limit must be a whole number"},
    {"negative after", "GET", "/api/agents?after=-1", "", NULL, 422, "after must be"},
    {"limit of zero", "GET", "/api/agents?limit=0", "", NULL, 422, "limit must be at least 1"},
    {"unknown provider", "POST", "/api/agents", "", "{\"name\":\"a\",\"provider\":\"x\"}", 422,
     "provider_unknown"},
    {"a fallback of nobody", "POST", "/api/agents", "",
     "{\"name\":\"a\",\"fallbacks\":[{\"provider\":\"x\"}]}", 422, "provider_unknown"},
    {"a key that looks sealed", "POST", "/api/agents", "",
     "{\"name\":\"a\",\"api_key\":\"v1.0123456789abcdef.QUJD\"}", 422, "api_key is not a"},
    {"a key with a line end", "PUT", "/api/agents/1", "", "{\"api_key\":\"sk\\r\\nX: y\"}", 422,
     "api_key must be printable"},
    {"a fallback's key with a space", "PUT", "/api/agents/1", "",
     "{\"fallbacks\":[{\"provider\":\"openai\",\"api_key\":\"s k\"}]}", 422,
     "api_key must be printable"},
    {"a base URL without scheme", "PUT", "/api/agents/1", "", "{\"base_url\":\"localhost:1\"}", 422,
     "base_url must be http"},
    {"a base URL of a file", "PUT", "/api/agents/1", "", "{\"base_url\":\"file:///etc/passwd\"}",
     422, "base_url must be http"},
    {"a base URL without host", "PUT", "/api/agents/1", "", "{\"base_url\":\"http:///v1\"}", 422,
     "base_url must be http"},
    {"a base URL with a password", "PUT", "/api/agents/1", "",
     "{\"base_url\":\"http://me:pw@host/v1\"}", 422, "base_url must be http"},
    {"a base URL with a query", "PUT", "/api/agents/1", "", "{\"base_url\":\"http://h/v1?a=b\"}",
     422, "base_url must be http"},
    {"a fallback's base URL with a space", "PUT", "/api/agents/1", "",
     "{\"fallbacks\":[{\"provider\":\"openai\",\"base_url\":\"http://h /\"}]}", 422,
     "base_url must be http"},
    {"empty document", "POST", "/api/portfolios/1/documents", "", "{\"content\":\"\"}", 422,
     "document_empty"},
    {"unknown format", "POST", "/api/portfolios/1/documents", "",
     "{\"content\":\"a\",\"format\":\"pdf\"}", 422, "format must be"},
    {"one bad document of two", "POST", "/api/portfolios/1/documents", "",
     "[{\"content\":\"a\"},{\"content\":5}]", 422, "document 1: content must be a string"},
};

static void a_bad_request_gets_its_status_code_and_request_id(void **state)
{
    struct fixture *fixture = *state;
    memset(big_body, ' ', sizeof(big_body) - 1);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const struct refusal *want = &refusals[i];
        struct client client = client_connect(fixture);
        client_ask(fixture, &client, want->method, want->path, want->headers, want->body);
        TURN_UNTIL(fixture, client_has_answer(&client));
        const char *got = client_text(&client);
        if (client_status(&client) != want->status || !strstr(got, want->text) ||
            !strstr(got, "X-Request-Id: ") || !strstr(got, "\"request_id\":\""))
            fail_msg("%s: %s", want->what, got);
        client_close(&client);
    }
    assert_int_equal(fake_job_count, 0);
}

static void a_request_id_of_the_client_is_kept_if_it_is_sound(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    client_ask(fixture, &client, "GET", "/healthz", "X-Request-Id: abc-1.2_Z\r\n", NULL);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_non_null(strstr(client_text(&client), "X-Request-Id: abc-1.2_Z\r\n"));
    client_ask(fixture, &client, "GET", "/healthz", "X-Request-Id: a b\r\n", NULL);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_null(strstr(client_text(&client), "X-Request-Id: a b"));
    client_close(&client);
}

static void a_header_flood_is_431(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    char *flood = xcalloc(1, 20001);
    memset(flood, 'a', 20000);
    memcpy(flood, "X: ", 3);
    memcpy(flood + 19998, "\r\n", 2);
    client_ask(fixture, &client, "GET", "/healthz", flood, NULL);
    TURN_UNTIL(fixture, client_has(&client, "HTTP/1.1 431"));
    client_close(&client);
    free(flood);
}

/* A browser's own, of a site whose sign-in keeps a token in a cookie. Half of a connection's memory
 * is all that libmicrohttpd has for a head: with 6 KiB this one is a 431. */
static void a_large_cookie_beside_a_browsers_headers_is_taken(void **state)
{
    static const char headers[] =
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36\r\n"
        "Accept: text/event-stream\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        "Accept-Language: es-ES,es;q=0.9,en;q=0.8\r\nCache-Control: no-cache\r\n"
        "Origin: http://127.0.0.1:8000\r\nReferer: http://127.0.0.1:8000/\r\n"
        "Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n"
        "Content-Type: application/json\r\nCookie: session=";
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    struct buffer lines = {0};
    buffer_append_text(&lines, headers);
    memset(buffer_reserve(&lines, 2560), 'c', 2560);
    lines.len += 2560;
    buffer_append(&lines, "\r\n", 3); /* with its NUL */
    client_ask(fixture, &client, "POST", "/api/agents/1/chat", lines.data, "{\"message\":\" \"}");
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 422);
    assert_true(client_has(&client, "message_empty"));
    client_close(&client);
    buffer_free(&lines);
}

static void a_chunked_body_over_the_limit_is_cut_off_with_413(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    client_ask(fixture, &client, "POST", "/api/agents/1/chat", "Transfer-Encoding: chunked\r\n",
               NULL);
    memset(big_body, ' ', sizeof(big_body) - 1);
    client_send(fixture, &client, "11170\r\n", 7); /* 70,000 */
    client_send(fixture, &client, big_body, sizeof(big_body));
    TURN_UNTIL(fixture, client_has(&client, "body_too_large") && client.closed);
    assert_int_equal(client_status(&client), 413);
    client_close(&client);
}

static void a_slow_sender_is_told_408(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    fixture->settings.client_header_timeout_s = 0;
    client_send(fixture, &client,
                "POST /api/agents/1/chat HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{", 66);
    uint64_t until = clock_ms() + 3000;
    while (!client_has(&client, "request_timeout") && clock_ms() < until)
        event_base_loop(fixture->gateway.base, EVLOOP_ONCE);
    assert_int_equal(client_status(&client), 408);
    client_close(&client);
}

/* Lets the only connection's state look `ms` older than it is. */
static void age_connection(struct fixture *fixture, uint64_t ms)
{
    LIST_FIRST(&fixture->gateway.http->conns)->since_ms -= ms;
}

static void a_client_that_trickles_its_headers_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    client_send(fixture, &client, "GET /healthz HTTP/1.1\r\nHo", 25);
    TURN_UNTIL(fixture, http_server_connections(fixture->gateway.http) == 1);
    age_connection(fixture, fixture->settings.client_header_timeout_s * 1000 + 1);
    uint64_t until = clock_ms() + 3000;
    while (!client_has(&client, "x") && !client.closed && clock_ms() < until)
        event_base_loop(fixture->gateway.base, EVLOOP_ONCE);
    assert_true(client.closed);
    assert_int_equal(client.in.len, 0);
    client_close(&client);
}

/* --- chat --- */

#define CHAT   "/api/agents/1/chat"
#define STREAM CHAT "/stream"

static void answer_configs(struct fixture *fixture)
{
    struct agent agent = {.id = 1, .name = SLICE("a"), .portfolio_id = 1, .version = 4};
    struct portfolio portfolio = {
        .id = 1, .name = SLICE("p"), .embedder = SLICE("hashing-1"), .version = 9};
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_GET));
    fake_answer(fake_job_of(KIND_AGENT_GET), &agent);
    if (fake_job_of(KIND_PORTFOLIO_GET)) fake_answer(fake_job_of(KIND_PORTFOLIO_GET), &portfolio);
}

static struct client ask(struct fixture *fixture, const char *path, const char *body)
{
    struct client client = client_connect(fixture);
    client_ask(fixture, &client, "POST", path,
               "Content-Type: application/x-www-form-urlencoded\r\n", body);
    return client;
}

static void say(struct fake_job *job, const char *text)
{
    fake_say(job, slice_of(text));
}

static void finish(struct fake_job *job)
{
    struct citation citation = {.n = 1, .document_id = 2, .title = SLICE("T"), .chunk_id = 3};
    struct meta meta = {.finish_reason = SLICE("stop"),
                        .usage = {.prompt_tokens = 5, .completion_tokens = 2, .total_tokens = 7},
                        .citations = {&citation, 1}};
    fake_done(job, &meta);
}

static void record(struct fixture *fixture)
{
    TURN_UNTIL(fixture, fake_job_of(KIND_RECORD));
    fake_answer(fake_job_of(KIND_RECORD),
                &(struct recorded){.conversation_id = 11, .message_id = 12});
}

static void a_question_is_answered_with_citations_ids_and_timings(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, "{\"message\":\"What React projects are there?\"}");
    answer_configs(fixture);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    assert_string_equal(job->stages, "");
    say(job, "Two [1].");
    assert_int_equal(job->taken, 8);
    finish(job);
    record(fixture);
    TURN_UNTIL(fixture, client_has_answer(&client));
    const char *got = client_text(&client);
    assert_int_equal(client_status(&client), 200);
    assert_non_null(
        strstr(got, "{\"answer\":\"Two [1].\",\"citations\":[{\"n\":1,\"document_id\":2,"));
    assert_non_null(strstr(got, "\"cached\":false,\"conversation_id\":11,\"message_id\":12,"));
    assert_non_null(strstr(got, "\"language\":\"en\",\"complexity\":\"medium\",\"top_k\":8,"));
    assert_non_null(strstr(got, "\"usage\":{\"prompt_tokens\":5,"));
    assert_non_null(strstr(got, "\"retrieve\":0.200,"));
    client_close(&client);
}

static void a_greeting_goes_to_the_generator_alone(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, "{\"message\":\"Hello\",\"store\":false}");
    answer_configs(fixture);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    assert_string_equal(job->stages, "G");
    say(job, "Hi!");
    finish(job);
    TURN_UNTIL(fixture, client_has_answer(&client));
    const char *got = client_text(&client);
    assert_non_null(strstr(got, "\"complexity\":\"trivial\",\"top_k\":0,"));
    assert_null(strstr(got, "conversation_id"));
    assert_null(strstr(got, "recorded"));
    assert_int_equal(fake_count_of(KIND_RECORD), 0);
    client_close(&client);
}

static void a_stream_sends_tokens_as_they_come_and_done_after_the_commit(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, STREAM, "{\"message\":\"What React projects are there?\"}");
    answer_configs(fixture);
    TURN_UNTIL(fixture, client_has(&client, "\r\n\r\n"));
    assert_true(client_has(&client, "Content-Type: text/event-stream"));
    assert_true(client_has(&client, "Cache-Control: no-cache"));
    assert_true(client_has(&client, "X-Accel-Buffering: no"));
    struct fake_job *job = fake_job_of(KIND_CHAT);
    say(job, "One \"two\"");
    TURN_UNTIL(fixture, client_has(&client, "data: {\"type\":\"token\",\"content\":"
                                            "\"One \\\"two\\\"\"}\n\n"));
    assert_int_equal(job->taken, 9);
    say(job, " three");
    say(job, " four");
    TURN_UNTIL(fixture, client_has(&client, "\"content\":\" three\"}\n\n"
                                            "data: {\"type\":\"token\",\"content\":\" four\"}"));
    finish(job);
    for (size_t i = 0; i < 50; i++) turn(fixture);
    assert_false(client_has(&client, "\"done\""));
    record(fixture);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_true(client_has(&client, "data: {\"type\":\"done\",\"citations\":[{\"n\":1,"));
    assert_true(client_has(&client, "\"cached\":false,\"conversation_id\":11"));
    client_close(&client);
}

static void a_stream_at_rest_shows_that_it_lives(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, STREAM, "{\"message\":\"Hello\"}");
    answer_configs(fixture);
    TURN_UNTIL(fixture, client_has(&client, "\r\n\r\n"));
    for (size_t i = 0; i < 20; i++) turn(fixture);
    age_connection(fixture, 15000);
    uint64_t until = clock_ms() + 3000;
    while (!client_has(&client, ": keepalive\n\n") && clock_ms() < until)
        event_base_loop(fixture->gateway.base, EVLOOP_ONCE);
    assert_true(client_has(&client, ": keepalive\n\n"));
    say(fake_job_of(KIND_CHAT), "Hi");
    TURN_UNTIL(fixture, client_has(&client, "\"content\":\"Hi\"}\n\n"));
    client_close(&client);
}

static void a_stream_that_fails_ends_in_one_error_and_its_turn_is_recorded(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, STREAM, "{\"message\":\"What React projects are there?\"}");
    answer_configs(fixture);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    say(job, "half");
    fake_fail(job, ERR_PROVIDER_TIMEOUT);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_true(client_has(&client,
                           "data: {\"type\":\"error\",\"message\":\"the provider took too "
                           "long\",\"code\":\"provider_timeout\",\"retryable\":true}\n\n"));
    assert_false(client_has(&client, "\"done\""));
    struct arena arena = {0};
    struct turn turn_made;
    struct fake_job *turn_job = fake_job_of(KIND_RECORD);
    assert_int_equal(
        record_decode(turn_type(), body_frame(turn_job->body, FRAME_REQUEST), &arena, &turn_made),
        OK);
    assert_true(slice_equal(turn_made.status, SLICE("failed")));
    assert_true(slice_equal(turn_made.error, SLICE("provider_timeout")));
    assert_true(slice_equal(turn_made.answer, SLICE("half")));
    assert_true(turn_job->record);
    assert_int_equal(strlen(turn_job->op), 32);
    arena_free(&arena);
    client_close(&client);
}

static void the_same_failure_of_chat_is_its_status(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, "{\"message\":\"What React projects are there?\"}");
    answer_configs(fixture);
    fake_fail(fake_job_of(KIND_CHAT), ERR_PROVIDER_TIMEOUT);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 504);
    client_close(&client);
}

static void a_client_that_goes_cancels_its_job_within_a_turn(void **state)
{
    static const char *const paths[] = {CHAT, STREAM};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        fixture->settings.agent_config_ttl_ms = 0;
        struct client client =
            ask(fixture, paths[i], "{\"message\":\"What React projects are there?\"}");
        answer_configs(fixture);
        struct fake_job *job = fake_job_of(KIND_CHAT);
        say(job, "a");
        for (size_t n = 0; n < 20; n++) turn(fixture);
        assert_false(job->cancelled);
        client_close(&client);
        turn(fixture);
        assert_true(job->cancelled);
        fake_fail(job, ERR_CANCELLED);
        assert_non_null(fake_job_of(KIND_RECORD));
        fake_answer(fake_job_of(KIND_RECORD), &(struct recorded){.conversation_id = 1});
        TURN_UNTIL(fixture, http_server_requests(fixture->gateway.http) == 0);
    }
}

static void a_client_that_goes_before_its_question_is_read_costs_no_answer(void **state)
{
    static const char *const paths[] = {CHAT, STREAM};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct client keep = ask(fixture, CHAT, "{\"message\":\"Hello\",\"store\":false}");
        if (i == 0) answer_configs(fixture); /* known from here on: the job is submitted at once */
        char request[300];
        snprintf(request, sizeof(request),
                 "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 19\r\n\r\n{\"message\":\"Hello\"}",
                 paths[i]);
        struct client client = client_connect(fixture);
        size_t before = fake_count_of(KIND_CHAT);
        assert_int_equal(send(client.fd, request, strlen(request), 0), strlen(request));
        client_close(&client);
        for (size_t n = 0; n < 20; n++) turn(fixture);
        struct fake_job *job = fake_job_of(KIND_CHAT);
        if (fake_count_of(KIND_CHAT) > before) assert_true(job->cancelled);
        assert_int_equal(http_server_connections(fixture->gateway.http), 1);
        client_close(&keep);
        for (size_t n = 0; n < 20; n++) turn(fixture);
    }
}

static void half_a_request_of_a_client_that_went_is_not_kept(void **state)
{
    static const char *const halves[] = {
        "GET /heal",
        "POST /api/agents/1/chat HTTP/1.1\r\nHost: a\r\nContent-Length: 19\r\n\r\n{\"mess",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        struct client client = client_connect(fixture);
        assert_true(send(client.fd, halves[i], strlen(halves[i]), 0) > 0);
        client_close(&client);
        turn(fixture);
        uint64_t until = clock_ms() + 5000;
        while (http_server_connections(fixture->gateway.http) && clock_ms() < until)
            event_base_loop(fixture->gateway.base, EVLOOP_ONCE);
        assert_int_equal(http_server_connections(fixture->gateway.http), 0);
    }
}

static void a_slow_reader_is_given_no_more_than_it_takes_and_ended(void **state)
{
    struct fixture *fixture = *state;
    int small = 2048;
    char text[20001];
    struct client client = client_connect(fixture);
    setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    client_ask(fixture, &client, "POST", STREAM, "",
               "{\"message\":\"What React projects are there?\"}");
    answer_configs(fixture);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    size_t said = 0;
    for (; said < 400; said++) say(job, text), turn(fixture);
    for (size_t i = 0; i < 500; i++) turn(fixture);
    assert_true(job->taken < said * (sizeof(text) - 1));
    assert_false(job->cancelled);
    fixture->settings.client_stall_ms = 1;
    uint64_t until = clock_ms() + 5000;
    while (!job->cancelled && clock_ms() < until)
        event_base_loop(fixture->gateway.base, EVLOOP_ONCE);
    assert_true(job->cancelled);
    fake_fail(job, ERR_CANCELLED);
    TURN_UNTIL(fixture, http_server_requests(fixture->gateway.http) == 0);
    assert_int_equal((int)metric_value(METRIC_CHATS, "client_too_slow", "medium"), 1);
    client_close(&client);
}

static void a_refusal_at_admission_is_plain_http_with_retry_after(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, STREAM, "{\"message\":\"Hello\"}");
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_GET));
    fake_refusal = ERR_LANE_FULL;
    fake_answer(fake_job_of(KIND_AGENT_GET), &(struct agent){.id = 1});
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 503);
    assert_true(client_has(&client, "Retry-After: "));
    assert_true(client_has(&client, "\"lane_full\""));
    client_close(&client);
}

static void a_conversation_brings_its_history_and_an_unknown_one_is_404(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, "{\"message\":\"and React?\",\"conversation_id\":5}");
    answer_configs(fixture);
    struct fake_job *claim = fake_job_of(KIND_CLAIM_TAKE);
    assert_non_null(claim);
    assert_null(fake_job_of(KIND_CHAT));
    fake_answer(claim, &(struct claimed){.fence = 1, .history = {.conversation_id = 5}});
    struct fake_job *job = fake_job_of(KIND_CHAT);
    assert_true(body_frame(job->body, FRAME_HISTORY).len > 0);
    client_close(&client);
    client = ask(fixture, CHAT, "{\"message\":\"and React?\",\"conversation_id\":6}");
    TURN_UNTIL(fixture, fake_job_of(KIND_CLAIM_TAKE));
    fake_fail(fake_job_of(KIND_CLAIM_TAKE), ERR_CONVERSATION_NOT_FOUND);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 404);
    client_close(&client);
}

static void a_turn_that_is_not_committed_in_time_says_so_and_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.record_timeout_ms = 1;
    struct client client = ask(fixture, CHAT, "{\"message\":\"Hello\"}");
    answer_configs(fixture);
    finish(fake_job_of(KIND_CHAT));
    TURN_UNTIL(fixture, fake_job_of(KIND_RECORD));
    uint64_t until = clock_ms() + 5000;
    while (!client_has_answer(&client) && clock_ms() < until)
        event_base_loop(fixture->gateway.base, EVLOOP_ONCE);
    assert_non_null(strstr(client_text(&client), "\"recorded\":false,"));
    char op[64];
    snprintf(op, sizeof(op), "%s", fake_job_of(KIND_RECORD)->op);
    fake_fail(fake_job_of(KIND_RECORD), ERR_STORE_BUSY);
    assert_int_equal(recorder_waiting(fixture->gateway.recorder), 1);
    while (!fake_job_of(KIND_RECORD) && clock_ms() < until)
        event_base_loop(fixture->gateway.base, EVLOOP_ONCE);
    assert_string_equal(fake_job_of(KIND_RECORD)->op, op);
    fake_answer(fake_job_of(KIND_RECORD), &(struct recorded){.conversation_id = 1});
    assert_int_equal(recorder_waiting(fixture->gateway.recorder), 0);
    client_close(&client);
}

static void a_turn_that_finds_no_room_is_answered_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.record_queue_max = 0;
    struct client client = ask(fixture, CHAT, "{\"message\":\"Hello\"}");
    answer_configs(fixture);
    finish(fake_job_of(KIND_CHAT));
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_non_null(strstr(client_text(&client), "\"recorded\":false,"));
    assert_int_equal(fake_count_of(KIND_RECORD), 0);
    assert_int_equal((int)metric_value(METRIC_RECORDS, "dropped", NULL), 1);
    client_close(&client);
}

static void open_streams_end_when_the_server_is_destroyed(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[100];
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        char question[64];
        snprintf(question, sizeof(question), "{\"message\":\"What is number %zu?\"}", i);
        clients[i] = ask(fixture, STREAM, question);
        if (i == 0) answer_configs(fixture);
    }
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == ARRAY_LEN(clients));
    http_server_destroy(&fixture->gateway.http);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) client_close(&clients[i]);
}

/* --- directory --- */

static void askers_of_one_agent_share_one_job_and_the_last_known_serves(void **state)
{
    struct fixture *fixture = *state;
    struct client one = ask(fixture, CHAT, "{\"message\":\"Hello\",\"store\":false}");
    struct client two = ask(fixture, CHAT, "{\"message\":\"Hi\",\"store\":false}");
    for (size_t i = 0; i < 50; i++) turn(fixture);
    assert_int_equal(fake_count_of(KIND_AGENT_GET), 1);
    answer_configs(fixture);
    assert_int_equal(fake_count_of(KIND_CHAT), 2);
    directory_changed(fixture->gateway.directory,
                      &(struct version_of){.kind = SLICE("agent"), .id = 1, .version = 5});
    struct client three = ask(fixture, CHAT, "{\"message\":\"Thanks\",\"store\":false}");
    TURN_UNTIL(fixture, fake_count_of(KIND_AGENT_GET) == 2);
    fake_fail(fake_job_of(KIND_AGENT_GET), ERR_STORE_UNAVAILABLE);
    assert_int_equal(fake_count_of(KIND_CHAT), 3);
    client_close(&one);
    client_close(&two);
    client_close(&three);
}

static void an_unknown_agent_is_404(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, STREAM, "{\"message\":\"Hello\"}");
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_GET));
    fake_fail(fake_job_of(KIND_AGENT_GET), ERR_AGENT_NOT_FOUND);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 404);
    assert_true(client_has(&client, "agent_not_found"));
    client_close(&client);
}

/* --- objects --- */

static void documents_are_201_when_stored_and_202_while_indexing(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *body, *status;
        int want;
        const char *text;
    } cases[] = {
        {"{\"content\":\"a\"}", "stored", 201, "\r\n\r\n{\"id\":7,"},
        {"{\"content\":\"a\"}", "indexing", 202, "\r\n\r\n{\"id\":7,"},
        {"[{\"content\":\"a\"}]", "indexing", 202, "\r\n\r\n{\"data\":[{\"id\":7,"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client client = ask(fixture, "/api/portfolios/1/documents", cases[i].body);
        struct document document = {
            .id = 7, .content = SLICE("secret"), .status = slice_of(cases[i].status)};
        TURN_UNTIL(fixture, fake_job_of(KIND_DOCUMENT_PUT));
        fake_answer(fake_job_of(KIND_DOCUMENT_PUT), &(struct documents){.data = {&document, 1}});
        TURN_UNTIL(fixture, client_has_answer(&client));
        assert_int_equal(client_status(&client), cases[i].want);
        assert_non_null(strstr(client_text(&client), cases[i].text));
        assert_null(strstr(client_text(&client), "secret"));
        client_close(&client);
    }
}

static void an_agent_goes_by_the_generator_only_with_a_key_to_seal(void **state)
{
    static const struct {
        const char *body, *stages; /* "": the kind's own, generator first */
    } table[] = {
        {"{\"name\":\"a\"}", "R"},
        {"{\"name\":\"a\",\"api_key\":null}", "R"},
        {"{\"name\":\"a\",\"api_key\":\"\"}", "R"},
        {"{\"name\":\"a\",\"api_key\":\"sk-1\"}", ""},
        {"{\"name\":\"a\",\"base_url\":\"http://[::1]:8080/v1\",\"provider\":\"openai\"}", "R"},
        {"{\"fallbacks\":[{\"provider\":\"openai\"}]}", "R"},
        {"{\"fallbacks\":[{\"provider\":\"openai\"},{\"provider\":\"mistral\",\"api_key\":\"k\"}]}",
         ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct client client = client_connect(*state);
        client_ask(*state, &client, "PUT", "/api/agents/3", "", table[i].body);
        TURN_UNTIL(((struct fixture *)*state), fake_job_of(KIND_AGENT_UPDATE));
        assert_string_equal(fake_job_of(KIND_AGENT_UPDATE)->stages, table[i].stages);
        fake_answer(fake_job_of(KIND_AGENT_UPDATE), &(struct agent){.id = 3});
        TURN_UNTIL(((struct fixture *)*state), client_has_answer(&client));
        client_close(&client);
    }
}

static void an_agent_without_a_provider_is_shown_with_the_generators_default(void **state)
{
    static const struct {
        struct agent agent;
        const char *want;
    } table[] = {
        {{.id = 3}, "\"provider\":\"openai\",\"model\":\"gpt-4o-mini\""},
        {{.id = 3, .model = {"own", 3}}, "\"provider\":\"openai\",\"model\":\"own\""},
        {{.id = 3, .provider = {"mistral", 7}}, "\"provider\":\"mistral\",\"model\":\"\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct client client = client_connect(*state);
        client_ask(*state, &client, "GET", "/api/agents/3", "", NULL);
        TURN_UNTIL(((struct fixture *)*state), fake_job_of(KIND_AGENT_GET));
        fake_answer(fake_job_of(KIND_AGENT_GET), &table[i].agent);
        TURN_UNTIL(((struct fixture *)*state), client_has_answer(&client));
        assert_non_null(strstr(client_text(&client), table[i].want));
        client_close(&client);
    }
}

static void an_update_carries_only_the_members_that_were_given(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    struct arena arena = {0};
    struct put_agent put;
    client_ask(fixture, &client, "PUT", "/api/agents/3", "",
               "{\"system_prompt\":\"x\",\"top_k\":null,\"id\":9,\"what\":1}");
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_UPDATE));
    struct slice frame = body_frame(fake_job_of(KIND_AGENT_UPDATE)->body, FRAME_REQUEST);
    assert_int_equal(record_decode(put_agent_type(), frame, &arena, &put), OK);
    assert_int_equal(put.id, 3);
    assert_int_equal(__builtin_popcountll(put.agent.present), 2);
    fake_answer(fake_job_of(KIND_AGENT_UPDATE),
                &(struct agent){.id = 3, .api_key = SLICE("sk"), .has_api_key = true});
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 200);
    assert_null(strstr(client_text(&client), "\"api_key"));
    assert_non_null(strstr(client_text(&client), "\"has_api_key\":true"));
    arena_free(&arena);
    client_close(&client);
}

static void a_delete_is_204_and_of_something_unknown_404(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    client_ask(fixture, &client, "DELETE", "/api/agents/3", "", NULL);
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_DELETE));
    fake_answer(fake_job_of(KIND_AGENT_DELETE), &(struct agent){.id = 3});
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 204);
    client_ask(fixture, &client, "DELETE", "/api/agents/3", "", NULL);
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_DELETE));
    fake_fail(fake_job_of(KIND_AGENT_DELETE), ERR_AGENT_NOT_FOUND);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 404);
    client_close(&client);
}

/* --- the end --- */

static void a_draining_gateway_listens_no_more_and_finishes_what_it_has(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, "{\"message\":\"Hello\",\"store\":false}");
    answer_configs(fixture);
    fixture->gateway.draining = true;
    http_server_drain(fixture->gateway.http);
    say(fake_job_of(KIND_CHAT), "bye");
    finish(fake_job_of(KIND_CHAT));
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_true(client_has(&client, "\"answer\":\"bye\""));
    assert_true(client_has(&client, "Connection: close"));
    client_close(&client);
}

static void a_question_that_is_not_answered_in_time_is_told_so_not_cut_off(void **state)
{
    struct fixture *fixture = *state;
    struct client stream = ask(fixture, STREAM, "{\"message\":\"Hello\"}");
    struct client whole = ask(fixture, CHAT, "{\"message\":\"Hi\"}");
    answer_configs(fixture);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2 && client_has(&stream, "\r\n\r\n"));
    chats_give_up(&fixture->gateway);
    TURN_UNTIL(fixture, client_has_answer(&stream) && client_has_answer(&whole));
    assert_true(client_has(&stream, "\"code\":\"draining\",\"retryable\":true}\n\n"));
    assert_int_equal(client_status(&whole), 503);
    for (size_t i = 0; i < 2; i++) {
        assert_true(fake_job_of(KIND_CHAT)->cancelled);
        fake_fail(fake_job_of(KIND_CHAT), ERR_CANCELLED);
    }
    assert_int_equal(fake_count_of(KIND_RECORD), 2);
    TURN_UNTIL(fixture, LIST_EMPTY(&fixture->gateway.chats));
    client_close(&stream);
    client_close(&whole);
}

static void an_answer_that_only_waits_for_its_commit_is_given_without_it(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, "{\"message\":\"Hello\"}");
    answer_configs(fixture);
    say(fake_job_of(KIND_CHAT), "Hi!");
    finish(fake_job_of(KIND_CHAT));
    chats_give_up(&fixture->gateway);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_true(client_has(&client, "\"answer\":\"Hi!\""));
    assert_true(client_has(&client, "\"recorded\":false"));
    record(fixture);
    TURN_UNTIL(fixture, LIST_EMPTY(&fixture->gateway.chats));
    client_close(&client);
}

#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_bad_request_gets_its_status_code_and_request_id),
        HTTP_TEST(a_request_id_of_the_client_is_kept_if_it_is_sound),
        HTTP_TEST(a_header_flood_is_431),
        HTTP_TEST(a_large_cookie_beside_a_browsers_headers_is_taken),
        HTTP_TEST(a_chunked_body_over_the_limit_is_cut_off_with_413),
        HTTP_TEST(a_slow_sender_is_told_408),
        HTTP_TEST(a_client_that_trickles_its_headers_is_closed),
        HTTP_TEST(a_question_is_answered_with_citations_ids_and_timings),
        HTTP_TEST(a_greeting_goes_to_the_generator_alone),
        HTTP_TEST(a_stream_sends_tokens_as_they_come_and_done_after_the_commit),
        HTTP_TEST(a_stream_at_rest_shows_that_it_lives),
        HTTP_TEST(a_stream_that_fails_ends_in_one_error_and_its_turn_is_recorded),
        HTTP_TEST(the_same_failure_of_chat_is_its_status),
        HTTP_TEST(a_client_that_goes_cancels_its_job_within_a_turn),
        HTTP_TEST(a_client_that_goes_before_its_question_is_read_costs_no_answer),
        HTTP_TEST(half_a_request_of_a_client_that_went_is_not_kept),
        HTTP_TEST(a_slow_reader_is_given_no_more_than_it_takes_and_ended),
        HTTP_TEST(a_refusal_at_admission_is_plain_http_with_retry_after),
        HTTP_TEST(a_conversation_brings_its_history_and_an_unknown_one_is_404),
        HTTP_TEST(a_turn_that_is_not_committed_in_time_says_so_and_is_tried_again),
        HTTP_TEST(a_turn_that_finds_no_room_is_answered_all_the_same),
        HTTP_TEST(open_streams_end_when_the_server_is_destroyed),
        HTTP_TEST(askers_of_one_agent_share_one_job_and_the_last_known_serves),
        HTTP_TEST(an_unknown_agent_is_404),
        HTTP_TEST(documents_are_201_when_stored_and_202_while_indexing),
        HTTP_TEST(an_agent_goes_by_the_generator_only_with_a_key_to_seal),
        HTTP_TEST(an_agent_without_a_provider_is_shown_with_the_generators_default),
        HTTP_TEST(an_update_carries_only_the_members_that_were_given),
        HTTP_TEST(a_delete_is_204_and_of_something_unknown_404),
        HTTP_TEST(a_question_that_is_not_answered_in_time_is_told_so_not_cut_off),
        HTTP_TEST(an_answer_that_only_waits_for_its_commit_is_given_without_it),
        HTTP_TEST(a_draining_gateway_listens_no_more_and_finishes_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
