#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/chat_request.h"

#define CHARACTERS_MAX 10

static const struct refusal {
    struct slice body;
    err_t want;
    const char *problem; /* that the text for people contains */
} refusals[] = {
    {SLICE(""), ERR_BAD_JSON, ""},
    {SLICE("   "), ERR_BAD_JSON, ""},
    {SLICE("hello"), ERR_BAD_JSON, "not valid JSON"},
    {SLICE("{\"message\":\"a\""), ERR_BAD_JSON, ""},
    {SLICE("{\"message\":\"a\"} x"), ERR_BAD_JSON, "more behind"},
    {SLICE("{'message':'a'}"), ERR_BAD_JSON, ""},
    {SLICE("{\"message\":\"a\",}"), ERR_BAD_JSON, ""},
    {SLICE("{\"message\":\"a\",\"message\":\"b\"}"), ERR_BAD_JSON, "twice"},
    {SLICE("{\"message\":\"a\",\"portfolio_id\":99999999999999999999}"), ERR_BAD_JSON, "too large"},
    {SLICE("{\"message\":\"a\",\"n\":1e999}"), ERR_BAD_JSON, "too large"},
    {SLICE("{\"message\":NaN}"), ERR_BAD_JSON, ""},
    {SLICE("{\"message\":\"a\nb\"}"), ERR_BAD_JSON, ""},
    {SLICE("null"), ERR_INVALID_FIELD, "the body must be an object"},
    {SLICE("\"text\""), ERR_INVALID_FIELD, "the body must be an object"},
    {SLICE("[{\"message\":\"a\"}]"), ERR_INVALID_FIELD, "the body must be an object"},
    {SLICE("{\"message\":\"\xff\"}"), ERR_INVALID_UTF8, ""},
    {SLICE("{\"message\":\"\xc3\"}"), ERR_INVALID_UTF8, ""},
    {SLICE("{\"message\":\"\xed\xa0\x80\"}"), ERR_INVALID_UTF8, ""},
    {SLICE("{\"message\":\"a\\u0000b\"}"), ERR_INVALID_UTF8, ""},
    {SLICE("{\"message\":\"a\0b\"}"), ERR_BAD_JSON, ""},
    {SLICE("{\"a\\u0000b\":1}"), ERR_INVALID_UTF8, ""},
    {SLICE("{\"message\":\"\\ud800\"}"), ERR_INVALID_UTF8, ""},
    {SLICE("{\"message\":\"\\udc00x\"}"), ERR_INVALID_UTF8, ""},
    {SLICE("{\"message\":\"\\ud800\\ud800\"}"), ERR_INVALID_UTF8, ""},
    {SLICE("{}"), ERR_MESSAGE_EMPTY, ""},
    {SLICE("{\"message\":null}"), ERR_MESSAGE_EMPTY, ""},
    {SLICE("{\"message\":\"\"}"), ERR_MESSAGE_EMPTY, ""},
    {SLICE("{\"message\":\" \\n\\t \"}"), ERR_MESSAGE_EMPTY, ""},
    {SLICE("{\"message\":\"12345678901\"}"), ERR_MESSAGE_TOO_LONG, "11 characters, at most 10"},
    {SLICE("{\"message\":\"ñandúñandúñ\"}"), ERR_MESSAGE_TOO_LONG, "11 characters"},
    {SLICE("{\"message\":5}"), ERR_INVALID_FIELD, "message must be a string"},
    {SLICE("{\"message\":[\"a\"]}"), ERR_INVALID_FIELD, "message must be a string"},
    {SLICE("{\"message\":\"a\",\"portfolio_id\":-1}"), ERR_INVALID_FIELD, "portfolio_id must be"},
    {SLICE("{\"message\":\"a\",\"portfolio_id\":1.0}"), ERR_INVALID_FIELD, "portfolio_id must be"},
    {SLICE("{\"message\":\"a\",\"portfolio_id\":\"1\"}"), ERR_INVALID_FIELD, "portfolio_id must"},
    {SLICE("{\"message\":\"a\",\"portfolio_id\":0}"), ERR_PORTFOLIO_NOT_FOUND, ""},
    {SLICE("{\"message\":\"a\",\"conversation_id\":{}}"), ERR_INVALID_FIELD, "conversation_id"},
    {SLICE("{\"message\":\"a\",\"conversation_id\":0}"), ERR_CONVERSATION_NOT_FOUND, ""},
    {SLICE("{\"message\":\"a\",\"language\":\"xx\"}"), ERR_INVALID_FIELD, "language"},
    {SLICE("{\"message\":\"a\",\"language\":\"\"}"), ERR_INVALID_FIELD, "language"},
    {SLICE("{\"message\":\"a\",\"language\":1}"), ERR_INVALID_FIELD, "language must be a string"},
    {SLICE("{\"message\":\"a\",\"top_k\":0}"), ERR_INVALID_FIELD, "top_k must be between 1"},
    {SLICE("{\"message\":\"a\",\"top_k\":101}"), ERR_INVALID_FIELD, "top_k must be between 1"},
    {SLICE("{\"message\":\"a\",\"store\":\"no\"}"), ERR_INVALID_FIELD, "store must be true or"},
    {SLICE("{\"message\":\"a\",\"store\":0}"), ERR_INVALID_FIELD, "store must be true or"},
};

