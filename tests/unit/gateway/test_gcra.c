/* The rate of requests, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/gcra.h"

#define S UINT64_C(1000000)

static const struct gcra_rule rule = {.interval_us = 2 * S, .burst = 3};

static void a_burst_is_let_in_and_then_one_each_interval(void **state)
{
    static const struct {
        uint64_t now_s;
        bool allowed;
        uint64_t remaining, retry_s, reset_s;
    } table[] = {
        {100, true, 2, 0, 2},  {100, true, 1, 0, 4},  {100, true, 0, 0, 6},
        {100, false, 0, 2, 6}, {101, false, 0, 1, 5}, {102, true, 0, 0, 6},
        {103, false, 0, 1, 5}, {106, true, 1, 0, 4},  {200, true, 2, 0, 2},
    };
    uint64_t due_us = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct gcra_verdict got = gcra_take(&rule, due_us, table[i].now_s * S);
        if (got.allowed != table[i].allowed || got.remaining != table[i].remaining ||
            got.retry_us != table[i].retry_s * S || got.reset_us != table[i].reset_s * S)
            fail_msg("at %zu: allowed %d, %ju left, again in %ju us, all in %ju us", i, got.allowed,
                     (uintmax_t)got.remaining, (uintmax_t)got.retry_us, (uintmax_t)got.reset_us);
        due_us = got.due_us;
    }
}

static void a_refused_request_costs_nothing(void **state)
{
    uint64_t due_us = 0;
    (void)state;
    for (int i = 0; i < 3; i++) due_us = gcra_take(&rule, due_us, S).due_us;
    for (int i = 0; i < 1000; i++) assert_int_equal(gcra_take(&rule, due_us, S).due_us, due_us);
    assert_true(gcra_take(&rule, due_us, 3 * S).allowed);
}

static void a_burst_of_one_is_a_steady_beat(void **state)
{
    static const struct gcra_rule beat = {.interval_us = S, .burst = 1};
    uint64_t due_us = 0, allowed = 0;
    (void)state;
    for (uint64_t now_us = S; now_us < 101 * S; now_us += S / 10) {
        struct gcra_verdict got = gcra_take(&beat, due_us, now_us);
        due_us = got.due_us;
        allowed += got.allowed;
    }
    assert_int_equal(allowed, 100);
}

/* As after the burst has become a smaller one. */
static void a_debt_beyond_the_burst_is_waited_for(void **state)
{
    struct gcra_verdict got = gcra_take(&rule, 20 * S, 10 * S);
    (void)state;
    assert_false(got.allowed);
    assert_int_equal(got.remaining, 0);
    assert_int_equal(got.retry_us, 6 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_let_in_and_then_one_each_interval),
        cmocka_unit_test(a_refused_request_costs_nothing),
        cmocka_unit_test(a_burst_of_one_is_a_steady_beat),
        cmocka_unit_test(a_debt_beyond_the_burst_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
