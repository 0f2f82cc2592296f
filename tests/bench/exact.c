#include "tests/bench/exact.h"

enum { SUMS = 16 }; /* side by side, so that the compiler may use wide instructions */

static float dot(const float *a, const float *b, size_t count)
{
    float sums[SUMS] = {0}, sum = 0;
    size_t i = 0;
    for (; i + SUMS <= count; i += SUMS)
        for (size_t k = 0; k < SUMS; k++) sums[k] += a[i + k] * b[i + k];
    for (; i < count; i++) sum += a[i] * b[i];
    for (size_t k = 0; k < SUMS; k++) sum += sums[k];
    return sum;
}

static void put(struct nearest *nearest, size_t at, float score, uint64_t id)
{
    for (size_t i = nearest->count - 1; i > at; i--) {
        nearest->scores[i] = nearest->scores[i - 1];
        nearest->ids[i] = nearest->ids[i - 1];
    }
    nearest->scores[at] = score;
    nearest->ids[at] = id;
}

void nearest_offer(struct nearest *nearest, const float *question, const float *vector,
                   size_t dimensions, uint64_t id)
{
    float score = dot(question, vector, dimensions);
    size_t at = nearest->count;
    while (at && score > nearest->scores[at - 1]) at--;
    if (at == EXACT_TOP) return;
    if (nearest->count < EXACT_TOP) nearest->count++;
    put(nearest, at, score, id);
}

size_t nearest_among(const struct nearest *nearest, const uint64_t *ids, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < nearest->count; i++)
        for (size_t k = 0; k < count; k++) found += ids[k] == nearest->ids[i];
    return found;
}