static void a_bad_body_is_refused_with_its_code_and_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct arena arena = {0};
        struct json_problem problem;
        struct chat_call call;
        memset(&call, 0xAA, sizeof(call));
        struct chat_call before = call;
        err_t got = chat_call_read(refusals[i].body, CHARACTERS_MAX, &arena, &call, &problem);
        if (got != refusals[i].want || !strstr(problem.text, refusals[i].problem))
            fail_msg("case %zu: got %s (%s)", i, error_code(got), problem.text);
        assert_memory_equal(&call, &before, sizeof(call));
        arena_free(&arena);
    }
}

static void a_whole_request_is_read(void **state)
{
    struct arena arena = {0};
    struct json_problem problem;
    struct chat_call call;
    (void)state;
    assert_int_equal(
        chat_call_read(SLICE("{\"message\":\" ¿qué? \",\"portfolio_id\":7,\"conversation_id\":"
                             "9223372036854775807,\"language\":\"es\",\"top_k\":100,"
                             "\"store\":false,\"unknown\":{\"deep\":[1,2]}}"),
                       CHARACTERS_MAX, &arena, &call, &problem),
        OK);
    assert_true(slice_equal(call.message, SLICE(" ¿qué? ")));
    assert_int_equal(call.portfolio_id, 7);
    assert_int_equal(call.conversation_id, INT64_MAX);
    assert_string_equal(language_code(call.language), "es");
    assert_int_equal(call.top_k, 100);
    assert_false(call.store);
    arena_free(&arena);
}

static void what_is_left_out_or_null_has_its_default(void **state)
{
    static const struct slice bodies[] = {
        SLICE("{\"message\":\"1234567890\"}"),
        SLICE("{\"message\":\"a\",\"portfolio_id\":null,\"conversation_id\":null,"
              "\"language\":null,\"top_k\":null,\"store\":null}"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct arena arena = {0};
        struct json_problem problem;
        struct chat_call call;
        assert_int_equal(chat_call_read(bodies[i], CHARACTERS_MAX, &arena, &call, &problem), OK);
        assert_null(call.language);
        assert_int_equal(call.portfolio_id + call.conversation_id + call.top_k, 0);
        assert_true(call.store);
        arena_free(&arena);
    }
}

static void a_search_takes_query_and_top_k(void **state)
{
    struct arena arena = {0};
    struct json_problem problem;
    struct search_call call;
    (void)state;
    assert_int_equal(search_call_read(SLICE("{\"query\":\"a\",\"top_k\":3}"), CHARACTERS_MAX,
                                      &arena, &call, &problem),
                     OK);
    assert_int_equal(call.top_k, 3);
    assert_int_equal(
        search_call_read(SLICE("{\"message\":\"a\"}"), CHARACTERS_MAX, &arena, &call, &problem),
        ERR_MESSAGE_EMPTY);
    arena_free(&arena);
}

static void a_nest_or_a_flood_of_values_is_refused_before_it_is_built(void **state)
{
    struct buffer deep = {0}, wide = {0}, quoted = {0};
    struct arena arena = {0};
    struct json_problem problem;
    struct chat_call call;
    (void)state;
    for (size_t i = 0; i < 100000; i++) buffer_append_char(&deep, '[');
    buffer_append_char(&wide, '[');
    for (size_t i = 0; i < JSON_VALUES_MAX + 1; i++) buffer_append_text(&wide, "0,");
    buffer_append_text(&wide, "0]");
    buffer_append_text(&quoted, "{\"message\":\"a\",\"x\":\"\\\"");
    for (size_t i = 0; i < 200; i++) buffer_append_text(&quoted, "[{,");
    buffer_append_text(&quoted, "\"}");
    assert_int_equal(chat_call_read(buffer_slice(&deep), CHARACTERS_MAX, &arena, &call, &problem),
                     ERR_BAD_JSON);
    assert_int_equal(chat_call_read(buffer_slice(&wide), CHARACTERS_MAX, &arena, &call, &problem),
                     ERR_BAD_JSON);
    assert_int_equal(chat_call_read(buffer_slice(&quoted), CHARACTERS_MAX, &arena, &call, &problem),
                     OK);
    buffer_free(&deep);
    buffer_free(&wide);
    buffer_free(&quoted);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_body_is_refused_with_its_code_and_reason),
        cmocka_unit_test(a_whole_request_is_read),
        cmocka_unit_test(what_is_left_out_or_null_has_its_default),
        cmocka_unit_test(a_search_takes_query_and_top_k),
        cmocka_unit_test(a_nest_or_a_flood_of_values_is_refused_before_it_is_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
