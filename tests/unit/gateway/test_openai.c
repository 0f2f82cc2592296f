/* The OpenAI-compatible interface over real HTTP, with lanes that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway_fixture.h"

#define CHAT "/v1/chat/completions"
#define ASKED(members)                                                                           \
    "{\"model\":\"agent-1\",\"messages\":[{\"role\":\"user\",\"content\":\"What React projects " \
    "are there?\"}]" members "}"

static struct client ask(struct fixture *fixture, const char *path, const char *body)
{
    struct client client = client_connect(fixture);
    client_ask(fixture, &client, body ? "POST" : "GET", path,
               "Content-Type: application/json\r\nX-Request-Id: r1\r\n", body);
    return client;
}

static void answer_configs(struct fixture *fixture)
{
    struct agent agent = {.id = 1, .name = SLICE("a"), .portfolio_id = 1, .version = 4};
    struct portfolio portfolio = {
        .id = 1, .name = SLICE("p"), .embedder = SLICE("hashing-1"), .version = 9};
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_GET));
    fake_answer(fake_job_of(KIND_AGENT_GET), &agent);
    if (fake_job_of(KIND_PORTFOLIO_GET)) fake_answer(fake_job_of(KIND_PORTFOLIO_GET), &portfolio);
}

/* The retriever has passed these passages on. */
static void retrieve(struct fake_job *job)
{
    struct passage passages[] = {
        {.chunk_id = 7, .document_id = 2, .title = SLICE("One"), .text = SLICE("Text \"1\"")},
        {.chunk_id = 8, .document_id = 3, .title = SLICE("One"), .text = SLICE("Text 2")},
    };
    struct context context = {.portfolio_id = 1, .passages = {passages, 2}};
    struct meta meta = {0};
    body_encode(job->body, FRAME_CONTEXT, context_type(), &context);
    job->handler->on_stage(job->context, POOL_RETRIEVE, &meta, job->body);
}

static void finish(struct fake_job *job, struct slice reason)
{
    struct citation citation = {.n = 1, .document_id = 2, .title = SLICE("T"), .chunk_id = 3};
    struct meta meta = {.finish_reason = reason,
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

static void expect(struct client *client, const char *want)
{
    if (!strstr(client_text(client), want)) fail_msg("no %s in %s", want, client_text(client));
}

static void a_question_is_answered_as_a_completion(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, ASKED(""));
    answer_configs(fixture);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    assert_true(job->tentative);
    fake_say(job, SLICE("Two [1]."));
    finish(job, SLICE("length"));
    record(fixture);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 200);
    expect(&client, "{\"id\":\"chatcmpl-r1\",\"object\":\"chat.completion\",\"created\":");
    expect(&client, ",\"model\":\"agent-1\",\"choices\":[{\"index\":0,\"message\":{"
                    "\"role\":\"assistant\",\"content\":\"Two [1].\",\"refusal\":null,"
                    "\"citations\":[{\"n\":1,\"document_id\":2,");
    expect(&client, "\"logprobs\":null,\"finish_reason\":\"length\"}],\"usage\":{"
                    "\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}\n");
    client_close(&client);
}

static void a_stream_has_role_sources_text_reason_usage_and_an_end(void **state)
{
    struct fixture *fixture = *state;
    struct client client =
        ask(fixture, CHAT, ASKED(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
    answer_configs(fixture);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    assert_false(job->tentative);
    TURN_UNTIL(fixture, client_has(&client, "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}"));
    retrieve(job);
    TURN_UNTIL(fixture, client_has(&client, "\"sources\""));
    fake_say(job, SLICE("Two\n"));
    TURN_UNTIL(fixture, client_has(&client, "\"delta\":{\"content\":\"Two\\n\"}"));
    assert_int_equal(job->taken, 4);
    finish(job, SLICE(""));
    record(fixture);
    TURN_UNTIL(fixture, client_has_answer(&client));
    expect(&client, "Content-Type: text/event-stream");
    expect(&client, "\"delta\":{},\"finish_reason\":null}],\"sources\":["
                    "{\"source\":{\"id\":\"chunk-7\",\"name\":\"One\"},\"document\":["
                    "\"Text \\\"1\\\"\"],\"metadata\":[{\"source\":\"chunk-7\"");
    expect(&client, "{\"source\":{\"id\":\"chunk-8\"");
    expect(&client, "\"delta\":{\"citations\":[{\"n\":1,");
    expect(&client, "}]},\"finish_reason\":\"stop\"}]}\n\n");
    expect(&client, "\"choices\":[],\"usage\":{\"prompt_tokens\":5,");
    expect(&client, "}}\n\ndata: [DONE]\n\n");
    client_close(&client);
}

static void sources_that_nobody_wants_are_left_out_and_usage_that_nobody_asks_for(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, ASKED(",\"stream\":true,\"sources\":false"));
    answer_configs(fixture);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    retrieve(job);
    fake_say(job, SLICE("a"));
    finish(job, SLICE("stop"));
    record(fixture);
    TURN_UNTIL(fixture, client_has_answer(&client));
    expect(&client, "data: [DONE]\n\n");
    assert_null(strstr(client_text(&client), "sources"));
    assert_null(strstr(client_text(&client), "usage"));
    client_close(&client);
}

static void a_stream_that_fails_ends_in_an_error_and_is_not_called_done(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, ASKED(",\"stream\":true"));
    answer_configs(fixture);
    fake_say(fake_job_of(KIND_CHAT), SLICE("a"));
    fake_fail(fake_job_of(KIND_CHAT), ERR_PROVIDER_CUT);
    TURN_UNTIL(fixture, client_has_answer(&client));
    expect(&client, "\"delta\":{\"content\":\"a\"}");
    expect(&client, "data: {\"error\":{\"message\":\"the provider's answer ended before its end\","
                    "\"type\":\"server_error\",\"param\":null,\"code\":\"provider_cut\"}}\n\n");
    assert_null(strstr(client_text(&client), "[DONE]"));
    assert_null(strstr(client_text(&client), "finish_reason\":\"stop"));
    client_close(&client);
}

