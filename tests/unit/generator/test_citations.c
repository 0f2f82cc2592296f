#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "workers/generator/citations.h"

static const struct {
    const char *text, *want; /* numbers, each with a space behind it */
} cases[] = {
    {"", ""},
    {"No numbers.", ""},
    {"A. [1] B. [3]", "1 3 "},
    {"A [3]. B [1]. C [3].", "1 3 "},
    {"A [1][2].", "1 2 "},
    {"A [1, 2] and [ 3 ]", "1 2 "},
    {"[0] [5] [99999999999999999999]", ""},
    {"[x] [1.5] [] [,] [1,] [-1] [1 2]", ""},
    {"[[2]]", "2 "},
    {"[1", ""},
    {"a[2]", "2 "},
};

static void print_numbers(const struct citation_scan *scan, char *out)
{
    struct passage passages[4] = {{.chunk_id = 10}, {.chunk_id = 20}, {.chunk_id = 30}, {0}};
    struct list list = {passages, 4};
    struct arena arena = {0};
    struct list got = citations_list(scan, &list, &arena);
    *out = '\0';
    for (size_t i = 0; i < got.count; i++) {
        const struct citation *citation = &((struct citation *)got.items)[i];
        assert_int_equal(citation->chunk_id, passages[citation->n - 1].chunk_id);
        out += sprintf(out, "%d ", (int)citation->n);
    }
    arena_free(&arena);
}

static void numbers_in_brackets_cite_however_the_text_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t cut = 1; cut <= 3; cut++) {
            struct citation_scan scan = {0};
            struct slice text = slice_of(cases[i].text);
            char got[64];
            for (size_t at = 0; at < text.len; at += cut)
                citations_read(&scan, (struct slice){text.ptr + at, MIN(cut, text.len - at)});
            print_numbers(&scan, got);
            assert_string_equal(got, cases[i].want);
        }
}

static const struct {
    const char *text;
    uint64_t want; /* of four passages given */
} dropped[] = {
    {"A [1] and [4].", 0},        {"A [5].", 1},
    {"A [2, 9] and [5].", 2},     {"A [5] and [5] again.", 1},
    {"In [2024] and [2024].", 2}, /* past those that are told apart */
    {"A [x] and [300", 0},
};

static void numbers_that_were_not_given_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++) {
        struct citation_scan scan = {0};
        citations_read(&scan, slice_of(dropped[i].text));
        assert_int_equal(citations_dropped(&scan, 4), dropped[i].want);
    }
}

static void long_texts_are_cut_in_a_citation(void **state)
{
    char title[1000];
    struct citation_scan scan = {0};
    struct arena arena = {0};
    (void)state;
    memset(title, 'x', sizeof title);
    struct passage passage = {
        .title = {title, sizeof title}, .heading = SLICE("A > B"), .score = 0.5};
    struct list list = {&passage, 1};
    citations_read(&scan, SLICE("[1]"));
    struct list got = citations_list(&scan, &list, &arena);
    const struct citation *citation = got.items;
    assert_int_equal(got.count, 1);
    assert_int_equal(citation->title.len, CITATION_TEXT_MAX);
    assert_true(slice_equal(citation->heading, SLICE("A > B")));
    assert_true(citation->score == 0.5);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_brackets_cite_however_the_text_is_cut),
        cmocka_unit_test(numbers_that_were_not_given_are_counted),
        cmocka_unit_test(long_texts_are_cut_in_a_citation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
