/*
 *     matrix_multiply: a panel of columns is widened to floats ─▶ for each block of rows ─▶
 *     kernel (sums stay in registers while the depth goes by) ─▶ store (step, bias)
 *
 * A kernel is made for each kind of register and number of rows by DEFINE_KERNEL; the compiler's
 * vectors stand for intrinsics, so that the one text serves every processor. */
#include "workers/embedder/matrix.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_MAX = 12, ALIGNMENT = 64 };

struct block {
    const float *in, *panel;
    size_t in_stride, depth;
    float *sums; /* [rows][MATRIX_PANEL] */
};

typedef void kernel(const struct block *block);

/* Columns `AT` and on of a panel, two registers of them. */
#define PART(VECTOR, ROWS, AT)                                                       \
    do {                                                                             \
        enum { LANES = sizeof(VECTOR) / sizeof(float) };                             \
        VECTOR left[ROWS] = {0}, right[ROWS] = {0};                                  \
        const float *in = block->in, *panel = block->panel + (AT);                   \
        const size_t stride = block->in_stride, depth = block->depth;                \
        for (size_t k = 0; k < depth; k++, panel += MATRIX_PANEL) {                  \
            VECTOR a = *(const VECTOR *)panel, b = *(const VECTOR *)(panel + LANES); \
            _Pragma("GCC unroll 16") for (size_t row = 0; row < ROWS; row++)         \
            {                                                                        \
                left[row] += a * in[row * stride + k];                               \
                right[row] += b * in[row * stride + k];                              \
            }                                                                        \
        }                                                                            \
        float *sums = block->sums + (AT);                                            \
        _Pragma("GCC unroll 16") for (size_t row = 0; row < ROWS; row++)             \
        {                                                                            \
            *(VECTOR *)(sums + row * MATRIX_PANEL) = left[row];                      \
            *(VECTOR *)(sums + row * MATRIX_PANEL + LANES) = right[row];             \
        }                                                                            \
    } while (0)

#define DEFINE_KERNEL(NAME, VECTOR, TARGET, ROWS)                                   \
    TARGET static void NAME##_##ROWS(const struct block *block)                     \
    {                                                                               \
        enum { WIDTH = 2 * sizeof(VECTOR) / sizeof(float) };                        \
        for (size_t at = 0; at < MATRIX_PANEL; at += WIDTH) PART(VECTOR, ROWS, at); \
    }

#define DEFINE_WIDEN(NAME, TARGET)                                                  \
    TARGET static void NAME##_widen(const int8_t *values, size_t count, float *out) \
    {                                                                               \
        for (size_t i = 0; i < count; i++) out[i] = values[i];                      \
    }

#define UP_TO_4(X, ...) X(__VA_ARGS__, 1) X(__VA_ARGS__, 2) X(__VA_ARGS__, 3) X(__VA_ARGS__, 4)
#define UP_TO_6(X, ...) UP_TO_4(X, __VA_ARGS__) X(__VA_ARGS__, 5) X(__VA_ARGS__, 6)
#define UP_TO_12(X, ...)    \
    UP_TO_6(X, __VA_ARGS__) \
    X(__VA_ARGS__, 7)       \
    X(__VA_ARGS__, 8) X(__VA_ARGS__, 9) X(__VA_ARGS__, 10) X(__VA_ARGS__, 11) X(__VA_ARGS__, 12)
#define KERNEL_NAME(NAME, ROWS) NAME##_##ROWS,

typedef float vector4 __attribute__((vector_size(16), may_alias));
typedef float vector8 __attribute__((vector_size(32), may_alias));
typedef float vector16 __attribute__((vector_size(64), may_alias));

#if defined(__x86_64__)

#define AVX512 __attribute__((target("avx512f,fma")))
#define AVX2   __attribute__((target("avx2,fma")))
UP_TO_12(DEFINE_KERNEL, avx512, vector16, AVX512)
UP_TO_6(DEFINE_KERNEL, avx2, vector8, AVX2)
DEFINE_WIDEN(avx512, AVX512)
DEFINE_WIDEN(avx2, AVX2)

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#endif

UP_TO_6(DEFINE_KERNEL, plain, vector4, )
DEFINE_WIDEN(plain, )

static bool always(void)
{
    return true;
}

