#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "workers/retriever/scan.h"

enum { ROWS = 37, LONGEST = 1536 };

static uint32_t random_state = 12345;

static int8_t next_value(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return (int8_t)(random_state >> 24);
}

/* Rows of random values, of the extremes, and of zeros. */
static void fill(int8_t *rows, size_t row, size_t dimensions, size_t stride)
{
    memset(rows + row * stride, 0, stride);
    for (size_t i = 0; i < dimensions; i++) {
        int8_t value = row == 0 ? 127 : row == 1 ? -127 : row == 2 ? 0 : next_value();
        rows[row * stride + i] = value == -128 ? -127 : value;
    }
}

static void every_variant_gives_the_exact_sums(void **state)
{
    static const size_t dimensions[] = {1, 16, 63, 64, 65, 128, 384, 512, LONGEST};
    (void)state;
    for (size_t d = 0; d < ARRAY_LEN(dimensions); d++) {
        size_t stride = scan_stride(dimensions[d]);
        int8_t *rows = aligned_alloc(SCAN_LANE, ROWS * stride);
        int32_t sums[ROWS], got[ROWS];
        const char *name;
        for (size_t row = 0; row < ROWS; row++) {
            fill(rows, row, dimensions[d], stride);
            sums[row] = 0;
            for (size_t i = 0; i < stride; i++) sums[row] += rows[row * stride + i];
        }
        for (size_t v = 0; (name = scan_variant(v)); v++) {
            assert_true(scan_use(name));
            for (size_t query = 0; query < 4; query++) {
                scan_dots(rows + query * stride, rows, sums, ROWS, stride, got);
                for (size_t row = 0; row < ROWS; row++) {
                    int32_t want = 0;
                    for (size_t i = 0; i < stride; i++)
                        want += rows[query * stride + i] * rows[row * stride + i];
                    assert_int_equal(got[row], want);
                }
            }
        }
        free(rows);
    }
    scan_use(NULL);
}

static void plain_runs_everywhere_and_unknown_variants_nowhere(void **state)
{
    (void)state;
    assert_true(scan_use("plain"));
    assert_false(scan_use("abacus"));
    assert_true(scan_use(NULL));
}

static void quantising_keeps_values_within_half_a_step(void **state)
{
    float vector[100];
    _Alignas(SCAN_LANE) int8_t values[128];
    int32_t sum, want = 0;
    (void)state;
    for (size_t i = 0; i < 100; i++) vector[i] = (float)next_value() / 1000;
    float scale = scan_quantise(vector, 100, values, &sum);
    for (size_t i = 0; i < 128; i++) want += values[i];
    for (size_t i = 0; i < 100; i++)
        assert_true(fabsf((float)values[i] * scale - vector[i]) <= 0.501f * scale);
    assert_int_equal(sum, want);
}

static void what_is_no_direction_has_no_scale(void **state)
{
    float zero[3] = {0}, odd[3] = {1, NAN, 0}, endless[3] = {INFINITY, 0, 0};
    _Alignas(SCAN_LANE) int8_t values[64];
    int32_t sum;
    (void)state;
    assert_true(scan_quantise(zero, 3, values, &sum) == 0);
    assert_true(scan_quantise(odd, 3, values, &sum) == 0);
    assert_true(scan_quantise(endless, 3, values, &sum) == 0);
    assert_int_equal(sum, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_gives_the_exact_sums),
        cmocka_unit_test(plain_runs_everywhere_and_unknown_variants_nowhere),
        cmocka_unit_test(quantising_keeps_values_within_half_a_step),
        cmocka_unit_test(what_is_no_direction_has_no_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
