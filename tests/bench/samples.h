/* Times of one run, kept whole, so that percentiles are exact. */
#ifndef MILLRACE_BENCH_SAMPLES_H
#define MILLRACE_BENCH_SAMPLES_H

#include "common/base.h"

struct samples {
    uint64_t *values;
    size_t count, capacity;
};

void samples_add(struct samples *samples, uint64_t value);
/* The smallest value that `share` (0..1) of the values do not exceed; 0 without values. Sorts. */
uint64_t samples_quantile(struct samples *samples, double share);
void samples_free(struct samples *samples);

#endif
