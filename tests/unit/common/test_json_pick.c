/* Values out of JSON text: what is picked, what is refused, however odd the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/json_pick.h"

static const json_path paths[] = {{"a"}, {"b", "0", "c"}, {"b", "1"}, {"d", "e", "f", "g"}};

static const struct {
    const char *text;
    const char *want[ARRAY_LEN(paths)];
} picked[] = {
    {"{}", {0}},
    {" {\"a\" : 1 } \n", {"1"}},
    {"{\"a\":\"x\\\"}\"}", {"\"x\\\"}\""}},
    {"{\"a\":1,\"a\":2}", {"2"}},
    {"{\"a\":1,\"a\":null}", {NULL}},
    {"{\"b\":[{\"c\":[1, 2]},true]}", {NULL, "[1, 2]", "true"}},
    {"{\"b\":[]}", {0}},
    {"{\"b\":{\"0\":{\"c\":5}}}", {NULL, "5"}},
    {"{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":1}}}}}", {NULL, NULL, NULL, "{\"h\":1}"}},
    {"{\"x\":{\"a\":1},\"d\":{\"a\":1}}", {0}},
    {"[{\"a\":1}]", {0}},
    {"\"text\"", {0}},
    {"{\"a\":-0.5e+10}", {"-0.5e+10"}},
    {"{\"a\":\"\xff\xfe\"}", {"\"\xff\xfe\""}}, /* the encoding is checked elsewhere */
};

static void values_are_picked_by_their_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(picked); i++) {
        struct slice values[ARRAY_LEN(paths)];
        assert_true(json_pick(slice_of(picked[i].text), paths, ARRAY_LEN(paths), values));
        for (size_t j = 0; j < ARRAY_LEN(paths); j++)
            assert_true(slice_equal(values[j], slice_of(picked[i].want[j])));
    }
}

static const char *const refused[] = {
    "",
    " ",
    "{",
    "}",
    "[",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "[1,]",
    "[,1]",
    "{a:1}",
    "{'a':1}",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "+1",
    "tru",
    "nulll",
    "TRUE",
    "NaN",
    "1 2",
    "{} {}",
    "\"",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12G4\"",
    "\"a\nb\"",
    "\"\t\"",
    "{\"a\":1 \"b\":2}",
    "[1 2]",
    "{\"a\":\"x}",
    "{\"a\":1}x",
    "/**/1",
    "{,}",
    "[1,2",
    "{\"a\":{\"b\":[}}",
};

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct slice values[ARRAY_LEN(paths)] = {{"kept", 4}};
        assert_false(json_pick(slice_of(refused[i]), paths, ARRAY_LEN(paths), values));
        assert_true(slice_equal(values[0], SLICE("kept")));
    }
}

/* Every text cut anywhere, in memory that ends where it does. */
static void a_cut_text_is_refused_and_never_read_past(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(picked); i++) {
        struct slice whole = slice_of(picked[i].text);
        for (size_t len = 0; len < whole.len; len++) {
            struct slice values[ARRAY_LEN(paths)];
            char *copy = test_malloc(len + 1);
            memcpy(copy + 1, whole.ptr, len); /* +1: never NULL, and a redzone behind */
            (void)!json_pick((struct slice){copy + 1, len}, paths, ARRAY_LEN(paths), values);
            if (strchr("{[\"", whole.ptr[0]))
                assert_false(
                    json_pick((struct slice){copy + 1, len}, paths, ARRAY_LEN(paths), values));
            test_free(copy);
        }
    }
}

static void nesting_has_a_limit(void **state)
{
    static const json_path none[] = {{"x"}};
    char text[2 * JSON_NESTING_MAX + 8];
    struct slice value;
    (void)state;
    for (size_t depth = JSON_NESTING_MAX - 1; depth <= JSON_NESTING_MAX + 2; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(json_pick((struct slice){text, 2 * depth}, none, 1, &value),
                         depth <= JSON_NESTING_MAX);
    }
}

static void elements_come_one_by_one(void **state)
{
    struct slice list, value;
    (void)state;
    static const json_path path[] = {{"l"}};
    assert_true(json_pick(SLICE("{\"l\":[1, {\"a\":[2,3]} ,\"x,y\"]}"), path, 1, &list));
    assert_true(json_next(&list, &value) && slice_equal(value, SLICE("1")));
    assert_true(json_next(&list, &value) && slice_equal(value, SLICE("{\"a\":[2,3]}")));
    assert_true(json_next(&list, &value) && slice_equal(value, SLICE("\"x,y\"")));
    assert_false(json_next(&list, &value));
    static const char *const empty[] = {"[]", "[ ]", "{}", "1", NULL};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        list = slice_of(empty[i]);
        assert_false(json_next(&list, &value));
    }
}

static const struct {
    const char *value, *want;
} strings[] = {
    {"\"\"", ""},
    {"\"plain\"", "plain"},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
    {"\"\\u0041\\u00e9\\u20AC\"", "A\u00e9\u20ac"},
    {"\"\\ud83d\\ude00!\"", "\U0001F600!"},
    {"\"\\ud83d\"", "\xed\xa0\xbd"},
    {"\"\\ude00\\ud83d\"", "\xed\xb8\x80\xed\xa0\xbd"},
    {"\"\\ud83dx\"", "\xed\xa0\xbdx"},
    {"17", ""},
};

static void escapes_are_undone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        struct buffer got = {0};
        json_append_unescaped(slice_of(strings[i].value), &got);
        assert_true(slice_equal(buffer_slice(&got), slice_of(strings[i].want)));
        buffer_free(&got);
    }
    struct buffer got = {0};
    json_append_unescaped(SLICE("\"a\\u0000b\""), &got);
    assert_true(slice_equal(buffer_slice(&got), (struct slice){"a\0b", 3}));
    buffer_free(&got);
}

static void whole_numbers_are_read(void **state)
{
    (void)state;
    assert_int_equal(json_whole(SLICE("0")), 0);
    assert_int_equal(json_whole(SLICE("1234567")), 1234567);
    assert_int_equal(json_whole(SLICE("-1")), 0);
    assert_int_equal(json_whole(SLICE("1.5")), 0);
    assert_int_equal(json_whole(SLICE("99999999999999999999999999")), 0);
    assert_int_equal(json_whole(SLICE("\"7\"")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_picked_by_their_paths),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(a_cut_text_is_refused_and_never_read_past),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(elements_come_one_by_one),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(whole_numbers_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
