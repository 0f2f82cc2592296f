/* Made-up texts and vectors, the same in every run: words as frequent as Zipf's law has them
 * (Manning, Raghavan and Schütze, 2008, section 5.1), vectors in clusters, as texts have topics. */
#ifndef MILLRACE_BENCH_MADE_UP_H
#define MILLRACE_BENCH_MADE_UP_H

#include "common/buffer.h"

/* The rank from which words are made: the commonest of a language are stop words. */
enum { ALL_WORDS = 1, CONTENT_WORDS = 50 };

struct made_up {
    uint64_t state;
    size_t dimensions, first_rank;
    float *centres; /* of the clusters, one after the other */
};

void made_up_begin(struct made_up *made, size_t dimensions, size_t first_rank);
void made_up_end(struct made_up *made);

uint64_t made_up_number(struct made_up *made);
/* A normalised vector of `dimensions` floats; and one as a chunk's comes back from the store, which
 * keeps a byte of each: exact searches are of these. */
void made_up_vector(struct made_up *made, float *vector);
void made_up_stored_vector(struct made_up *made, float *vector);
/* Appends so many words, each with a space after it. */
void made_up_words(struct made_up *made, size_t count, struct buffer *out);

#endif
