/* The compiler's vectors and its clones for each kind of processor: no intrinsics. */
#include "workers/embedder/row_math.h"

#include <math.h>

typedef float lanes __attribute__((vector_size(ROW_LANES * sizeof(float)), may_alias));
typedef int32_t mask __attribute__((vector_size(ROW_LANES * sizeof(int32_t)), may_alias));

#if defined(__x86_64__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

#define ROW(pointer)       ((lanes *)(pointer))
#define CONST_ROW(pointer) ((const lanes *)(pointer))

FOR_EACH_PROCESSOR void row_widen(const uint8_t *bytes, size_t count, float scale, float lo,
                                  float *out)
{
    for (size_t i = 0; i < count; i++) out[i] = (float)bytes[i] * scale + lo;
}

/* A macro, for a function would not be of the clone that calls it. */
#define SUM(vector)                                                \
    ({                                                             \
        float sum = 0;                                             \
        for (size_t i = 0; i < ROW_LANES; i++) sum += (vector)[i]; \
        sum;                                                       \
    })

FOR_EACH_PROCESSOR void row_normalise(float *row, size_t count, const float *gain,
                                      const float *bias, float eps)
{
    lanes total = {0}, square = {0};
    for (size_t i = 0; i < count; i += ROW_LANES) total += *ROW(row + i);
    float mean = SUM(total) / (float)count;
    for (size_t i = 0; i < count; i += ROW_LANES) {
        lanes difference = *ROW(row + i) - mean;
        square += difference * difference;
    }
    float scale = 1 / sqrtf(SUM(square) / (float)count + eps);
    for (size_t i = 0; i < count; i += ROW_LANES)
        *ROW(row + i) =
            (*ROW(row + i) - mean) * scale * *CONST_ROW(gain + i) + *CONST_ROW(bias + i);
}

static const lanes zeros;

#define POSITIVE(vector) ((lanes)((mask)(vector) & ((vector) > zeros)))

FOR_EACH_PROCESSOR void row_add_positive(const float *base, const float *row, size_t count,
                                         float *out)
{
    for (size_t i = 0; i < count; i += ROW_LANES) {
        lanes value = *CONST_ROW(row + i);
        *ROW(out + i) = *CONST_ROW(base + i) + POSITIVE(value);
    }
}

FOR_EACH_PROCESSOR void row_positive(float *row, size_t count)
{
    for (size_t i = 0; i < count; i += ROW_LANES) {
        lanes value = *ROW(row + i);
        *ROW(row + i) = POSITIVE(value);
    }
}

FOR_EACH_PROCESSOR void row_add(float *sum, const float *row, size_t count)
{
    for (size_t i = 0; i < count; i += ROW_LANES) *ROW(sum + i) += *CONST_ROW(row + i);
}

FOR_EACH_PROCESSOR float row_dot(const float *a, const float *b, size_t count)
{
    lanes total = {0};
    for (size_t i = 0; i < count; i += ROW_LANES) total += *CONST_ROW(a + i) * *CONST_ROW(b + i);
    return SUM(total);
}
