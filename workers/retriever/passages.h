/* From a ranked list of chunks to the passages that are shown: near-duplicates dropped, neighbours
 * merged, until there are enough. */
#ifndef MILLRACE_RETRIEVER_PASSAGES_H
#define MILLRACE_RETRIEVER_PASSAGES_H

#include "workers/retriever/bm25.h"
#include "workers/retriever/fusion.h"
#include "workers/retriever/resident.h"

enum { PASSAGE_CHUNKS_MAX = 3 }; /* more are not merged: a passage must leave room for others */

/* Where a chunk lies. */
struct place {
    uint64_t id, document_id;
    uint64_t start, end;
    uint32_t position;
};

struct passages {
    const struct bm25 *bm25;
    const struct place *places; /* by slot */
    struct fusion *fusion;      /* used up as far as need be */
    size_t top_k;
    bool merge; /* false: every chunk is a passage */
};

/* Writes at most top_k hits, best first, and returns how many. */
size_t passages_choose(const struct passages *passages, struct resident_hit *hits);

#endif
