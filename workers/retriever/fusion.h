/* Two lists made one: scores brought to 0..1 by the minimum and maximum of their list, then
 * weight × vector + (1 - weight) × words. The best are taken off one at a time, since few of them
 * are ever looked at. */
#ifndef MILLRACE_RETRIEVER_FUSION_H
#define MILLRACE_RETRIEVER_FUSION_H

#include "workers/retriever/best.h"

enum { FUSED_MAX = 2 * BEST_MAX };

struct fused {
    uint64_t id;
    uint32_t slot;
    float score, vector, bm25; /* 0 in a list that does not have it */
};

struct fusion {
    size_t count;
    struct fused items[FUSED_MAX]; /* a heap: the best is first */
};

/* Blends two lists (after best_select) into their union. */
void fusion_blend(const struct best *vector, const struct best *bm25, double vector_weight,
                  struct fusion *fusion);
/* Takes the best off; equal scores go by id. False when nothing is left. */
bool fusion_next(struct fusion *fusion, struct fused *best);

#endif
