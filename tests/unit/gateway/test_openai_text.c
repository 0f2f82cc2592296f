#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/openai_text.h"

static void a_refusal_has_the_status_and_type_that_clients_raise_for(void **state)
{
    static const struct {
        err_t error;
        int status;
        const char *want;
    } cases[] = {
        {ERR_AGENT_NOT_FOUND, 404,
         "{\"error\":{\"message\":\"m \\\"q\\\"\",\"type\":\"invalid_request_error\","
         "\"param\":\"model\",\"code\":\"model_not_found\"}}\n"},
        {ERR_INVALID_FIELD, 400,
         "{\"error\":{\"message\":\"m \\\"q\\\"\",\"type\":\"invalid_request_error\","
         "\"param\":null,\"code\":\"invalid_field\"}}\n"},
        {ERR_MESSAGE_EMPTY, 400,
         "{\"error\":{\"message\":\"m \\\"q\\\"\",\"type\":\"invalid_request_error\","
         "\"param\":\"messages\",\"code\":\"message_empty\"}}\n"},
        {ERR_BODY_TOO_LARGE, 413,
         "{\"error\":{\"message\":\"m \\\"q\\\"\",\"type\":\"invalid_request_error\","
         "\"param\":null,\"code\":\"body_too_large\"}}\n"},
        {ERR_LANE_FULL, 503,
         "{\"error\":{\"message\":\"m \\\"q\\\"\",\"type\":\"server_error\","
         "\"param\":null,\"code\":\"lane_full\"}}\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer got = {0};
        assert_int_equal(openai_refuse(cases[i].error, "m \"q\"", &got), cases[i].status);
        buffer_append_char(&got, '\0');
        assert_string_equal(got.data, cases[i].want);
        buffer_free(&got);
    }
}

static void only_paths_below_v1_are_of_this_interface(void **state)
{
    (void)state;
    assert_true(openai_is_path(SLICE("/v1/models")));
    assert_true(openai_is_path(SLICE("/v1/")));
    assert_false(openai_is_path(SLICE("/v1")));
    assert_false(openai_is_path(SLICE("/v11/models")));
    assert_false(openai_is_path(SLICE("/api/v1/")));
    assert_false(openai_is_path((struct slice){0}));
}

/* --- embeddings --- */

static err_t write(size_t dimensions, size_t count, const float *numbers, size_t bytes, bool base64,
                   struct buffer *out)
{
    struct embedding embedding = {.embedder = SLICE("e"),
                                  .dimensions = dimensions,
                                  .count = count,
                                  .vectors = {(const char *)numbers, bytes}};
    err_t error = openai_embeddings(&embedding, 2, 5, base64, out);
    buffer_append_char(out, '\0');
    return error;
}

static void vectors_are_numbers_or_base64_of_the_same(void **state)
{
    /* 1.0f is 00 00 80 3f, -0.5f is 00 00 00 bf */
    static const float one[] = {1, -0.5f}, two[] = {1, -0.5f, 0.25f, 0};
    struct buffer got = {0};
    (void)state;
    assert_int_equal(write(2, 2, two, sizeof(two), false, &got), OK);
    assert_string_equal(got.data,
                        "{\"object\":\"list\",\"data\":["
                        "{\"object\":\"embedding\",\"index\":0,\"embedding\":[1,-0.5]},"
                        "{\"object\":\"embedding\",\"index\":1,\"embedding\":[0.25,0]}],"
                        "\"model\":\"e\",\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5}}\n");
    got.len = 0;
    assert_int_equal(write(2, 2, two, sizeof(two), true, &got), OK);
    assert_non_null(strstr(got.data, "\"embedding\":\"AACAPwAAAL8=\"")); /* 8 bytes: one = */
    got.len = 0;
    assert_int_equal(write(1, 2, one, sizeof(one), true, &got), OK);
    assert_non_null(strstr(got.data, "\"embedding\":\"AACAPw==\"")); /* 4 bytes: two */
    buffer_free(&got);
}

static void vectors_of_another_shape_than_they_say_are_refused(void **state)
{
    static const float numbers[4] = {0};
    static const struct {
        size_t dimensions, count, bytes;
    } cases[] = {
        {2, 1, 16}, {3, 2, 16}, {2, 2, 8}, {2, 2, 15}, {0, 2, 0}, {2, 3, 16}, {2, 0, 16},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer got = {0};
        if (write(cases[i].dimensions, cases[i].count, numbers, cases[i].bytes, true, &got) !=
            ERR_EMBEDDING_INVALID)
            fail_msg("case %zu: %s", i, got.data);
        buffer_free(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_has_the_status_and_type_that_clients_raise_for),
        cmocka_unit_test(only_paths_below_v1_are_of_this_interface),
        cmocka_unit_test(vectors_are_numbers_or_base64_of_the_same),
        cmocka_unit_test(vectors_of_another_shape_than_they_say_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
