/* The HNSW graph over a portfolio's vectors (Malkov and Yashunin, 2016), an index of pgvector's. */
#ifndef MILLRACE_RETRIEVER_POSTGRES_GRAPH_H
#define MILLRACE_RETRIEVER_POSTGRES_GRAPH_H

#include "workers/retriever/db.h"
#include "workers/retriever/store.h"

/* More are indexed in half precision, up to as many as pgvector can at all. */
enum { GRAPH_DIMENSIONS_WHOLE = 2000, GRAPH_DIMENSIONS_MAX = 4000 };

/* The type that vectors of so many dimensions are indexed as. */
static inline const char *postgres_graph_type(size_t dimensions)
{
    return dimensions > GRAPH_DIMENSIONS_WHOLE ? "halfvec" : "vector";
}

struct graph {
    uint64_t portfolio_id; /* whose table rag_embedding_N is filled */
    uint64_t chunks;
    size_t dimensions;
};

/* Makes it, in a transaction, with the memory that it takes, as far as the options allow. */
err_t postgres_graph_make(struct db *db, const struct index_options *options,
                          const struct graph *graph) MUST_USE;

#endif
