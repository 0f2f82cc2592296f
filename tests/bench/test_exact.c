/* The exact search that recall is measured against. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/exact.h"

enum { DIMENSIONS = 19 }; /* no multiple of what is added side by side */

/* A vector at an angle to the first axis, its rest on the last. */
static void at_angle(double degrees, float *vector)
{
    memset(vector, 0, DIMENSIONS * sizeof(*vector));
    vector[0] = (float)cos(degrees * 0.017453292519943295);
    vector[DIMENSIONS - 1] = (float)sin(degrees * 0.017453292519943295);
}

/* Vectors 0, 1, 2 ... degrees off, their number their id, in an order of no use. */
static void offer_degrees(struct nearest *nearest, size_t count)
{
    float question[DIMENSIONS], vector[DIMENSIONS];
    at_angle(0, question);
    for (size_t i = 0; i < count; i++) {
        uint64_t degrees = i * 7 % count; /* 7 and count have no divisor in common */
        at_angle((double)degrees, vector);
        nearest_offer(nearest, question, vector, DIMENSIONS, degrees);
    }
}

static void of_many_the_nearest_ten_are_kept_best_first(void **state)
{
    struct nearest nearest = {0};
    (void)state;
    offer_degrees(&nearest, 90);
    assert_int_equal(nearest.count, EXACT_TOP);
    for (size_t i = 0; i < EXACT_TOP; i++) assert_int_equal(nearest.ids[i], i);
}

static void of_a_few_all_are_kept(void **state)
{
    struct nearest nearest = {0};
    (void)state;
    offer_degrees(&nearest, 4);
    assert_int_equal(nearest.count, 4);
    for (size_t i = 0; i < 4; i++) assert_int_equal(nearest.ids[i], i);
}

static void of_equals_the_first_that_came_stays(void **state)
{
    struct nearest nearest = {0};
    float question[DIMENSIONS];
    (void)state;
    at_angle(0, question);
    for (uint64_t id = 0; id < 12; id++)
        nearest_offer(&nearest, question, question, DIMENSIONS, id);
    for (size_t i = 0; i < EXACT_TOP; i++) assert_int_equal(nearest.ids[i], i);
}

static void what_was_found_is_counted_wherever_it_stands(void **state)
{
    static const struct {
        uint64_t ids[4];
        size_t count, want;
    } cases[] = {{{0}, 0, 0}, {{5, 0, 9, 1}, 4, 4}, {{10, 88, 3, 77}, 4, 1}, {{80, 81}, 2, 0}};
    struct nearest nearest = {0};
    (void)state;
    offer_degrees(&nearest, 90);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t got = nearest_among(&nearest, cases[i].ids, cases[i].count);
        assert_int_equal(got, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_many_the_nearest_ten_are_kept_best_first),
        cmocka_unit_test(of_a_few_all_are_kept),
        cmocka_unit_test(of_equals_the_first_that_came_stays),
        cmocka_unit_test(what_was_found_is_counted_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
