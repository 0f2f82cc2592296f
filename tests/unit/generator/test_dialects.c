/* The three dialects: requests to the byte, and what each event of a stream says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/generator/dialect.h"

/* --- requests --- */

static struct prompt_message messages[] = {
    {PROMPT_USER, SLICE("Is it \"on\"?")},
    {PROMPT_ASSISTANT, SLICE("Yes.")},
    {PROMPT_USER, SLICE("Since\nwhen?")},
};
static const struct prompt prompt = {
    .system = SLICE("Be brief."), .messages = messages, .count = 3};
static const struct prompt bare = {.messages = messages, .count = 1};

#define TURNS                                                                        \
    "{\"role\":\"user\",\"content\":\"Is it \\\"on\\\"?\"},{\"role\":\"assistant\"," \
    "\"content\":\"Yes.\"},{\"role\":\"user\",\"content\":\"Since\\nwhen?\"}"
#define SYSTEM "{\"role\":\"system\",\"content\":\"Be brief.\"}"

static const struct {
    const char *dialect;
    struct dialect_request request;
    const char *want;
} requests[] = {
    {"openai",
     {SLICE("m"), &prompt, 0.25, {0}, LEFT_OUT_NOTHING},
     "{\"model\":\"m\",\"stream\":true,\"messages\":[" SYSTEM "," TURNS
     "],\"temperature\":0.25,\"stream_options\":{\"include_usage\":true}}"},
    {"openai",
     {SLICE("m"), &prompt, 0.25, {0}, LEFT_OUT_TEMPERATURE},
     "{\"model\":\"m\",\"stream\":true,\"messages\":[" SYSTEM "," TURNS
     "],\"stream_options\":{\"include_usage\":true}}"},
    {"openai",
     {SLICE("m"), &prompt, 0.25, {0}, LEFT_OUT_USAGE},
     "{\"model\":\"m\",\"stream\":true,\"messages\":[" SYSTEM "," TURNS "]}"},
    {"openai-compatible",
     {SLICE("a\"b"), &bare, 2, {0}, LEFT_OUT_NOTHING},
     "{\"model\":\"a\\\"b\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Is it "
     "\\\"on\\\"?\"}],\"temperature\":2,\"stream_options\":{\"include_usage\":true}}"},
    {"mistral",
     {SLICE("m"), &prompt, 2, SLICE("So far"), LEFT_OUT_NOTHING},
     "{\"model\":\"m\",\"stream\":true,\"messages\":[" SYSTEM "," TURNS
     ",{\"role\":\"assistant\",\"content\":\"So far\",\"prefix\":true}],\"temperature\":1.5}"},
    {"anthropic",
     {SLICE("m"), &prompt, 2, SLICE("So far"), LEFT_OUT_NOTHING, 4096},
     "{\"model\":\"m\",\"stream\":true,\"max_tokens\":4096,\"temperature\":1,\"system\":\"Be "
     "brief.\",\"messages\":[" TURNS ",{\"role\":\"assistant\",\"content\":\"So far\"}]}"},
    {"anthropic",
     {SLICE("m"), &bare, 1, {0}, LEFT_OUT_TEMPERATURE, 64000},
     "{\"model\":\"m\",\"stream\":true,\"max_tokens\":64000,\"messages\":[{\"role\":\"user\","
     "\"content\":\"Is it \\\"on\\\"?\"}]}"},
};

static void requests_are_as_each_provider_wants_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct buffer body = {0};
        dialect_find(requests[i].dialect)->request(&requests[i].request, &body);
        buffer_append_char(&body, '\0');
        assert_string_equal(body.data, requests[i].want);
        buffer_free(&body);
    }
}

/* --- events --- */

