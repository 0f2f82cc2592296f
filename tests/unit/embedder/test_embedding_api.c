#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "workers/embedder/embedding_api.h"

/* --- requests --- */

static void a_request_says_what_the_provider_needs_and_no_more(void **state)
{
    static const struct {
        const char *embedder, *want;
    } cases[] = {
        {"openai/text-embedding-3-small/1536",
         "{\"model\":\"text-embedding-3-small\",\"input\":[\"T\\nH\\nte\\\"xt\",\"b\"],"
         "\"encoding_format\":\"base64\"}"},
        {"openai/text-embedding-3-large/256",
         "{\"model\":\"text-embedding-3-large\",\"input\":[\"T\\nH\\nte\\\"xt\",\"b\"],"
         "\"encoding_format\":\"base64\",\"dimensions\":256}"},
        {"mistral/codestral-embed/512",
         "{\"model\":\"codestral-embed\",\"input\":[\"T\\nH\\nte\\\"xt\",\"b\"],"
         "\"output_dimension\":512}"},
        {"openai-compatible/mine/512",
         "{\"model\":\"mine\",\"input\":[\"T\\nH\\nte\\\"xt\",\"b\"]}"},
    };
    static const struct embed_item items[] = {
        {.title = {"T", 1}, .heading = {"H", 1}, .text = {"te\"xt", 5}}, {.text = {"b", 1}}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer body = {0};
        embedding_request_write(embedder_find(slice_of(cases[i].embedder)), items, 2, SIZE_MAX,
                                &body);
        buffer_append_char(&body, '\0');
        assert_string_equal(body.data, cases[i].want);
        buffer_free(&body);
    }
    assert_int_equal(embedding_item_bytes(&items[0]), 9);
    assert_int_equal(embedding_item_bytes(&items[1]), 1);
}

static void a_text_is_cut_between_characters_and_never_empty(void **state)
{
    static const struct embed_item items[] = {{.text = {"a\xC3\xB1o", 4}}, {.text = {"", 0}}};
    struct buffer body = {0};
    (void)state;
    embedding_request_write(embedder_find(SLICE("openai-compatible/m/4")), items, 2, 2, &body);
    buffer_append_char(&body, '\0');
    assert_string_equal(body.data, "{\"model\":\"m\",\"input\":[\"a\",\" \"]}");
    buffer_free(&body);
}

/* --- responses --- */

struct vectors {
    float of[2][3];
    struct embed_item items[2];
};

static err_t read_two(const char *body, struct vectors *vectors)
{
    memset(vectors, 0, sizeof *vectors);
    for (size_t i = 0; i < 2; i++) vectors->items[i].vector = vectors->of[i];
    return embedding_response_read(slice_of(body), embedder_find(SLICE("openai-compatible/m/3")),
                                   vectors->items, 2);
}

/* [2,0,0] is AAAAQAAAAAAAAAAA in base64, [0,0,-4] AAAAAAAAAAAAAIDA. */
static void vectors_are_read_in_either_form_and_any_order_and_normalised(void **state)
{
    static const char *const bodies[] = {
        "{\"data\":[{\"index\":0,\"embedding\":[2,0,0.0]},{\"index\":1,\"embedding\":[0,0,-4]}]}",
        "{\"data\":[{\"index\":1,\"embedding\":[0,0,-4]},{\"index\":0,\"embedding\":[2,0,0]}]}",
        "{\"data\":[{\"embedding\":[2,0,0]},{\"embedding\":[0,0,-4e-3]}]}",
        "{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":\"AAAAQAAAAAAAAAAA\"},"
        "{\"index\":1,\"embedding\":\"AAAAAAAAAAAAAIDA\"}],\"usage\":{\"total_tokens\":2}}",
    };
    struct vectors vectors;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        assert_int_equal(read_two(bodies[i], &vectors), OK);
        const float want[2][3] = {{1, 0, 0}, {0, 0, -1}};
        for (size_t j = 0; j < 6; j++)
            assert_true(fabsf((&vectors.of[0][0])[j] - (&want[0][0])[j]) < 1e-6f);
    }
}

/* Each number stands beside others of its size, so that none is lost in the length. */
static void numbers_are_read_however_they_are_written(void **state)
{
    static const char *const numbers[] = {"1",
                                          "-1",
                                          "0.5",
                                          "-0.0123",
                                          "1e0",
                                          "1E+2",
                                          "125e-2",
                                          "0.000000000000000000001e21",
                                          "0.12345678901234567890123456789",
                                          "123456789012345678901234567890e-29",
                                          "-3.4028234e38",
                                          "1.17549435e-38",
                                          "9007199254740993e-16",
                                          "1234567.125"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct vectors vectors;
        struct buffer body = {0};
        double value = strtod(numbers[i], NULL), other = fabs(value) > 1e30 ? 1e38 : value / 2;
        buffer_printf(&body,
                      "{\"data\":[{\"embedding\":[ %s ,\n%.17g,0]},{\"embedding\":[1,0,0]}]}",
                      numbers[i], other);
        buffer_append_char(&body, '\0');
        assert_int_equal(read_two(body.data, &vectors), OK);
        double want = value / hypot(value, other);
        if (fabs(value) > 1e-30) assert_true(fabs(vectors.of[0][0] - want) < 1e-7);
        buffer_free(&body);
    }
}