static const struct variant {
    const char *name;
    bool (*runs)(void);
    void (*widen)(const int8_t *values, size_t count, float *out);
    size_t rows_max;
    kernel *kernels[ROWS_MAX]; /* for 1, 2, ... rows */
} variants[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, avx512_widen, 12, {UP_TO_12(KERNEL_NAME, avx512)}},
    {"avx2", has_avx2, avx2_widen, 6, {UP_TO_6(KERNEL_NAME, avx2)}},
#endif
    {"plain", always, plain_widen, 6, {UP_TO_6(KERNEL_NAME, plain)}},
};

static const struct variant *chosen;

const char *matrix_variant(size_t index)
{
    for (size_t i = 0; i < ARRAY_LEN(variants); i++)
        if (variants[i].runs() && index-- == 0) return variants[i].name;
    return NULL;
}

bool matrix_use(const char *name)
{
    if (!name) name = matrix_variant(0);
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        if (strcmp(variants[i].name, name) != 0 || !variants[i].runs()) continue;
        chosen = &variants[i];
        return true;
    }
    return false;
}

/* --- weights --- */

static float largest_of(const float *values, size_t count)
{
    float largest = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) return INFINITY;
        largest = fmaxf(largest, fabsf(values[i]));
    }
    return largest;
}

bool matrix_pack(struct matrix *matrix, const float *values, size_t depth, size_t columns)
{
    struct matrix packed = {depth, columns, largest_of(values, depth * columns) / INT8_MAX, NULL};
    if (!(packed.step > 0) || !isfinite(packed.step)) return false;
    packed.values = xmalloc(depth * columns);
    for (size_t row = 0; row < depth; row++)
        for (size_t column = 0; column < columns; column++) {
            float value = values[row * columns + column];
            float steps = rintf(value / packed.step);
            size_t panel = column / MATRIX_PANEL;
            if (fabsf(steps * packed.step - value) > 1e-5f * packed.step) {
                matrix_free(&packed);
                return false;
            }
            packed.values[(panel * depth + row) * MATRIX_PANEL + column % MATRIX_PANEL] =
                (int8_t)steps;
        }
    *matrix = packed;
    return true;
}

void matrix_free(struct matrix *matrix)
{
    free(matrix->values);
    *matrix = (struct matrix){0};
}

/* --- the product --- */

struct target {
    float step;
    const float *bias; /* of the panel's columns */
    enum matrix_mode mode;
    float *out;
    size_t stride;
};

static void store(const struct target *target, const float *sums, size_t rows)
{
    static const float no_bias[MATRIX_PANEL];
    const float *bias = target->bias ? target->bias : no_bias;
    for (size_t row = 0; row < rows; row++, sums += MATRIX_PANEL) {
        float *out = target->out + row * target->stride;
        for (size_t i = 0; i < MATRIX_PANEL; i++) {
            float value = sums[i] * target->step + bias[i];
            out[i] = target->mode == MATRIX_ADD ? out[i] + value : value;
        }
    }
}

/* Blocks of even height: 14 rows are 7 and 7 rather than 12 and 2. */
static void multiply_panel(const struct variant *variant, struct rows in, size_t depth,
                           const float *panel, struct target target)
{
    _Alignas(ALIGNMENT) float sums[ROWS_MAX * MATRIX_PANEL];
    size_t blocks = (in.count + variant->rows_max - 1) / variant->rows_max;
    for (size_t row = 0; row < in.count; blocks--) {
        size_t rows = (in.count - row + blocks - 1) / blocks;
        struct block block = {in.values + row * in.stride, panel, in.stride, depth, sums};
        variant->kernels[rows - 1](&block);
        store(&target, sums, rows);
        target.out += rows * target.stride;
        row += rows;
    }
}

void matrix_multiply(const struct matrix *matrix, struct rows in, const float *bias,
                     enum matrix_mode mode, struct rows out, float *panel)
{
    if (!chosen) matrix_use(NULL);
    for (size_t column = 0; column < matrix->columns; column += MATRIX_PANEL) {
        struct target target = {matrix->step, bias ? bias + column : NULL, mode,
                                out.values + column, out.stride};
        chosen->widen(matrix->values + column * matrix->depth, matrix->depth * MATRIX_PANEL, panel);
        multiply_panel(chosen, in, matrix->depth, panel, target);
    }
}
