/* Two ranked lists made one: scores brought to 0..1 by the minimum and maximum of their list, then
 * weight × vector + (1 - weight) × words. */
#ifndef MILLRACE_RETRIEVER_FUSION_H
#define MILLRACE_RETRIEVER_FUSION_H

#include "workers/retriever/best.h"

enum { FUSED_MAX = 2 * BEST_MAX };

struct fused {
    uint64_t id;
    uint32_t slot;
    float score, vector, bm25; /* 0 in a list that does not have it */
};

/* Blends two sorted lists; writes their union, best first, and returns how many. */
size_t fusion_blend(const struct best *vector, const struct best *bm25, double vector_weight,
                    struct fused fused[FUSED_MAX]);

#endif
