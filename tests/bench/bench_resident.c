/* The search inside the retriever: vectors, words, fusion and merging, over made-up chunks whose
 * words follow Zipf's law, with questions of six words (one of them misspelt in every fourth).
 * Prints a table; the targets stand in its last column. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "workers/retriever/resident.h"
#include "workers/retriever/scan.h"
#include "workers/retriever/terms.h"

enum {
    DIMENSIONS = 384,
    WORDS = 30000, /* distinct */
    CHUNK_WORDS = 150,
    QUESTION_WORDS = 6,
    QUESTIONS = 2000,
    CHANGES = 500,
};

static const struct size {
    size_t chunks;
    double target_ms; /* p50 of a search; 0: none */
} sizes[] = {{1000, 0.15}, {5000, 0}, {20000, 1.5}};

static uint64_t random_state = 88172645463325252u;

/* xorshift64 (Marsaglia 2003): the same numbers in every run. */
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static double next_unit(void)
{
    return (double)(next_random() >> 11) / 9007199254740992.0;
}

/* Word numbers with a density that falls as 1/n. */
static size_t next_word_number(void)
{
    double limit = WORDS, n = 1;
    for (double u = next_unit() * __builtin_log(limit); u > 0; u = 0) n = __builtin_exp(u);
    return (size_t)n;
}

/* A pronounceable word for a number. */
static void append_word(struct buffer *out, size_t number)
{
    static const char consonants[] = "bcdfglmnprstvz", vowels[] = "aeiou";
    for (size_t n = number + 200; n; n /= 70) {
        buffer_append_char(out, consonants[n % 14]);
        buffer_append_char(out, vowels[n / 14 % 5]);
    }
    buffer_append_char(out, ' ');
}

static void append_words(struct buffer *out, size_t count)
{
    for (size_t i = 0; i < count; i++) append_word(out, next_word_number());
}

static void make_vector(float *vector)
{
    double square = 0;
    for (size_t i = 0; i < DIMENSIONS; i++) {
        vector[i] = (float)(next_unit() + next_unit() + next_unit() - 1.5);
        square += (double)vector[i] * vector[i];
    }
    for (size_t i = 0; i < DIMENSIONS; i++) vector[i] /= (float)__builtin_sqrt(square);
}

static void put_chunk(struct resident *resident, uint64_t id)
{
    struct buffer text = {0}, terms = {0};
    float vector[DIMENSIONS];
    append_words(&text, CHUNK_WORDS);
    terms_encode(language_find(SLICE("en")), SLICE(""), SLICE(""), buffer_slice(&text), &terms);
    make_vector(vector);
    struct resident_chunk chunk = {.id = id,
                                   .document_id = id / 20,
                                   .position = (uint32_t)(id % 20),
                                   .start = id % 20 * 900,
                                   .end = id % 20 * 900 + 1000,
                                   .language = "en",
                                   .terms = buffer_slice(&terms),
                                   .vector = vector};
    resident_put(resident, &chunk);
    buffer_free(&text);
    buffer_free(&terms);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile(uint64_t *times, size_t count, double p)
{
    qsort(times, count, sizeof *times, compare);
    return (double)times[(size_t)(p * (double)(count - 1))] / 1e6;
}

static uint64_t time_search(struct resident *resident, size_t n)
{
    struct resident_hit hits[8];
    struct buffer text = {0};
    float vector[DIMENSIONS];
    append_words(&text, QUESTION_WORDS);
    if (n % 4 == 0) text.data[text.len / 2] = 'x';
    make_vector(vector);
    struct resident_query query = {.text = buffer_slice(&text),
                                   .language = language_find(SLICE("en")),
                                   .vector = vector,
                                   .vector_weight = 0.3,
                                   .top_k = ARRAY_LEN(hits),
                                   .merge = true};
    uint64_t start = clock_ns();
    resident_search(resident, &query, hits);
    uint64_t end = clock_ns();
    buffer_free(&text);
    return end - start;
}

static void measure(struct resident *resident, const struct size *size, const char *variant)
{
    uint64_t times[QUESTIONS];
    scan_use(variant);
    for (size_t i = 0; i < QUESTIONS; i++) times[i] = time_search(resident, i);
    double p50 = percentile(times, QUESTIONS, 0.5), p99 = percentile(times, QUESTIONS, 0.99);
    printf("%8zu  %-12s %8.3f %8.3f", size->chunks, variant, p50, p99);
    if (size->target_ms > 0) printf("   %.2f", size->target_ms);
    printf("\n");
}

static void measure_changes(struct resident *resident, const struct size *size)
{
    uint64_t times[CHANGES];
    for (size_t i = 0; i < CHANGES; i++) {
        uint64_t id = next_random() % size->chunks, start = clock_ns();
        resident_remove(resident, id);
        times[i] = clock_ns() - start;
        put_chunk(resident, id);
    }
    double p50 = percentile(times, CHANGES, 0.5), p99 = percentile(times, CHANGES, 0.99);
    printf("%8zu  %-12s %8.3f %8.3f\n", size->chunks, "remove", p50, p99);
}

int main(void)
{
    printf("  chunks  by             p50 ms   p99 ms   target p50\n");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct resident *resident = resident_new(DIMENSIONS);
        const char *variant;
        for (uint64_t id = 0; id < sizes[i].chunks; id++) put_chunk(resident, id);
        for (size_t n = 0; (variant = scan_variant(n)); n++) measure(resident, &sizes[i], variant);
        measure_changes(resident, &sizes[i]);
        printf("%8zu  memory       %8.1f MB\n", sizes[i].chunks,
               (double)resident_bytes(resident) / 1e6);
        resident_destroy(&resident);
    }
    return 0;
}
