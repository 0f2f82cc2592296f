/* Whether two questions ask the same: the pairs of semantic_cases.tsv, of which none that differs
 * may pass, whatever tells the two apart, and the few rules that no pair can show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "workers/retriever/semantic_guard.h"

/* Of those that mean the same, so many of 100 must pass at least. */
enum { SAME_PERCENT_MIN = 90, KINDS_MAX = 32 };

static bool agree(const char *code, const char *a, const char *b)
{
    const struct language *language = language_find(slice_of(code));
    struct arena arena = {0};
    assert_non_null(language);
    const struct reading *x = reading_new(language, slice_of(a), &arena);
    const struct reading *y = reading_new(language, slice_of(b), &arena);
    bool agrees = x && y && readings_agree(x, y);
    if (x && y) assert_int_equal(agrees, readings_agree(y, x)); /* whichever came first */
    arena_free(&arena);
    return agrees;
}

struct tally {
    char kind[16];
    size_t pairs, passed;
};

static struct tally *tally_of(struct tally *tallies, const char *kind)
{
    size_t i = 0;
    while (i < KINDS_MAX && *tallies[i].kind && strcmp(tallies[i].kind, kind) != 0) i++;
    assert_true(i < KINDS_MAX);
    snprintf(tallies[i].kind, sizeof(tallies[i].kind), "%s", kind);
    return &tallies[i];
}

static void judge(char *line, struct tally *tallies)
{
    char *fields[4], *rest = line;
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || !line[0]) return;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) assert_non_null(fields[i] = strsep(&rest, "\t"));
    struct tally *tally = tally_of(tallies, fields[0]);
    bool agrees = agree(fields[1], fields[2], fields[3]);
    tally->pairs++;
    tally->passed += agrees;
    if (agrees != !strcmp(fields[0], "same"))
        print_message("%s: %s | %s\n", agrees ? fields[0] : "refused", fields[2], fields[3]);
}

static void no_pair_that_differs_passes_and_most_that_mean_the_same_do(void **state)
{
    struct tally tallies[KINDS_MAX] = {0};
    FILE *file = fopen(TEST_DATA "/semantic_cases.tsv", "r");
    char line[1024];
    size_t kinds = 0;
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) judge(line, tallies);
    fclose(file);
    for (; kinds < KINDS_MAX && *tallies[kinds].kind; kinds++) {
        const struct tally *tally = &tallies[kinds];
        if (strcmp(tally->kind, "same") != 0)
            assert_int_equal(tally->passed, 0);
        else
            assert_true(tally->passed * 100 >= tally->pairs * SAME_PERCENT_MIN);
    }
    assert_true(kinds >= 10);
}

static void a_question_agrees_with_itself_however_it_is_written(void **state)
{
    static const char *const same[][3] = {
        {"en", "What is max_connections?", "what  is max_connections ?"},
        {"en", "Is 5 km far?", "is 5 km far"},
        {"en", "\"What is Rust?\"", "What is Rust?"},
        {"en", "e-mail or letter?", "e-mail or letter"},
        {"es", "¿Qué es Rust?", "que es rust"},
        {"es", "¿DÓNDE ESTÁ EL INFORME?", "¿Dónde está el informe?"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (!agree(same[i][0], same[i][1], same[i][2])) fail_msg("%s", same[i][1]);
}

static void what_cannot_be_read_agrees_with_nothing(void **state)
{
    char longest[1024] = "";
    (void)state;
    assert_false(agree("en", "", ""));
    assert_false(agree("en", "?!", "?!"));
    for (size_t i = 0; i < 60; i++) strcat(longest, "word ");
    assert_false(agree("en", longest, longest));
}

static void languages_do_not_meet(void **state)
{
    struct arena arena = {0};
    (void)state;
    const struct reading *en = reading_new(language_find(SLICE("en")), SLICE("React 18"), &arena);
    const struct reading *es = reading_new(language_find(SLICE("es")), SLICE("React 18"), &arena);
    assert_true(readings_agree(en, en) && readings_agree(es, es));
    assert_false(readings_agree(en, es));
    arena_free(&arena);
}

static void garbage_is_read_without_harm(void **state)
{
    char text[64];
    uint32_t seed = 7;
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        size_t len = 1 + i % (sizeof(text) - 1);
        for (size_t k = 0; k < len; k++) {
            seed = seed * 1664525u + 1013904223u;
            text[k] = "a Is.5-/\xC3\xB3\xE2\x80'?of&vs_"[seed >> 24 & 15] ^ (seed >> 16 & 1);
        }
        text[len] = '\0';
        agree(i & 1 ? "en" : "es", text, text);
    }
}

static void the_best_passages_must_be_the_same_in_order(void **state)
{
    static const uint64_t kept[] = {4, 9, 2};
    static const struct {
        uint64_t ids[5];
        size_t count;
        bool agrees;
    } cases[] = {
        {{4, 9, 2}, 3, true},     {{4, 9, 2, 7}, 4, true}, {{9, 4, 2}, 3, false},
        {{4, 9, 7, 2}, 4, false}, {{4, 9}, 2, false},      {{0}, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(passages_agree(kept, 3, cases[i].ids, cases[i].count), cases[i].agrees);
    assert_false(passages_agree(kept, 0, kept, 0));
    assert_true(passages_agree(kept, 1, kept, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_pair_that_differs_passes_and_most_that_mean_the_same_do),
        cmocka_unit_test(a_question_agrees_with_itself_however_it_is_written),
        cmocka_unit_test(what_cannot_be_read_agrees_with_nothing),
        cmocka_unit_test(languages_do_not_meet),
        cmocka_unit_test(garbage_is_read_without_harm),
        cmocka_unit_test(the_best_passages_must_be_the_same_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
