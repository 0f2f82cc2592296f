#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "workers/retriever/bm25.h"
#include "workers/retriever/corrections.h"
#include "workers/retriever/id_map.h"

/* Stores "term*count term ...". */
static void put(struct bm25 *bm25, uint32_t slot, const char *text)
{
    struct buffer terms = {0};
    while (*text) {
        size_t len = strcspn(text, " *");
        buffer_append_char(&terms, (char)len);
        buffer_append(&terms, text, len);
        text += len;
        buffer_append_char(&terms, *text == '*' ? (char)(text[1] - '0') : 1);
        text += *text == '*' ? 2 : 0;
        text += *text == ' ';
    }
    bm25_put(bm25, slot, buffer_slice(&terms));
    buffer_free(&terms);
}

static float score(struct bm25 *bm25, uint32_t slot, const char *term)
{
    uint32_t number = lexicon_find(bm25_corpus(bm25)->lexicon, slice_of(term));
    struct concept concept = {{number}, 1, 1};
    const float *scores;
    size_t touched;
    if (number == LEXICON_NONE) return 0;
    const uint32_t *slots = bm25_score(bm25, &concept, 1, &scores, &touched);
    for (size_t i = 0; i < touched; i++)
        if (slots[i] == slot) return scores[slot];
    return 0;
}

/* The formula as it stands in the paper. */
static double formula(double times, double length, double average, double texts, double frequency)
{
    double idf = log(1 + (texts - frequency + 0.5) / (frequency + 0.5));
    return idf * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / average));
}

static void scores_follow_the_formula(void **state)
{
    struct bm25 *bm25 = bm25_new();
    (void)state;
    put(bm25, 0, "apple*2 pear");
    put(bm25, 1, "apple plum*4 fig");
    put(bm25, 2, "fig");
    double average = (3 + 6 + 1) / 3.0;
    assert_true(fabs(score(bm25, 0, "apple") - formula(2, 3, average, 3, 2)) < 1e-4);
    assert_true(fabs(score(bm25, 1, "apple") - formula(1, 6, average, 3, 2)) < 1e-4);
    assert_true(fabs(score(bm25, 1, "plum") - formula(4, 6, average, 3, 1)) < 1e-4);
    assert_true(score(bm25, 2, "apple") == 0);
    bm25_destroy(&bm25);
}

/* Random changes leave exactly what a fresh index of the same texts has. */
static void an_index_forgets_what_was_removed(void **state)
{
    static const char *const texts[] = {"apple*2 pear", "apple plum*4 fig", "fig*3", "pear plum",
                                        "apple*9 fig plum"};
    static const char *const terms[] = {"apple", "pear", "plum", "fig"};
    enum { SLOTS = 12 };
    int held[SLOTS];
    struct bm25 *bm25 = bm25_new();
    uint32_t random = 1;
    (void)state;
    memset(held, -1, sizeof held);
    for (size_t step = 0; step < 500; step++) {
        random = random * 1664525 + 1013904223;
        uint32_t slot = random >> 8 & 0xFFFF, text = random >> 24;
        slot %= SLOTS, text %= ARRAY_LEN(texts);
        if (held[slot] >= 0) {
            bm25_remove(bm25, slot);
            held[slot] = -1;
        } else {
            put(bm25, slot, texts[text]);
            held[slot] = (int)text;
        }
        if (step % 50) continue;
        struct bm25 *fresh = bm25_new();
        for (uint32_t i = 0; i < SLOTS; i++)
            if (held[i] >= 0) put(fresh, i, texts[held[i]]);
        for (uint32_t i = 0; i < SLOTS; i++)
            for (size_t t = 0; t < ARRAY_LEN(terms); t++)
                assert_true(score(bm25, i, terms[t]) == score(fresh, i, terms[t]));
        bm25_destroy(&fresh);
    }
    bm25_destroy(&bm25);
}

static void misspelt_words_are_known_by_few_edits(void **state)
{
    static const struct {
        const char *word, *want; /* NULL: none */
    } cases[] = {
        {"semafores", "semaphor"}, /* two edits in a long term */
        {"conect", "connect"},     /* a letter missing */
        {"conecttion", "connect"}, /* and an ending that the stem lost */
        {"vaccum", "vacuum"},      /* one other, one more */
        {"idnex", "index"},        /* neighbours swapped */
        {"indxe", "index"},
        {"ind", NULL}, /* too short to guess */
        {"completelydifferent", NULL},
        {"gone", NULL}, /* only in a removed text */
    };
    struct bm25 *bm25 = bm25_new();
    (void)state;
    put(bm25, 0, "semaphor connect vacuum index");
    put(bm25, 1, "index connect");
    put(bm25, 2, "gonee");
    bm25_remove(bm25, 2);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct correction corrections[SPELLING_MAX];
        size_t count = spelling_correct(bm25_corpus(bm25), slice_of(cases[i].word), corrections);
        assert_int_equal(count > 0, cases[i].want != NULL);
        if (!count) continue;
        struct slice term = lexicon_text(bm25_corpus(bm25)->lexicon, corrections[0].term);
        assert_true(slice_equal(term, slice_of(cases[i].want)));
    }
    bm25_destroy(&bm25);
}

