/* A provider's text cut anywhere comes out whole, and what is no text is replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"
#include "workers/generator/text_join.h"

#define R "\uFFFD"

static const struct {
    const char *text;
    size_t len;
    const char *want;
    size_t repaired;
} cases[] = {
    {"", 0, "", 0},
    {"plain ASCII, longer than eight bytes", 36, "plain ASCII, longer than eight bytes", 0},
    {"caf\u00e9 \u20ac \U0001F600.", 15, "caf\u00e9 \u20ac \U0001F600.", 0},
    {"a\0b", 3, "a" R "b", 1},
    {"a\xffz", 3, "a" R "z", 1},
    {"\xe2\x82", 2, R R, 2},                              /* never finished */
    {"\xe2\x82z", 3, R R "z", 2},                         /* nor here */
    {"\xed\xa0\xbd\xed\xb8\x80", 6, "\U0001F600", 0},     /* a surrogate pair */
    {"x\xed\xa0\xbd", 4, "x" R R R, 3},                   /* half a pair */
    {"\xed\xa0\xbdy\xed\xb8\x80", 7, R R R "y" R R R, 6}, /* two halves apart */
    {"\xed\x95\x9c\xea\xb8\x80", 6, "\ud55c\uae00", 0},   /* Korean begins alike */
    {"\xf0\x9f\x98\x80\xf0\x9f\x98", 7, "\U0001F600" R R R, 3},
    {"\xc0\xaf", 2, R R, 2}, /* overlong */
};

static void text_comes_out_whole_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t cut = 1; cut <= cases[i].len + 1; cut++) {
            struct text_join join = {0};
            struct buffer out = {0};
            size_t repaired = 0;
            for (size_t at = 0; at < cases[i].len; at += cut) {
                struct slice piece = {cases[i].text + at, MIN(cut, cases[i].len - at)};
                repaired += text_join(&join, piece, &out);
                assert_true(text_valid(buffer_slice(&out)));
            }
            repaired += text_join_end(&join, &out);
            assert_true(slice_equal(buffer_slice(&out), slice_of(cases[i].want)));
            assert_int_equal(repaired, cases[i].repaired);
            buffer_free(&out);
        }
}

static void what_is_whole_is_not_held_back(void **state)
{
    struct text_join join = {0};
    struct buffer out = {0};
    (void)state;
    text_join(&join, SLICE("one \xe2\x82"), &out);
    assert_true(slice_equal(buffer_slice(&out), SLICE("one ")));
    text_join(&join, SLICE("\xac two"), &out);
    assert_true(slice_equal(buffer_slice(&out), SLICE("one \u20ac two")));
    assert_int_equal(text_join_end(&join, &out), 0);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_out_whole_however_it_is_cut),
        cmocka_unit_test(what_is_whole_is_not_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
