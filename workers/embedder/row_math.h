/* Arithmetic on rows of floats, in the order of sixteen lanes whatever the registers' width: the
 * same bits on every processor. Counts are multiples of ROW_LANES, rows are aligned to 64 bytes
 * unless it says otherwise. Pure. */
#ifndef MILLRACE_EMBEDDER_ROW_MATH_H
#define MILLRACE_EMBEDDER_ROW_MATH_H

#include "common/base.h"

enum { ROW_LANES = 16 };

/* out = bytes * scale + lo. `bytes` need no alignment. */
void row_widen(const uint8_t *bytes, size_t count, float scale, float lo, float *out);
/* Brings a row to mean 0 and variance 1, then times `gain` plus `bias` (layer normalisation). */
void row_normalise(float *row, size_t count, const float *gain, const float *bias, float eps);
/* out = base + max(row, 0). */
void row_add_positive(const float *base, const float *row, size_t count, float *out);
void row_positive(float *row, size_t count);              /* row = max(row, 0) */
void row_add(float *sum, const float *row, size_t count); /* sum += row */
float row_dot(const float *a, const float *b, size_t count);

#endif
