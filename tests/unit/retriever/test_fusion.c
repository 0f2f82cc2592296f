/* The choice of the best and their blending, held against sorting everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "workers/retriever/fusion.h"

enum { MANY = 1500 };

static uint32_t random_state = 2463534242u;

/* xorshift32 (Marsaglia 2003): the same numbers in every run. */
static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->score != right->score) return left->score > right->score ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

static int compare_fused(const void *a, const void *b)
{
    const struct fused *left = a, *right = b;
    if (left->score != right->score) return left->score > right->score ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

/* Scores of few values, so that many are equal; ids that do not follow the slots. */
static void make_many(struct candidate *many, size_t count, uint32_t values)
{
    for (size_t i = 0; i < count; i++)
        many[i] = (struct candidate){
            .score = (float)(next_random() % values), .slot = (uint32_t)i, .id = (i * 7919) % MANY};
}

static void offer_all(struct best *best, const struct candidate *many, size_t count)
{
    best_init(best);
    for (size_t i = 0; i < count; i++)
        if (best_wants(best, many[i].score)) best_offer(best, many[i]);
    best_select(best);
}

static void the_best_are_those_that_a_sort_would_put_first(void **state)
{
    static const struct {
        size_t count;
        uint32_t values;
    } cases[] = {{0, 1},   {1, 1},   {99, 5},   {100, 5},   {101, 1},        {255, 3},
                 {256, 3}, {257, 3}, {MANY, 1}, {MANY, 40}, {MANY, 1u << 20}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct candidate many[MANY];
        struct best best;
        make_many(many, cases[i].count, cases[i].values);
        offer_all(&best, many, cases[i].count);
        qsort(many, cases[i].count, sizeof *many, compare_candidates);
        qsort(best.items, best.count, sizeof *many, compare_candidates);
        assert_int_equal(best.count, MIN(cases[i].count, (size_t)BEST_MAX));
        for (size_t n = 0; n < best.count; n++) assert_int_equal(best.items[n].id, many[n].id);
    }
}

static void the_union_comes_best_first_and_equal_scores_by_id(void **state)
{
    struct candidate many[MANY];
    struct best vectors, words;
    struct fusion fusion;
    struct fused all[FUSED_MAX], next;
    (void)state;
    for (size_t round = 0; round < 20; round++) {
        make_many(many, 150 + round, 6);
        offer_all(&vectors, many, 150);
        offer_all(&words, many + round, 150);
        fusion_blend(&vectors, &words, 0.3, &fusion);
        size_t count = fusion.count;
        memcpy(all, fusion.items, count * sizeof *all);
        qsort(all, count, sizeof *all, compare_fused);
        for (size_t i = 0; i < count; i++) {
            assert_true(fusion_next(&fusion, &next));
            assert_memory_equal(&next, &all[i], sizeof next);
        }
        assert_false(fusion_next(&fusion, &next));
    }
}

static void scores_are_brought_to_one_and_blended(void **state)
{
    struct best vectors = {.count = 3, .items = {{5, 1, 11}, {1, 2, 12}, {3, 513, 13}}};
    struct best words = {.count = 2, .items = {{2, 2, 12}, {4, 1025, 14}}};
    static const struct fused want[] = {{14, 1025, 0.75f, 0, 1},
                                        {11, 1, 0.25f, 1, 0},
                                        {13, 513, 0.125f, 0.5f, 0},
                                        {12, 2, 0, 0, 0}};
    struct fusion fusion;
    struct fused got;
    (void)state;
    fusion_blend(&vectors, &words, 0.25, &fusion);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(fusion_next(&fusion, &got));
        assert_int_equal(got.id, want[i].id);
        assert_int_equal(got.slot, want[i].slot);
        assert_true(got.score == want[i].score && got.vector == want[i].vector &&
                    got.bm25 == want[i].bm25);
    }
    assert_false(fusion_next(&fusion, &got));
}

static void a_list_of_equal_scores_is_all_one_and_an_empty_one_nothing(void **state)
{
    struct best none = {.count = 0}, words = {.count = 2, .items = {{7, 1, 22}, {7, 2, 21}}};
    struct fusion fusion;
    struct fused got;
    (void)state;
    fusion_blend(&none, &words, 0, &fusion);
    assert_int_equal(fusion.count, 2);
    assert_true(fusion_next(&fusion, &got));
    assert_int_equal(got.id, 21);
    assert_true(got.score == 1 && got.vector == 0);
    fusion_blend(&none, &none, 0.5, &fusion);
    assert_false(fusion_next(&fusion, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_are_those_that_a_sort_would_put_first),
        cmocka_unit_test(the_union_comes_best_first_and_equal_scores_by_id),
        cmocka_unit_test(scores_are_brought_to_one_and_blended),
        cmocka_unit_test(a_list_of_equal_scores_is_all_one_and_an_empty_one_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
