/* The search inside the retriever: vectors, words, fusion and merging, over made-up chunks, with
 * questions of six words (one of them misspelt in every fourth); and of vectors alone, how many of
 * the ten nearest it finds. Prints a table; the targets stand in its last column. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/bench/exact.h"
#include "tests/bench/made_up.h"
#include "workers/retriever/resident.h"
#include "workers/retriever/scan.h"
#include "workers/retriever/terms.h"

enum {
    DIMENSIONS = 384,
    CHUNK_WORDS = 150,
    QUESTION_WORDS = 6,
    QUESTIONS = 2000,
    CHANGES = 500,
    RECALLS = 300,
};

static const struct size {
    size_t chunks;
    double target_ms; /* p50 of a search; 0: none */
} sizes[] = {{1000, 0.15}, {5000, 0}, {20000, 1.5}};

static struct made_up made;

static void put_chunk(struct resident *resident, uint64_t id, const float *vector)
{
    struct buffer text = {0}, terms = {0};
    made_up_words(&made, CHUNK_WORDS, &text);
    terms_encode(language_find(SLICE("en")), SLICE(""), SLICE(""), buffer_slice(&text), &terms);
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
    made_up_words(&made, QUESTION_WORDS, &text);
    if (n % 4 == 0) text.data[text.len / 2] = 'x';
    made_up_vector(&made, vector);
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

/* How many of the ten nearest are found, without words. */
static size_t found_by_vector(struct resident *resident, const float *vectors, size_t chunks)
{
    struct resident_hit hits[EXACT_TOP];
    struct nearest nearest = {0};
    uint64_t ids[EXACT_TOP];
    float vector[DIMENSIONS];
    made_up_vector(&made, vector);
    for (size_t id = 0; id < chunks; id++)
        nearest_offer(&nearest, vector, vectors + id * DIMENSIONS, DIMENSIONS, id);
    struct resident_query query = {.language = language_find(SLICE("en")),
                                   .vector = vector,
                                   .vector_weight = 1,
                                   .top_k = EXACT_TOP};
    size_t count = resident_search(resident, &query, hits);
    for (size_t i = 0; i < count; i++) ids[i] = hits[i].chunk_id;
    return nearest_among(&nearest, ids, count);
}

static void measure_recall(struct resident *resident, const struct size *size, const float *vectors)
{
    size_t found = 0;
    for (size_t i = 0; i < RECALLS; i++) found += found_by_vector(resident, vectors, size->chunks);
    printf("%8zu  %-12s %8.4f\n", size->chunks, "recall", (double)found / RECALLS / EXACT_TOP);
}

static void measure_changes(struct resident *resident, const struct size *size,
                            const float *vectors)
{
    uint64_t times[CHANGES];
    for (size_t i = 0; i < CHANGES; i++) {
        uint64_t id = made_up_number(&made) % size->chunks, start = clock_ns();
        resident_remove(resident, id);
        times[i] = clock_ns() - start;
        put_chunk(resident, id, vectors + id * DIMENSIONS);
    }
    double p50 = percentile(times, CHANGES, 0.5), p99 = percentile(times, CHANGES, 0.99);
    printf("%8zu  %-12s %8.3f %8.3f\n", size->chunks, "remove", p50, p99);
}

static void measure_size(const struct size *size)
{
    struct resident *resident = resident_new(DIMENSIONS);
    float *vectors = xcalloc(size->chunks * DIMENSIONS, sizeof(*vectors));
    const char *variant;
    for (uint64_t id = 0; id < size->chunks; id++) {
        made_up_stored_vector(&made, vectors + id * DIMENSIONS);
        put_chunk(resident, id, vectors + id * DIMENSIONS);
    }
    for (size_t n = 0; (variant = scan_variant(n)); n++) measure(resident, size, variant);
    measure_recall(resident, size, vectors);
    measure_changes(resident, size, vectors);
    printf("%8zu  memory       %8.1f MB\n", size->chunks, (double)resident_bytes(resident) / 1e6);
    resident_destroy(&resident);
    free(vectors);
}

int main(void)
{
    made_up_begin(&made, DIMENSIONS, ALL_WORDS);
    printf("  chunks  by             p50 ms   p99 ms   target p50\n");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) measure_size(&sizes[i]);
    made_up_end(&made);
    return 0;
}
