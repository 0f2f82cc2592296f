/* Products with eight-bit weights, beside the plain sum; every kernel that this processor has. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/hash.h"
#include "workers/embedder/matrix.h"
#include "workers/embedder/row_math.h"

enum { DEPTH = 96, COLUMNS = 64, ROWS = 31 };

static float panel[MATRIX_DEPTH_MAX * MATRIX_PANEL] __attribute__((aligned(64)));
static float weights[DEPTH * COLUMNS], in[ROWS * DEPTH], bias[COLUMNS];

/* From -1 to 1. */
static float number(uint64_t seed)
{
    return (float)(hash_mix(seed) % 20001) / 10000 - 1;
}

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(weights); i++)
        weights[i] = 0.013f * roundf(127 * number(i + 1));
    weights[5] = -0.013f * 127;
    for (size_t i = 0; i < ARRAY_LEN(in); i++) in[i] = number(i + 100000);
    for (size_t i = 0; i < COLUMNS; i++) bias[i] = number(i + 200000);
    return 0;
}

static double expected(size_t row, size_t column, size_t stride)
{
    double sum = bias[column];
    for (size_t k = 0; k < DEPTH; k++)
        sum += (double)in[row * stride + k] * weights[k * COLUMNS + column];
    return sum;
}

static void multiply(struct rows rows, enum matrix_mode mode, float *out)
{
    struct matrix matrix;
    assert_true(matrix_pack(&matrix, weights, DEPTH, COLUMNS));
    matrix_multiply(&matrix, rows, bias, mode, (struct rows){out, rows.count, COLUMNS}, panel);
    matrix_free(&matrix);
}

static void every_kernel_gives_the_plain_sums_for_any_number_of_rows(void **state)
{
    float out[ROWS * COLUMNS];
    const char *name;
    (void)state;
    for (size_t variant = 0; (name = matrix_variant(variant)); variant++) {
        assert_true(matrix_use(name));
        for (size_t count = 0; count <= ROWS; count++) {
            memset(out, 0, sizeof out);
            multiply((struct rows){in, count, DEPTH}, MATRIX_SET, out);
            for (size_t i = 0; i < count * COLUMNS; i++)
                if (fabs(out[i] - expected(i / COLUMNS, i % COLUMNS, DEPTH)) > 1e-4)
                    fail_msg("%s: row %zu of %zu, column %zu", name, i / COLUMNS, count,
                             i % COLUMNS);
            for (size_t i = count * COLUMNS; i < ARRAY_LEN(out); i++) assert_true(out[i] == 0);
        }
    }
    matrix_use(NULL);
}

static void kernels_with_fused_sums_agree_to_the_bit(void **state)
{
    float first[ROWS * COLUMNS], other[ROWS * COLUMNS];
    const char *name;
    (void)state;
    matrix_use(NULL);
    multiply((struct rows){in, ROWS, DEPTH}, MATRIX_SET, first);
    for (size_t i = 1; (name = matrix_variant(i)) && strcmp(name, "plain") != 0; i++) {
        matrix_use(name);
        multiply((struct rows){in, ROWS, DEPTH}, MATRIX_SET, other);
        assert_memory_equal(first, other, sizeof first);
    }
    matrix_use(NULL);
}

static void a_row_has_the_same_bits_whatever_is_beside_it(void **state)
{
    float all[ROWS * COLUMNS], one[COLUMNS];
    (void)state;
    multiply((struct rows){in, ROWS, DEPTH}, MATRIX_SET, all);
    for (size_t row = 0; row < ROWS; row++) {
        multiply((struct rows){in + row * DEPTH, 1, DEPTH}, MATRIX_SET, one);
        assert_memory_equal(one, all + row * COLUMNS, sizeof one);
    }
}

static void rows_may_overlap_and_results_may_be_added(void **state)
{
    enum { STRIDE = DEPTH / 3 };
    float out[ROWS * COLUMNS];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(out); i++) out[i] = 10;
    multiply((struct rows){in, ROWS, STRIDE}, MATRIX_ADD, out);
    for (size_t i = 0; i < ARRAY_LEN(out); i++)
        assert_true(fabs(out[i] - 10 - expected(i / COLUMNS, i % COLUMNS, STRIDE)) < 1e-4);
}

static void weights_that_are_not_of_eight_bits_are_refused(void **state)
{
    static const float odd[] = {0.0065f, NAN, INFINITY, -INFINITY, 0.013f * 127.5f};
    float kept = weights[7], none[DEPTH * MATRIX_PANEL] = {0};
    struct matrix matrix = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        weights[7] = odd[i];
        assert_false(matrix_pack(&matrix, weights, DEPTH, COLUMNS));
    }
    weights[7] = kept;
    assert_false(matrix_pack(&matrix, none, DEPTH, MATRIX_PANEL));
    assert_null(matrix.values);
}

static void a_normalised_row_has_mean_0_and_variance_1(void **state)
{
    static float row[256] __attribute__((aligned(64))), gain[256] __attribute__((aligned(64))),
        shift[256] __attribute__((aligned(64)));
    double sum = 0, square = 0;
    (void)state;
    for (size_t i = 0; i < 256; i++) row[i] = 5 + 3 * number(i), gain[i] = 2, shift[i] = 1;
    row_normalise(row, 256, gain, shift, 1e-12f);
    for (size_t i = 0; i < 256; i++) sum += row[i], square += (row[i] - 1) * (row[i] - 1);
    assert_true(fabs(sum / 256 - 1) < 1e-5 && fabs(square / 256 - 4) < 1e-4);
}

static void positive_parts_are_added(void **state)
{
    static float base[16] __attribute__((aligned(64))), row[16] __attribute__((aligned(64))),
        out[16] __attribute__((aligned(64)));
    (void)state;
    for (size_t i = 0; i < 16; i++) base[i] = 100, row[i] = (float)i - 8;
    row_add_positive(base, row, 16, out);
    for (size_t i = 0; i < 16; i++) assert_true(out[i] == (i > 8 ? 100 + (float)i - 8 : 100));
    row_positive(row, 16);
    for (size_t i = 0; i < 16; i++) assert_true(row[i] == (i > 8 ? (float)i - 8 : 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_gives_the_plain_sums_for_any_number_of_rows),
        cmocka_unit_test(kernels_with_fused_sums_agree_to_the_bit),
        cmocka_unit_test(a_row_has_the_same_bits_whatever_is_beside_it),
        cmocka_unit_test(rows_may_overlap_and_results_may_be_added),
        cmocka_unit_test(weights_that_are_not_of_eight_bits_are_refused),
        cmocka_unit_test(a_normalised_row_has_mean_0_and_variance_1),
        cmocka_unit_test(positive_parts_are_added),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
