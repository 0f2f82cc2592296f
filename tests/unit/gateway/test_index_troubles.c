#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/index_troubles.h"

static void put(struct index_troubles *troubles, uint64_t portfolio, const char *embedder,
                uint64_t at)
{
    index_troubles_put(troubles, portfolio, slice_of(embedder), ERR_PROVIDER_TIMEOUT, at);
}

static void a_portfolio_and_embedder_has_one_trouble_the_newest(void **state)
{
    struct index_trouble got;
    struct index_troubles *troubles = index_troubles_new();
    (void)state;
    put(troubles, 1, "a", 1000);
    put(troubles, 1, "b", 2000);
    put(troubles, 2, "a", 3000);
    put(troubles, 1, "a", 4000);
    assert_int_equal(index_troubles_count(troubles, 0), 3);
    assert_true(index_troubles_at(troubles, 0, &got));
    assert_int_equal(got.retry_at_ms, 4000);
    assert_string_equal(got.embedder, "a");
    assert_false(index_troubles_at(troubles, 3, &got));
    index_troubles_destroy(&troubles);
}

static void one_that_works_again_leaves_the_others(void **state)
{
    struct index_trouble got;
    struct index_troubles *troubles = index_troubles_new();
    (void)state;
    put(troubles, 1, "a", 1000);
    put(troubles, 2, "a", 1000);
    index_troubles_clear(troubles, 1, SLICE("b"));
    index_troubles_clear(troubles, 1, SLICE("a"));
    assert_int_equal(index_troubles_count(troubles, 0), 1);
    assert_true(index_troubles_at(troubles, 0, &got));
    assert_int_equal(got.portfolio_id, 2);
    index_troubles_destroy(&troubles);
}

static void what_is_not_heard_of_again_is_forgotten(void **state)
{
    struct index_troubles *troubles = index_troubles_new();
    (void)state;
    put(troubles, 1, "a", 1000);
    put(troubles, 2, "a", 50000);
    assert_int_equal(index_troubles_count(troubles, 60000), 2);
    assert_int_equal(index_troubles_count(troubles, 70000), 1);
    index_troubles_destroy(&troubles);
}

static void they_are_bounded(void **state)
{
    struct index_troubles *troubles = index_troubles_new();
    (void)state;
    for (uint64_t id = 1; id <= 10000; id++) put(troubles, id, "a", 1000);
    assert_int_equal(index_troubles_count(troubles, 0), 256);
    index_troubles_destroy(&troubles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_portfolio_and_embedder_has_one_trouble_the_newest),
        cmocka_unit_test(one_that_works_again_leaves_the_others),
        cmocka_unit_test(what_is_not_heard_of_again_is_forgotten),
        cmocka_unit_test(they_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
