#include "tests/bench/samples.h"

#include <math.h>
#include <stdlib.h>

void samples_add(struct samples *samples, uint64_t value)
{
    samples->values =
        xgrow(samples->values, &samples->capacity, samples->count + 1, sizeof(uint64_t));
    samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t samples_quantile(struct samples *samples, double share)
{
    if (!samples->count) return 0;
    qsort(samples->values, samples->count, sizeof(uint64_t), compare);
    size_t rank = (size_t)ceil(share * (double)samples->count);
    return samples->values[rank ? rank - 1 : 0];
}

void samples_free(struct samples *samples)
{
    free(samples->values);
    *samples = (struct samples){0};
}
