/* dpbusd multiplies unsigned with signed bytes, so the query is shifted up by 128 and 128 times the
 * row's sum taken off again. maddubs would saturate; AVX2 therefore widens to 16 bits first. */
#include "workers/retriever/scan.h"

#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { SHIFT = 128 };

struct scan {
    const int8_t *query;
    const int8_t *rows;
    const int32_t *sums;
    size_t count, stride;
    int32_t *dots;
};

float scan_quantise(const float *vector, size_t dimensions, int8_t *out, int32_t *sum)
{
    float largest = 0;
    bool finite = true;
    for (size_t i = 0; i < dimensions; i++) {
        finite &= isfinite(vector[i]) != 0;
        largest = fmaxf(largest, fabsf(vector[i]));
    }
    memset(out, 0, scan_stride(dimensions));
    *sum = 0;
    if (!finite || largest < 1e-30f) return 0;
    for (size_t i = 0; i < dimensions; i++) {
        out[i] = (int8_t)lrintf(vector[i] / largest * 127.0f);
        *sum += out[i];
    }
    return largest / 127.0f;
}

static void dots_plain(const struct scan *scan)
{
    for (size_t row = 0; row < scan->count; row++) {
        const int8_t *values = scan->rows + row * scan->stride;
        int32_t dot = 0;
        for (size_t i = 0; i < scan->stride; i++) dot += scan->query[i] * values[i];
        scan->dots[row] = dot;
    }
}

#if defined(__x86_64__)

static void shift_query(const struct scan *scan, uint8_t *shifted)
{
    for (size_t i = 0; i < scan->stride; i++) shifted[i] = (uint8_t)(scan->query[i] + SHIFT);
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static void
dots_avx512vnni(const struct scan *scan)
{
    _Alignas(SCAN_LANE) uint8_t query[SCAN_DIMENSIONS_MAX];
    shift_query(scan, query);
    for (size_t row = 0; row < scan->count; row++) {
        const int8_t *values = scan->rows + row * scan->stride;
        __m512i even = _mm512_setzero_si512(), odd = even;
        size_t i = 0;
        for (; i + 128 <= scan->stride; i += 128) {
            even = _mm512_dpbusd_epi32(even, _mm512_load_si512(query + i),
                                       _mm512_load_si512(values + i));
            odd = _mm512_dpbusd_epi32(odd, _mm512_load_si512(query + i + 64),
                                      _mm512_load_si512(values + i + 64));
        }
        if (i < scan->stride)
            even = _mm512_dpbusd_epi32(even, _mm512_load_si512(query + i),
                                       _mm512_load_si512(values + i));
        scan->dots[row] =
            _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd)) - SHIFT * scan->sums[row];
    }
}

__attribute__((target("avx2"))) static int32_t sum_avx2(__m256i v)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

__attribute__((target("avx2,avxvnni"))) static void dots_avxvnni(const struct scan *scan)
{
    _Alignas(SCAN_LANE) uint8_t query[SCAN_DIMENSIONS_MAX];
    shift_query(scan, query);
    for (size_t row = 0; row < scan->count; row++) {
        const int8_t *values = scan->rows + row * scan->stride;
        __m256i even = _mm256_setzero_si256(), odd = even;
        for (size_t i = 0; i < scan->stride; i += 64) {
            even = _mm256_dpbusd_avx_epi32(even, _mm256_load_si256((const void *)(query + i)),
                                           _mm256_load_si256((const void *)(values + i)));
            odd = _mm256_dpbusd_avx_epi32(odd, _mm256_load_si256((const void *)(query + i + 32)),
                                          _mm256_load_si256((const void *)(values + i + 32)));
        }
        scan->dots[row] = sum_avx2(_mm256_add_epi32(even, odd)) - SHIFT * scan->sums[row];
    }
}

__attribute__((target("avx2"))) static __m256i widen_avx2(const int8_t *values)
{
    return _mm256_cvtepi8_epi16(_mm_load_si128((const void *)values));
}

__attribute__((target("avx2"))) static void dots_avx2(const struct scan *scan)
{
    for (size_t row = 0; row < scan->count; row++) {
        const int8_t *values = scan->rows + row * scan->stride, *query = scan->query;
        __m256i even = _mm256_setzero_si256(), odd = even;
        for (size_t i = 0; i < scan->stride; i += 32) {
            __m256i low = _mm256_madd_epi16(widen_avx2(query + i), widen_avx2(values + i));
            __m256i high =
                _mm256_madd_epi16(widen_avx2(query + i + 16), widen_avx2(values + i + 16));
            even = _mm256_add_epi32(even, low);
            odd = _mm256_add_epi32(odd, high);
        }
        scan->dots[row] = sum_avx2(_mm256_add_epi32(even, odd));
    }
}

/* __builtin_cpu_supports does not know every name in the compilers that we build with. */
static bool has_avxvnni(void)
{
    uint32_t a = 7, b, c = 1, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return __builtin_cpu_supports("avx2") && (a >> 4 & 1);
}

static bool has_avx512vnni(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

#elif defined(__aarch64__)

static void dots_neon(const struct scan *scan)
{
    for (size_t row = 0; row < scan->count; row++) {
        const int8_t *values = scan->rows + row * scan->stride, *query = scan->query;
        int32x4_t sum = vdupq_n_s32(0);
        for (size_t i = 0; i < scan->stride; i += 16) {
            int8x16_t a = vld1q_s8(query + i), b = vld1q_s8(values + i);
            sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
            sum = vpadalq_s16(sum, vmull_s8(vget_high_s8(a), vget_high_s8(b)));
        }
        scan->dots[row] = vaddvq_s32(sum);
    }
}

#endif

static bool always(void)
{
    return true;
}

static const struct variant {
    const char *name;
    bool (*runs)(void);
    void (*dots)(const struct scan *scan);
} variants[] = {
#if defined(__x86_64__)
    {"avx512vnni", has_avx512vnni, dots_avx512vnni},
    {"avxvnni", has_avxvnni, dots_avxvnni},
    {"avx2", has_avx2, dots_avx2},
#elif defined(__aarch64__)
    {"neon", always, dots_neon},
#endif
    {"plain", always, dots_plain},
};

static const struct variant *chosen;

const char *scan_variant(size_t index)
{
    for (size_t i = 0; i < ARRAY_LEN(variants); i++)
        if (variants[i].runs() && index-- == 0) return variants[i].name;
    return NULL;
}

bool scan_use(const char *name)
{
    if (!name) name = scan_variant(0);
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        if (strcmp(variants[i].name, name) != 0 || !variants[i].runs()) continue;
        chosen = &variants[i];
        return true;
    }
    return false;
}

void scan_dots(const int8_t *query, const int8_t *rows, const int32_t *sums, size_t count,
               size_t stride, int32_t *dots)
{
    if (!chosen) scan_use(NULL);
    chosen->dots(&(struct scan){query, rows, sums, count, stride, dots});
}
