/* A portfolio in memory: a matrix of normalised vectors (int8 with a scale each) scanned exactly,
 * and an inverted index for BM25. Changes come one chunk at a time; a search sees all that were put
 * before it. Pure: no store, no clock, no I/O. */
#ifndef MILLRACE_RETRIEVER_RESIDENT_H
#define MILLRACE_RETRIEVER_RESIDENT_H

#include "common/errors.h"
#include "common/language.h"

struct resident;

/* One chunk as the store keeps it. */
struct resident_chunk {
    uint64_t id;
    uint64_t document_id;
    uint32_t position;    /* 0, 1, 2 ... within its document */
    uint64_t start, end;  /* bytes of the document's text */
    const char *language; /* code */
    struct slice terms;   /* terms_encode's */
    const float *vector;  /* `dimensions` floats, normalised, or NULL while it has none */
};

struct resident_query {
    struct slice text;               /* the question */
    const struct language *language; /* it is written in */
    const float *vector;             /* `dimensions` floats, or NULL: words alone */
    double vector_weight;            /* fusion's weight of the vector leg, the embedder's */
    size_t top_k;
    bool merge; /* drop near-duplicates, merge neighbours */
};

/* What was found, best first. A merged hit spans from `start` to `end` and keeps its best chunk. */
struct resident_hit {
    uint64_t chunk_id;
    uint64_t document_id;
    uint64_t start, end;
    uint32_t first, last;      /* positions of the chunks that were merged */
    float score, vector, bm25; /* the legs' scores are 0..1, as fused */
};

struct resident *resident_new(size_t dimensions) MUST_USE;
void resident_destroy(struct resident **resident);
/* Adds a chunk, or replaces the one with its id. */
void resident_put(struct resident *resident, const struct resident_chunk *chunk);
/* Gives a chunk its vector (NULL: takes it away) without touching the rest. False if the chunk is
 * not there. */
bool resident_set_vector(struct resident *resident, uint64_t chunk_id, const float *vector);
void resident_remove(struct resident *resident, uint64_t chunk_id);
/* Writes at most top_k hits and returns how many; at most 200 chunks are considered. The order is
 * the same on every processor and whatever came and went before: equal scores go by chunk id. */
size_t resident_search(struct resident *resident, const struct resident_query *query,
                       struct resident_hit *hits);
size_t resident_count(const struct resident *resident);
size_t resident_bytes(const struct resident *resident);

#endif
