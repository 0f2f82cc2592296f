/* The cache in memory: recency, ends, bounds, and a long comparison with a naive model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/lru.h"

#define NOW  UINT64_C(1000)
#define LATE UINT64_C(2000)

/* The key of a number. Keys differ behind the bytes that choose the chain, too. */
static const uint8_t *key_of(unsigned number)
{
    static uint8_t key[LRU_KEY_BYTES];
    memset(key, 0, sizeof(key));
    key[0] = (uint8_t)(number % 4);
    memcpy(key + 16, &number, sizeof(number));
    return key;
}

static void put(struct lru *lru, unsigned number, const char *value)
{
    lru_put(lru, key_of(number), slice_of(value), LATE, NOW);
}

static void assert_value(struct lru *lru, unsigned number, const char *want)
{
    struct slice got = lru_get(lru, key_of(number), NOW);
    if (!want) {
        assert_null(got.ptr);
        return;
    }
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void lru_answers_the_newest_value_of_a_key(void **state)
{
    struct lru *lru = lru_new(1 << 16);
    (void)state;
    put(lru, 1, "one");
    put(lru, 5, "five, in the same chain");
    put(lru, 1, "one again");
    assert_value(lru, 1, "one again");
    assert_value(lru, 5, "five, in the same chain");
    assert_value(lru, 9, NULL);
    assert_int_equal(lru_entries(lru), 2);
    lru_destroy(&lru);
}

static void lru_keeps_an_empty_value_apart_from_none(void **state)
{
    struct lru *lru = lru_new(1 << 16);
    (void)state;
    put(lru, 1, "");
    assert_non_null(lru_get(lru, key_of(1), NOW).ptr);
    lru_destroy(&lru);
}

static void lru_forgets_a_value_at_its_end(void **state)
{
    struct lru *lru = lru_new(1 << 16);
    (void)state;
    put(lru, 1, "one");
    assert_non_null(lru_get(lru, key_of(1), LATE - 1).ptr);
    assert_null(lru_get(lru, key_of(1), LATE).ptr);
    assert_int_equal(lru_entries(lru), 0);
    assert_int_equal(lru_bytes(lru), 0);
    lru_destroy(&lru);
}

static void lru_gives_up_what_was_used_longest_ago(void **state)
{
    char value[1000] = {0};
    struct lru *lru = lru_new(10500);
    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    for (unsigned i = 0; i < 9; i++) put(lru, i, value);
    assert_value(lru, 0, value);
    put(lru, 9, value);
    put(lru, 10, value);
    assert_value(lru, 0, value);
    assert_value(lru, 1, NULL);
    assert_true(lru_evicted(lru) >= 1);
    assert_true(lru_bytes(lru) <= 10500);
    lru_destroy(&lru);
}

static void lru_does_not_keep_a_value_that_would_empty_it(void **state)
{
    char value[2000] = {0};
    struct lru *lru = lru_new(8000);
    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    put(lru, 1, "small");
    put(lru, 2, value);
    assert_value(lru, 2, NULL);
    assert_value(lru, 1, "small");
    lru_destroy(&lru);
}

static void lru_drops_what_it_is_told_to(void **state)
{
    struct lru *lru = lru_new(1 << 16);
    (void)state;
    put(lru, 1, "one");
    lru_drop(lru, key_of(1));
    lru_drop(lru, key_of(1));
    assert_value(lru, 1, NULL);
    lru_destroy(&lru);
}

/* --- against a list that is searched from end to end --- */

enum { KEYS = 500, STEPS = 20000 };

struct model {
    bool there[KEYS];
    uint64_t until_ms[KEYS];
    unsigned value[KEYS];
};

static void check(struct lru *lru, const struct model *model, unsigned number, uint64_t now_ms)
{
    struct slice got = lru_get(lru, key_of(number), now_ms);
    bool lives = model->there[number] && model->until_ms[number] > now_ms;
    assert_int_equal(got.ptr != NULL, lives);
    if (lives) assert_memory_equal(got.ptr, &model->value[number], sizeof(unsigned));
}

static void lru_agrees_with_a_naive_model(void **state)
{
    struct lru *lru = lru_new(1 << 20);
    static struct model model;
    (void)state;
    srand(7);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned number = (unsigned)rand() % KEYS;
        uint64_t now_ms = NOW + step;
        switch (rand() % 3) {
        case 0:
            model.there[number] = true;
            model.value[number] = step;
            model.until_ms[number] = now_ms + 1 + (unsigned)rand() % 1000;
            lru_put(lru, key_of(number), (struct slice){(const char *)&step, sizeof(step)},
                    model.until_ms[number], now_ms);
            break;
        case 1:
            model.there[number] = false;
            lru_drop(lru, key_of(number));
            break;
        default: check(lru, &model, number, now_ms);
        }
    }
    assert_int_equal(lru_evicted(lru), 0);
    lru_destroy(&lru);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lru_answers_the_newest_value_of_a_key),
        cmocka_unit_test(lru_keeps_an_empty_value_apart_from_none),
        cmocka_unit_test(lru_forgets_a_value_at_its_end),
        cmocka_unit_test(lru_gives_up_what_was_used_longest_ago),
        cmocka_unit_test(lru_does_not_keep_a_value_that_would_empty_it),
        cmocka_unit_test(lru_drops_what_it_is_told_to),
        cmocka_unit_test(lru_agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
