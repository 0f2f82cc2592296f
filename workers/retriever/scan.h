/* Dot products of one int8 vector with many, by the widest instructions that the processor has.
 * They are sums of integers, so every variant gives the same numbers. */
#ifndef MILLRACE_RETRIEVER_SCAN_H
#define MILLRACE_RETRIEVER_SCAN_H

#include "common/base.h"

/* Vectors are padded with zeros to a multiple of SCAN_LANE bytes and lie SCAN_LANE-aligned. */
enum { SCAN_LANE = 64, SCAN_DIMENSIONS_MAX = 8192 };

static inline size_t scan_stride(size_t dimensions)
{
    return (dimensions + SCAN_LANE - 1) / SCAN_LANE * SCAN_LANE;
}

/* Writes a vector as int8 (scan_stride(dimensions) bytes) and returns its scale: a component is
 * about its int8 times the scale. *sum is the sum of the int8 values. A vector that is zero, or not
 * finite, has scale 0. */
float scan_quantise(const float *vector, size_t dimensions, int8_t *out, int32_t *sum);

/* The query times each of `count` rows, `stride` bytes each; `sums` are the rows' own. */
void scan_dots(const int8_t *query, const int8_t *rows, const int32_t *sums, size_t count,
               size_t stride, int32_t *dots);

/* The variants, for tests and for the log: "avx512vnni", "avxvnni", "avx2", "neon", "plain". Names
 * end with NULL; only those that this processor can run are listed, the best first. */
const char *scan_variant(size_t index);
/* Uses one of them from now on; false if it cannot run here. NULL: the best again. */
bool scan_use(const char *name);

#endif