static void what_was_said_before_is_the_job_s_history(void **state)
{
    struct fixture *fixture = *state;
    struct client client =
        ask(fixture, CHAT,
            "{\"model\":\"agent-1\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
            "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},"
            "{\"role\":\"user\",\"content\":\"What projects use React?\"}]}");
    answer_configs(fixture);
    struct arena arena = {0};
    struct history history;
    struct slice frame = body_frame(fake_job_of(KIND_CHAT)->body, FRAME_HISTORY);
    assert_int_equal(record_decode(history_type(), frame, &arena, &history), OK);
    const struct chat_message *message = history.messages.items;
    assert_int_equal(history.messages.count, 3);
    assert_int_equal(history.conversation_id, 0);
    assert_int_equal(history.digest.len, 64);
    assert_true(slice_equal(message[0].role, SLICE("system")));
    assert_true(slice_equal(message[2].content, SLICE("b")));
    arena_free(&arena);
    client_close(&client);
}

/* Many events, each larger than what a client without chunked encoding is given at once. */
static void a_client_without_chunked_encoding_gets_every_event_whole(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    struct buffer request = {0};
    const char *body = ASKED(",\"stream\":true");
    buffer_printf(&request, "POST %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", CHAT, strlen(body),
                  body);
    client_send(fixture, &client, request.data, request.len);
    answer_configs(fixture);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    for (size_t i = 0; i < 200; i++) fake_say(job, SLICE("ñandú "));
    finish(job, SLICE("stop"));
    record(fixture);
    TURN_UNTIL(fixture, client_has(&client, "data: [DONE]\n\n"));
    size_t events = 0;
    for (const char *at = client_text(&client); (at = strstr(at, "{\"content\":\"ñandú \"}")); at++)
        events++;
    assert_int_equal(events, 200);
    buffer_free(&request);
    client_close(&client);
}

static void whatever_is_refused_is_told_in_openai_s_shape(void **state)
{
    static char big[70001];
    static const struct {
        const char *method, *path, *headers, *body;
        int status;
        const char *code;
    } cases[] = {
        {"GET", "/v1/none", "", NULL, 404, "not_found"},
        {"GET", CHAT, "", NULL, 405, "method_not_allowed"},
        {"POST", CHAT, "Content-Type: text/xml\r\n", "<a/>", 415, "unsupported_media_type"},
        {"POST", CHAT, "", big, 413, "body_too_large"},
        {"POST", CHAT, "", "{", 400, "bad_json"},
        {"POST", CHAT, "", "{\"model\":\"gpt-4\"}", 404, "model_not_found"},
        {"GET", "/v1/models/gpt-4", "", NULL, 404, "model_not_found"},
        {"POST", "/v1/embeddings", "", "{\"model\":\"default\"}", 400, "invalid_field"},
        {"POST", "/v1/embeddings", "", "{\"model\":\"other\",\"input\":\"a\"}", 404,
         "model_not_found"},
    };
    struct fixture *fixture = *state;
    memset(big, ' ', sizeof(big) - 1);
    fixture->settings.openai_body_bytes_max = sizeof(big) - 2;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[64];
        struct client client = client_connect(fixture);
        client_ask(fixture, &client, cases[i].method, cases[i].path, cases[i].headers,
                   cases[i].body);
        TURN_UNTIL(fixture, client_has_answer(&client));
        const char *got = client_text(&client);
        snprintf(want, sizeof(want), "\"code\":\"%s\"}}", cases[i].code);
        if (client_status(&client) != cases[i].status || !strstr(got, "{\"error\":{\"message\":") ||
            !strstr(got, want) || !strstr(got, "X-Request-Id: "))
            fail_msg("%s %s: %s", cases[i].method, cases[i].path, got);
        client_close(&client);
    }
    assert_int_equal(fake_job_count, 0);
}

