/* A circuit breaker under a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/breaker.h"

static const struct breaker_limits limits = {.failures = 3, .open_ms = 1000};

static struct breaker opened_at(uint64_t now_ms)
{
    struct breaker breaker = {0};
    for (uint64_t i = 0; i < limits.failures; i++) breaker_failure(&breaker, &limits, now_ms);
    return breaker;
}

static void opens_after_failures_in_a_row(void **state)
{
    struct breaker breaker = {0};
    (void)state;
    breaker_failure(&breaker, &limits, 10);
    breaker_failure(&breaker, &limits, 20);
    breaker_success(&breaker); /* the row begins anew */
    breaker_failure(&breaker, &limits, 30);
    breaker_failure(&breaker, &limits, 40);
    assert_true(breaker_admits(&breaker, &limits, 40));
    assert_int_equal(breaker_wait_ms(&breaker, 40), 0);
    breaker_failure(&breaker, &limits, 50);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_false(breaker_admits(&breaker, &limits, 50));
    assert_int_equal(breaker_wait_ms(&breaker, 50), 1000);
    assert_false(breaker_admits(&breaker, &limits, 1049));
}

static void lets_one_try_once_it_was_open_long_enough(void **state)
{
    struct breaker breaker = opened_at(100);
    (void)state;
    assert_true(breaker_admits(&breaker, &limits, 1100));
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    assert_false(breaker_admits(&breaker, &limits, 1100));
    assert_int_equal(breaker_wait_ms(&breaker, 1100), 1000);
}

static void trial_that_succeeds_closes_it(void **state)
{
    struct breaker breaker = opened_at(100);
    (void)state;
    assert_true(breaker_admits(&breaker, &limits, 1100));
    breaker_success(&breaker);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    breaker_failure(&breaker, &limits, 1200); /* one failure alone is forgiven again */
    assert_true(breaker_admits(&breaker, &limits, 1200));
}

static void trial_that_fails_opens_it_for_another_while(void **state)
{
    struct breaker breaker = opened_at(100);
    (void)state;
    assert_true(breaker_admits(&breaker, &limits, 1100));
    breaker_failure(&breaker, &limits, 1500);
    assert_false(breaker_admits(&breaker, &limits, 2499));
    assert_true(breaker_admits(&breaker, &limits, 2500));
}

static void trial_that_never_comes_back_counts_as_failed(void **state)
{
    struct breaker breaker = opened_at(100);
    (void)state;
    assert_true(breaker_admits(&breaker, &limits, 1100));
    assert_false(breaker_admits(&breaker, &limits, 2100)); /* failed at 2100, open until 3100 */
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker_wait_ms(&breaker, 2100), 1000);
    assert_true(breaker_admits(&breaker, &limits, 3100));
}

static void trial_that_is_forgotten_leaves_room_for_the_next(void **state)
{
    struct breaker breaker = opened_at(100);
    (void)state;
    assert_true(breaker_admits(&breaker, &limits, 1100));
    breaker_forget(&breaker);
    assert_int_equal(breaker_wait_ms(&breaker, 1100), 0);
    assert_true(breaker_admits(&breaker, &limits, 1100));
    assert_false(breaker_admits(&breaker, &limits, 1100));
}

static void forgetting_changes_nothing_where_no_trial_is_out(void **state)
{
    struct breaker closed = {.failures = 2}, open = opened_at(100);
    (void)state;
    breaker_forget(&closed);
    assert_int_equal(closed.failures, 2);
    assert_int_equal(closed.state, BREAKER_CLOSED);
    breaker_forget(&open);
    assert_false(breaker_admits(&open, &limits, 1000));
}

static void stragglers_do_not_keep_it_open(void **state)
{
    struct breaker breaker = opened_at(100);
    (void)state;
    for (uint64_t now = 200; now < 1100; now += 100) breaker_failure(&breaker, &limits, now);
    assert_true(breaker_admits(&breaker, &limits, 1100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_failures_in_a_row),
        cmocka_unit_test(lets_one_try_once_it_was_open_long_enough),
        cmocka_unit_test(trial_that_succeeds_closes_it),
        cmocka_unit_test(trial_that_fails_opens_it_for_another_while),
        cmocka_unit_test(trial_that_never_comes_back_counts_as_failed),
        cmocka_unit_test(trial_that_is_forgotten_leaves_room_for_the_next),
        cmocka_unit_test(forgetting_changes_nothing_where_no_trial_is_out),
        cmocka_unit_test(stragglers_do_not_keep_it_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
