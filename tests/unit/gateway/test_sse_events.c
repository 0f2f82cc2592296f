#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>

#include "gateway/sse.h"

#define FRAME_BYTES 37 /* data: {"type":"token","content":""} and the empty line */

static void an_event_is_byte_for_byte_what_clients_read(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"The projects in", "data: {\"type\":\"token\",\"content\":\"The projects in\"}\n\n"},
        {"a \"b\" \\ c", "data: {\"type\":\"token\",\"content\":\"a \\\"b\\\" \\\\ c\"}\n\n"},
        {"l1\nl2\r\t\x01", "data: {\"type\":\"token\",\"content\":\"l1\\nl2\\r\\t\\u0001\"}\n\n"},
        {"\b\f\x1f\x7f", "data: {\"type\":\"token\",\"content\":\"\\b\\f\\u001f\x7f\"}\n\n"},
        {"año 日本 🚀 </script>",
         "data: {\"type\":\"token\",\"content\":\"año 日本 🚀 </script>\"}\n\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[SSE_EVENT_BYTES_MAX];
        struct slice text = slice_of(cases[i].text);
        size_t len = sse_token(&text, out, sizeof(out));
        assert_int_equal(text.len, 0);
        assert_int_equal(len, strlen(cases[i].want));
        assert_memory_equal(out, cases[i].want, len);
    }
}

/* Puts the contents of all events of `max` bytes together again. */
static void put_together(const char *whole, size_t max, struct buffer *got)
{
    struct slice text = slice_of(whole);
    char out[SSE_EVENT_BYTES_MAX + 1];
    while (text.len) {
        size_t before = text.len, len = sse_token(&text, out, max);
        assert_in_range(len, FRAME_BYTES + 1, MIN(max, (size_t)SSE_EVENT_BYTES_MAX));
        assert_true(text.len < before);
        out[len] = '\0';
        json_t *event = json_loadb(out + 6, len - 8, 0, NULL); /* valid UTF-8 and JSON each */
        assert_non_null(event);
        const json_t *content = json_object_get(event, "content");
        buffer_append(got, json_string_value(content), json_string_length(content));
        json_decref(event);
    }
}

static void text_is_split_between_code_points_at_every_size(void **state)
{
    static const char *const texts[] = {
        "plain ascii text that is longer than the event",
        "ñandú ¿qué? 日本語テキスト 🚀🚀🚀 end",
        "\"\"\"\\\\\\\n\n\n\x01\x02\x03 \"é\" \\",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t max = FRAME_BYTES + 6; max < FRAME_BYTES + 80; max++) {
            struct buffer got = {0};
            put_together(texts[i], max, &got);
            assert_int_equal(got.len, strlen(texts[i]));
            assert_memory_equal(got.data, texts[i], got.len);
            buffer_free(&got);
        }
}

static void no_event_is_larger_than_the_limit(void **state)
{
    static const char *const pieces[] = {"x", "\"", "\x01", "é", "語", "🚀"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct buffer text = {0}, got = {0};
        for (size_t n = 0; n < 3000; n++) buffer_append_text(&text, pieces[i]);
        buffer_append_char(&text, '\0');
        put_together(text.data, 100000, &got);
        assert_int_equal(got.len, text.len - 1);
        buffer_free(&text);
        buffer_free(&got);
    }
}

static void nothing_is_taken_when_nothing_fits(void **state)
{
    char out[64];
    struct slice text = SLICE("🚀");
    (void)state;
    for (size_t max = 0; max < FRAME_BYTES + 4; max++)
        assert_int_equal(sse_token(&text, out, max), 0);
    assert_int_equal(text.len, 4);
    text.len = 0;
    assert_int_equal(sse_token(&text, out, sizeof(out)), 0);
}

static void malformed_bytes_end_too(void **state)
{
    char out[SSE_EVENT_BYTES_MAX];
    struct slice text = SLICE("a\x80\xff\xc3");
    size_t events = 0;
    (void)state;
    while (text.len && sse_token(&text, out, 40) && events < 10) events++;
    assert_int_equal(text.len, 0);
}

static void done_and_error_end_a_stream(void **state)
{
    struct buffer out = {0};
    (void)state;
    sse_done(SLICE("\"citations\":[],\"cached\":false"), &out);
    sse_error(ERR_PROVIDER_TIMEOUT, true, "LLM \"timeout\"", &out);
    static const char want[] = "data: {\"type\":\"done\",\"citations\":[],\"cached\":false}\n\n"
                               "data: {\"type\":\"error\",\"message\":\"LLM \\\"timeout\\\"\","
                               "\"code\":\"provider_timeout\",\"retryable\":true}\n\n";
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.data, want, out.len);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_byte_for_byte_what_clients_read),
        cmocka_unit_test(text_is_split_between_code_points_at_every_size),
        cmocka_unit_test(no_event_is_larger_than_the_limit),
        cmocka_unit_test(nothing_is_taken_when_nothing_fits),
        cmocka_unit_test(malformed_bytes_end_too),
        cmocka_unit_test(done_and_error_end_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
