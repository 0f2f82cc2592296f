#include "tests/bench/made_up.h"

#include <math.h>
#include <stdlib.h>

#include "workers/retriever/scan.h"

enum { CLUSTERS = 200, WORDS = 30000 };

/* xorshift64 (Marsaglia, 2003). */
uint64_t made_up_number(struct made_up *made)
{
    made->state ^= made->state << 13;
    made->state ^= made->state >> 7;
    return made->state ^= made->state << 17;
}

/* 0 to 1. */
static double next_unit(struct made_up *made)
{
    return (double)(made_up_number(made) >> 11) / 9007199254740992.0;
}

void made_up_begin(struct made_up *made, size_t dimensions, size_t first_rank)
{
    size_t count = CLUSTERS * dimensions;
    *made =
        (struct made_up){88172645463325252u, dimensions, first_rank, xcalloc(count, sizeof(float))};
    for (size_t i = 0; i < count; i++) made->centres[i] = (float)next_unit(made) - 0.5f;
}

void made_up_end(struct made_up *made)
{
    free(made->centres);
    *made = (struct made_up){0};
}

/* Its topic and what is its own weigh the same. */
void made_up_vector(struct made_up *made, float *vector)
{
    size_t cluster = made_up_number(made) % CLUSTERS;
    const float *centre = made->centres + cluster * made->dimensions;
    double square = 0;
    for (size_t i = 0; i < made->dimensions; i++) {
        vector[i] = centre[i] + (float)next_unit(made) - 0.5f;
        square += (double)vector[i] * vector[i];
    }
    float length = (float)sqrt(square);
    for (size_t i = 0; i < made->dimensions; i++) vector[i] /= length;
}

void made_up_stored_vector(struct made_up *made, float *vector)
{
    int8_t bytes[SCAN_DIMENSIONS_MAX];
    int32_t sum;
    float square = 0;
    made_up_vector(made, vector);
    scan_quantise(vector, made->dimensions, bytes, &sum);
    for (size_t i = 0; i < made->dimensions; i++) square += (float)(bytes[i] * bytes[i]);
    float length = sqrtf(square);
    for (size_t i = 0; i < made->dimensions; i++) vector[i] = (float)bytes[i] / length;
}

/* A word's rank, with a density that falls as 1/rank. */
static size_t next_rank(struct made_up *made)
{
    double first = (double)made->first_rank;
    return (size_t)(first * pow(WORDS / first, next_unit(made)));
}

/* A pronounceable word for a rank. */
static void append_word(struct buffer *out, size_t rank)
{
    static const char consonants[] = "bcdfglmnprstvz", vowels[] = "aeiou";
    for (size_t n = rank + 200; n; n /= 70) {
        buffer_append_char(out, consonants[n % 14]);
        buffer_append_char(out, vowels[n / 14 % 5]);
    }
    buffer_append_char(out, ' ');
}

void made_up_words(struct made_up *made, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) append_word(out, next_rank(made));
}