static void a_vector_of_zeros_stays_one(void **state)
{
    struct vectors vectors;
    (void)state;
    assert_int_equal(
        read_two("{\"data\":[{\"embedding\":[0,0,0]},{\"embedding\":[1e-40,0,0]}]}", &vectors), OK);
    for (size_t i = 0; i < 6; i++) assert_true((&vectors.of[0][0])[i] == 0);
}

static void what_is_wrong_with_a_response_is_named(void **state)
{
#define ONE "{\"index\":0,\"embedding\":[1,0,0]}"
    static const struct {
        const char *body;
        err_t want;
    } cases[] = {
        {"", ERR_PROVIDER_BAD_RESPONSE},
        {"<html>busy</html>", ERR_PROVIDER_BAD_RESPONSE},
        {"[]", ERR_PROVIDER_BAD_RESPONSE},
        {"{\"data\":{}}", ERR_PROVIDER_BAD_RESPONSE},
        {"{\"error\":{\"message\":\"secret\"}}", ERR_PROVIDER_BAD_RESPONSE},
        {"{\"data\":[" ONE "," ONE "]", ERR_PROVIDER_BAD_RESPONSE},
        {"{\"data\":[]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE "]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE "," ONE "]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[1,0,0]}," ONE "]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":2,\"embedding\":[1,0,0]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":-1,\"embedding\":[1,0,0]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[1,0]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[1,0,0,0]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[1,0,null]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[1,0,\"NaN\"]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[1e300,0,0]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":null}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",7]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":\"1\",\"embedding\":[1,0,0]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[1,0,1e999]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[[1,0,0]]}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":{}}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"index\":1,\"embedding\":[1,0,NaN]}]}", ERR_PROVIDER_BAD_RESPONSE},
        /* base64: NaN, an infinite one, too short, too long, no base64 */
        {"{\"data\":[" ONE ",{\"embedding\":\"AADAfwAAAAAAAAAA\"}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"embedding\":\"AACAfwAAAAAAAAAA\"}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"embedding\":\"AAAAQAAAAAA=\"}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"embedding\":\"AAAAQAAAAAAAAAAAAAAA\"}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"embedding\":\"AAAAQAAA*AAAAAAA\"}]}", ERR_EMBEDDING_INVALID},
        {"{\"data\":[" ONE ",{\"embedding\":\"\"}]}", ERR_EMBEDDING_INVALID},
    };
    struct vectors vectors;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        err_t got = read_two(cases[i].body, &vectors);
        if (got != cases[i].want) print_error("%s\n", cases[i].body);
        assert_int_equal(got, cases[i].want);
    }
}

/* Whatever ends too early or has a byte changed is read or refused, and nothing else. */
static void any_bytes_are_read_or_refused(void **state)
{
    static const char good[] = "{\"data\":[{\"index\":0,\"embedding\":\"AAAAQAAAAAAAAAAA\"},"
                               "{\"index\":1,\"embedding\":[0,0,-4]}]}";
    struct vectors vectors;
    char body[sizeof good];
    uint32_t random = 7;
    size_t refused = 0;
    (void)state;
    for (size_t turn = 0; turn < 20000; turn++) {
        memcpy(body, good, sizeof good);
        random = random * 1664525 + 1013904223;
        body[(random >> 8) % (sizeof good - 1)] = (char)(random >> 24);
        if (turn % 2) body[(random >> 4) % sizeof good] = '\0';
        refused += read_two(body, &vectors) != OK;
    }
    assert_in_range(refused, 10000, 20000);
}

/* A server that writes all digits that there are stays within the limit. */
static void the_limit_of_a_response_holds_a_generous_one(void **state)
{
    const struct embedder_info *info = embedder_find(SLICE("openai-compatible/m/1024"));
    struct buffer body = {0};
    (void)state;
    for (size_t i = 0; i < 256; i++) {
        buffer_append_text(&body, "{\"object\": \"embedding\", \"index\": 255, \"embedding\": [");
        for (size_t j = 0; j < 1024; j++)
            buffer_printf(&body, "%s-0.123456789012345678e-10", j ? ",\n      " : "");
        buffer_append_text(&body, "]},\n");
    }
    assert_true(body.len <= embedding_response_bytes_max(info, 256));
    buffer_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_says_what_the_provider_needs_and_no_more),
        cmocka_unit_test(a_text_is_cut_between_characters_and_never_empty),
        cmocka_unit_test(vectors_are_read_in_either_form_and_any_order_and_normalised),
        cmocka_unit_test(numbers_are_read_however_they_are_written),
        cmocka_unit_test(a_vector_of_zeros_stays_one),
        cmocka_unit_test(what_is_wrong_with_a_response_is_named),
        cmocka_unit_test(any_bytes_are_read_or_refused),
        cmocka_unit_test(the_limit_of_a_response_holds_a_generous_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