/* clang-format off */
static const struct {
    const char *dialect, *data;
    err_t error;
    const char *text, *finish;
    uint64_t prompt_tokens, completion_tokens;
    bool ended;
} events[] = {
    {"openai", "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}"},
    {"openai", "{\"choices\":[{\"delta\":{\"content\":\"Hi\\n\"},\"finish_reason\":null}],\"usage\":null}", .text = "Hi\n"},
    {"openai", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", .finish = "stop"},
    {"openai", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}", .finish = "length"},
    {"openai", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}", .finish = "content_filter"},
    {"openai", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"of_the_future\"}]}", .finish = "stop"},
    {"openai", "{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}", .prompt_tokens = 9, .completion_tokens = 12},
    {"openai", "[DONE]", .ended = true},
    {"openai", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\",\"content\":null}}]}"},
    {"openai", "{\"choices\":[{\"delta\":{\"content\":\"A\"}},{\"delta\":{\"content\":\"B\"}}]}", .text = "A"},
    {"openai", "{\"error\":{\"message\":\"secret\",\"type\":\"server_error\"}}", ERR_PROVIDER_FAILED},
    {"openai", "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", ERR_PROVIDER_RATE_LIMITED},
    {"openai", "{\"error\":{\"code\":429}}", ERR_PROVIDER_RATE_LIMITED},
    {"openai", "{\"error\":\"secret\"}", ERR_PROVIDER_FAILED},
    {"openai", "{\"choices\":[{\"delta\":{\"content\":\"Hi", ERR_PROVIDER_BAD_RESPONSE},
    {"openai", "", ERR_PROVIDER_BAD_RESPONSE},
    {"openai", "null", ERR_PROVIDER_BAD_RESPONSE},
    {"openai", "<html>", ERR_PROVIDER_BAD_RESPONSE},
    {"openai-compatible", "{\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}", .text = "Hi"},
    {"mistral", "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[]},{\"type\":\"text\",\"text\":\"A\"},{\"type\":\"reference\",\"reference_ids\":[1]},{\"type\":\"text\",\"text\":\"B\"}]}}]}", .text = "AB"},
    {"mistral", "{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"model_length\"}],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":5}}", .finish = "length", .prompt_tokens = 4, .completion_tokens = 5},
    {"mistral", "{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}", ERR_PROVIDER_FAILED},
    {"anthropic", "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}", .prompt_tokens = 25, .completion_tokens = 1},
    {"anthropic", "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}"},
    {"anthropic", "{\"type\":\"ping\"}"},
    {"anthropic", "{\"type\":\"of_the_future\",\"delta\":{\"text\":\"no\"}}"},
    {"anthropic", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}", .text = "Hi"},
    {"anthropic", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}"},
    {"anthropic", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}", .finish = "stop", .completion_tokens = 15},
    {"anthropic", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"},\"usage\":{\"output_tokens\":15}}", .finish = "length", .completion_tokens = 15},
    {"anthropic", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"}}", .finish = "content_filter"},
    {"anthropic", "{\"type\":\"message_stop\"}", .ended = true},
    {"anthropic", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"secret\"}}", ERR_PROVIDER_FAILED},
    {"anthropic", "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\"}}", ERR_PROVIDER_AUTH},
    {"anthropic", "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\"}}", ERR_PROVIDER_RATE_LIMITED},
    {"anthropic", "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\"}}", ERR_PROVIDER_MODEL},
    {"anthropic", "{\"type\":\"error\"}", ERR_PROVIDER_FAILED},
    {"anthropic", "{}", ERR_PROVIDER_BAD_RESPONSE},
    {"anthropic", "[DONE]", ERR_PROVIDER_BAD_RESPONSE},
};
/* clang-format on */

static void an_event_says_text_end_usage_or_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        struct buffer text = {0};
        struct dialect_reply reply = {.text = &text};
        const struct dialect *dialect = dialect_find(events[i].dialect);
        assert_int_equal(dialect->read(slice_of(events[i].data), &reply), events[i].error);
        assert_true(slice_equal(buffer_slice(&text), slice_of(events[i].text)));
        assert_int_equal(reply.ended, events[i].ended);
        assert_int_equal(reply.usage.prompt_tokens, events[i].prompt_tokens);
        assert_int_equal(reply.usage.completion_tokens, events[i].completion_tokens);
        if (events[i].finish)
            assert_string_equal(reply.finish_reason, events[i].finish);
        else
            assert_null(reply.finish_reason);
        buffer_free(&text);
    }
}

static void a_provider_without_a_dialect_has_none(void **state)
{
    (void)state;
    assert_null(dialect_find("extractive"));
    assert_null(dialect_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_as_each_provider_wants_them),
        cmocka_unit_test(an_event_says_text_end_usage_or_error),
        cmocka_unit_test(a_provider_without_a_dialect_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
