/* Matrix products with weights of eight bits, for the model's forward pass.
 *
 * Every large matrix of the model is made of whole multiples of one step, from -127 to 127, so it
 * is kept as bytes, which loses nothing. A question has a dozen rows: its time is what it takes to
 * get the weights from memory, and bytes are a quarter of that. For the hundreds of rows of a
 * passage a panel of columns is widened once and used for all of them.
 *
 *     out[rows x columns] = in[rows x depth] . weights[depth x columns]
 *
 * Each value is summed in order of depth, whatever the number of rows beside it and however wide
 * the processor's registers are: with fused multiplication and addition (AVX2, AVX-512, NEON) a
 * text has the same bits on every machine and in every batch.
 *
 * No BLAS library: measured beside the model's own program on OpenBLAS (tests/bench, one core
 * of 2.5 GHz, milliseconds for 14 and for 213 tokens): AVX-512 .79, 5.6 for 1.9, 10.8; AVX2
 * .97, 8.5 for 1.75, 13.1; SSE 2.1, 25 for 3.2, 33. */
#ifndef MILLRACE_EMBEDDER_MATRIX_H
#define MILLRACE_EMBEDDER_MATRIX_H

#include "common/base.h"

enum { MATRIX_PANEL = 32, MATRIX_DEPTH_MAX = 1280 }; /* columns of a panel; rows of a matrix */

struct matrix {
    size_t depth, columns;
    float step;
    int8_t *values; /* panel after panel, each [depth][MATRIX_PANEL] */
};

/* Columns are a multiple of MATRIX_PANEL, depth is at most MATRIX_DEPTH_MAX. False if a value is no
 * multiple of a step of 1/127 of the largest. */
bool matrix_pack(struct matrix *matrix, const float *values, size_t depth, size_t columns) MUST_USE;
void matrix_free(struct matrix *matrix);

/* Rows lie `stride` floats apart; those of `in` may overlap (a window over rows is just that). */
struct rows {
    float *values;
    size_t count, stride;
};

enum matrix_mode { MATRIX_SET, MATRIX_ADD }; /* out =, out += */
/* `bias` has a value for each column, or is NULL. Not thread-safe against itself on one `panel`,
 * which is room for MATRIX_DEPTH_MAX * MATRIX_PANEL floats, aligned to 64 bytes. */
void matrix_multiply(const struct matrix *matrix, struct rows in, const float *bias,
                     enum matrix_mode mode, struct rows out, float *panel);

/* As scan_variant and scan_use: the kernels that this processor can run, best first; which one is
 * taken (NULL: the best). */
const char *matrix_variant(size_t index);
bool matrix_use(const char *name);

#endif