static void the_nearest_and_most_frequent_correction_comes_first(void **state)
{
    struct correction corrections[SPELLING_MAX];
    struct bm25 *bm25 = bm25_new();
    (void)state;
    put(bm25, 0, "table cable");
    put(bm25, 1, "cable stable");
    assert_int_equal(spelling_correct(bm25_corpus(bm25), SLICE("xable"), corrections), 2);
    assert_int_equal(corrections[0].term, lexicon_find(bm25_corpus(bm25)->lexicon, SLICE("cable")));
    bm25_destroy(&bm25);
}

/* As many as are kept are equally near and frequent, and one is met nearer or later. */
static void corrections_are_the_same_whichever_text_came_first(void **state)
{
    static const char *const texts[] = {"table", "cable", "gable", "fable", "sable xabl"};
    struct correction corrections[SPELLING_MAX];
    (void)state;
    for (size_t first = 0; first < ARRAY_LEN(texts); first++) {
        struct bm25 *bm25 = bm25_new();
        const struct corpus *corpus = bm25_corpus(bm25);
        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
            put(bm25, (uint32_t)i, texts[(first + i) % ARRAY_LEN(texts)]);
        assert_int_equal(spelling_correct(corpus, SLICE("xable"), corrections), 1);
        assert_int_equal(corrections[0].term, lexicon_find(corpus->lexicon, SLICE("xabl")));
        assert_int_equal(spelling_correct(corpus, SLICE("zable"), corrections), SPELLING_MAX);
        for (size_t i = 0; i < SPELLING_MAX; i++) {
            static const char *const want[] = {"cable", "fable", "gable"};
            assert_int_equal(corrections[i].term, lexicon_find(corpus->lexicon, slice_of(want[i])));
        }
        bm25_destroy(&bm25);
    }
}

/* Words by the thousand, so that many have the same place in what is remembered. */
static void what_is_remembered_of_a_word_is_what_would_be_found(void **state)
{
    enum { WORDS_ASKED = 3000 };
    struct corrections corrections = {0};
    struct bm25 *bm25 = bm25_new();
    (void)state;
    for (uint32_t round = 0; round < 3; round++) {
        put(bm25, round, round == 0 ? "table cable" : round == 1 ? "cable stable" : "xables fable");
        for (size_t i = 0; i < 2 * WORDS_ASKED; i++) {
            static const char *const stems[] = {"xabl", "tabl", "stabel", "no such", "ab"};
            struct correction want[SPELLING_MAX], got[SPELLING_MAX];
            char word[16];
            snprintf(word, sizeof word, "%s%zu", stems[i % 5], i % WORDS_ASKED / 10);
            size_t count = spelling_correct(bm25_corpus(bm25), slice_of(word), want);
            assert_int_equal(corrections_find(&corrections, bm25_corpus(bm25), slice_of(word), got),
                             count);
            assert_memory_equal(got, want, count * sizeof *want);
        }
    }
    corrections_free(&corrections);
    bm25_destroy(&bm25);
}

static void a_remembered_correction_is_looked_for_again_when_texts_change(void **state)
{
    struct corrections corrections = {0};
    struct correction found[SPELLING_MAX];
    struct bm25 *bm25 = bm25_new();
    (void)state;
    put(bm25, 0, "table");
    assert_int_equal(corrections_find(&corrections, bm25_corpus(bm25), SLICE("vaccum"), found), 0);
    put(bm25, 1, "vacuum");
    assert_int_equal(corrections_find(&corrections, bm25_corpus(bm25), SLICE("vaccum"), found), 1);
    assert_int_equal(corrections_find(&corrections, bm25_corpus(bm25), SLICE("vaccum"), found), 1);
    bm25_remove(bm25, 1);
    assert_int_equal(corrections_find(&corrections, bm25_corpus(bm25), SLICE("vaccum"), found), 0);
    corrections_free(&corrections);
    bm25_destroy(&bm25);
}

static void ids_are_found_until_they_are_removed(void **state)
{
    enum { IDS = 3000 };
    struct id_map map = {0};
    (void)state;
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t id = 0; id < IDS; id++) id_map_put(&map, id << (round * 16), (uint32_t)id);
        for (uint64_t id = 0; id < IDS; id += 2) id_map_remove(&map, id << (round * 16));
        for (uint64_t id = 0; id < IDS; id++)
            assert_int_equal(id_map_find(&map, id << (round * 16)),
                             id % 2 ? (uint32_t)id : ID_MAP_NONE);
        for (uint64_t id = 0; id < IDS; id++) id_map_remove(&map, id << (round * 16));
        assert_int_equal(map.count, 0);
    }
    id_map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_follow_the_formula),
        cmocka_unit_test(an_index_forgets_what_was_removed),
        cmocka_unit_test(misspelt_words_are_known_by_few_edits),
        cmocka_unit_test(the_nearest_and_most_frequent_correction_comes_first),
        cmocka_unit_test(corrections_are_the_same_whichever_text_came_first),
        cmocka_unit_test(what_is_remembered_of_a_word_is_what_would_be_found),
        cmocka_unit_test(a_remembered_correction_is_looked_for_again_when_texts_change),
        cmocka_unit_test(ids_are_found_until_they_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