static void a_full_lane_says_when_to_come_again(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, ASKED(",\"stream\":true"));
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_GET));
    fake_refusal = ERR_LANE_FULL;
    fake_answer(fake_job_of(KIND_AGENT_GET), &(struct agent){.id = 1});
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 503);
    expect(&client, "Retry-After: 1\r\n");
    expect(&client, "\"type\":\"server_error\",\"param\":null,\"code\":\"lane_full\"");
    client_close(&client);
}

static void agents_are_models(void **state)
{
    struct fixture *fixture = *state;
    struct agent agents[] = {{.id = 1, .name = SLICE("One")}, {.id = 12, .name = SLICE("Two")}};
    struct client client = ask(fixture, "/v1/models", NULL);
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_LIST));
    fake_answer(fake_job_of(KIND_AGENT_LIST), &(struct agents){.data = {agents, 2}});
    TURN_UNTIL(fixture, client_has_answer(&client));
    expect(&client, "{\"object\":\"list\",\"data\":[{\"id\":\"agent-1\",\"object\":\"model\",");
    expect(&client, "{\"id\":\"agent-12\"");
    client_ask(fixture, &client, "GET", "/v1/models/agent-12", "", NULL);
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_GET));
    fake_answer(fake_job_of(KIND_AGENT_GET), &agents[1]);
    TURN_UNTIL(fixture, client_has(&client, "\"name\":\"Two\"}"));
    client_close(&client);
}

static void embed(struct fixture *fixture, const char *body, struct client *client)
{
    static const float numbers[] = {1, 0};
    struct embedding embedding = {.embedder = SLICE("hashing-1"),
                                  .dimensions = 2,
                                  .count = 1,
                                  .vectors = {(const char *)numbers, sizeof(numbers)}};
    *client = ask(fixture, "/v1/embeddings", body);
    TURN_UNTIL(fixture, fake_job_of(KIND_EMBED));
    fake_answer(fake_job_of(KIND_EMBED), &embedding);
    TURN_UNTIL(fixture, client_has_answer(client));
}

static void texts_get_vectors_of_the_dimensions_that_they_have(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *want;
    } cases[] = {
        {"{\"model\":\"default\",\"input\":\"abcde\"}", 200,
         "\"embedding\":[1,0]}],\"model\":\"hashing-1\",\"usage\":{\"prompt_tokens\":2,"},
        {"{\"model\":\"default\",\"input\":\"a\",\"encoding_format\":\"base64\",\"dimensions\":2}",
         200, "\"embedding\":\"AACAPwAAAAA=\""},
        {"{\"model\":\"default\",\"input\":\"a\",\"dimensions\":3}", 400,
         "dimensions must be 2 with this embedder"},
        {"{\"model\":\"default\",\"input\":[\"a\",\"b\"]}", 502, "embedding_invalid"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client client;
        embed(fixture, cases[i].body, &client);
        assert_int_equal(client_status(&client), cases[i].status);
        expect(&client, cases[i].want);
        client_close(&client);
    }
}

static void a_client_that_goes_cancels_its_embedding(void **state)
{
    struct fixture *fixture = *state;
    struct client client =
        ask(fixture, "/v1/embeddings", "{\"model\":\"default\",\"input\":\"a\"}");
    TURN_UNTIL(fixture, fake_job_of(KIND_EMBED));
    client_close(&client);
    TURN_UNTIL(fixture, fake_job_of(KIND_EMBED)->cancelled);
}

#define OPENAI_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPENAI_TEST(a_question_is_answered_as_a_completion),
        OPENAI_TEST(a_stream_has_role_sources_text_reason_usage_and_an_end),
        OPENAI_TEST(sources_that_nobody_wants_are_left_out_and_usage_that_nobody_asks_for),
        OPENAI_TEST(a_stream_that_fails_ends_in_an_error_and_is_not_called_done),
        OPENAI_TEST(what_was_said_before_is_the_job_s_history),
        OPENAI_TEST(a_client_without_chunked_encoding_gets_every_event_whole),
        OPENAI_TEST(whatever_is_refused_is_told_in_openai_s_shape),
        OPENAI_TEST(a_full_lane_says_when_to_come_again),
        OPENAI_TEST(agents_are_models),
        OPENAI_TEST(texts_get_vectors_of_the_dimensions_that_they_have),
        OPENAI_TEST(a_client_that_goes_cancels_its_embedding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
