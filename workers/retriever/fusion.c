#include "workers/retriever/fusion.h"

#include <stdlib.h>

/* The n-th score of a sorted list as 0..1. A list of equal scores is all 1. */
static float normalised(const struct best *list, size_t n)
{
    float most = list->items[0].score, least = list->items[list->count - 1].score;
    return most > least ? (list->items[n].score - least) / (most - least) : 1;
}

static struct fused *find(struct fused *fused, size_t count, uint32_t slot)
{
    for (size_t i = 0; i < count; i++)
        if (fused[i].slot == slot) return &fused[i];
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const struct fused *left = a, *right = b;
    if (left->score != right->score) return left->score > right->score ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

size_t fusion_blend(const struct best *vector, const struct best *bm25, double vector_weight,
                    struct fused fused[FUSED_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < vector->count; i++)
        fused[count++] = (struct fused){.id = vector->items[i].id,
                                        .slot = vector->items[i].slot,
                                        .vector = normalised(vector, i)};
    for (size_t i = 0; i < bm25->count; i++) {
        struct fused *same = find(fused, vector->count, bm25->items[i].slot);
        if (!same) same = &fused[count++];
        *same = (struct fused){.id = bm25->items[i].id,
                               .slot = bm25->items[i].slot,
                               .vector = same < fused + vector->count ? same->vector : 0,
                               .bm25 = normalised(bm25, i)};
    }
    float a = (float)vector_weight;
    for (size_t i = 0; i < count; i++)
        fused[i].score = a * fused[i].vector + (1 - a) * fused[i].bm25;
    qsort(fused, count, sizeof *fused, compare);
    return count;
}
