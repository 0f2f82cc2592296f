/* Exact search by vectors, in float: what every other search's recall is measured against. */
#ifndef MILLRACE_BENCH_EXACT_H
#define MILLRACE_BENCH_EXACT_H

#include "common/base.h"

enum { EXACT_TOP = 10 };

/* The nearest by cosine, best first; `count` is less than EXACT_TOP where there are fewer. */
struct nearest {
    uint64_t ids[EXACT_TOP];
    float scores[EXACT_TOP];
    size_t count;
};

/* Offers a vector to a question's list; both are normalised. */
void nearest_offer(struct nearest *nearest, const float *question, const float *vector,
                   size_t dimensions, uint64_t id);
/* How many of the nearest are among `ids`. */
size_t nearest_among(const struct nearest *nearest, const uint64_t *ids, size_t count);

#endif
