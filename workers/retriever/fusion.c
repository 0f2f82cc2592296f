#include "workers/retriever/fusion.h"

/* --- the items of one list, found by slot --- */

enum { INDEX_BITS = 9, INDEX_SIZE = 1 << INDEX_BITS }; /* five times BEST_MAX */

struct index {
    uint8_t numbers[INDEX_SIZE]; /* an item's, from 1 */
};

/* Where the slot is, or belongs (open addressing, Knuth's multiplicative hash). */
static uint8_t *index_at(struct index *index, const struct fusion *fusion, uint32_t slot)
{
    uint32_t at = slot * UINT32_C(0x9E3779B1) >> (32 - INDEX_BITS);
    while (index->numbers[at] && fusion->items[index->numbers[at] - 1].slot != slot)
        at = (at + 1) % INDEX_SIZE;
    return &index->numbers[at];
}

/* --- a heap --- */

static bool before(const struct fused *a, const struct fused *b)
{
    return a->score > b->score || (a->score == b->score && a->id < b->id);
}

static void sift_down(struct fusion *fusion, size_t at)
{
    struct fused *items = fusion->items, moved = items[at];
    for (size_t child; (child = 2 * at + 1) < fusion->count; at = child) {
        child += child + 1 < fusion->count && before(&items[child + 1], &items[child]);
        if (!before(&items[child], &moved)) break;
        items[at] = items[child];
    }
    items[at] = moved;
}

bool fusion_next(struct fusion *fusion, struct fused *best)
{
    if (!fusion->count) return false;
    *best = fusion->items[0];
    fusion->items[0] = fusion->items[--fusion->count];
    sift_down(fusion, 0);
    return true;
}

/* --- blending --- */

struct span {
    float least, most;
};

static struct span span_of(const struct best *list)
{
    struct span span = {list->items[0].score, list->items[0].score};
    for (size_t i = 1; i < list->count; i++) {
        span.least = MIN(span.least, list->items[i].score);
        span.most = MAX(span.most, list->items[i].score);
    }
    return span;
}

/* A score as 0..1. A list of equal scores is all 1. */
static float normalised(const struct span *span, float score)
{
    return span->most > span->least ? (score - span->least) / (span->most - span->least) : 1;
}

static void add_vectors(struct fusion *fusion, const struct best *list, struct index *index)
{
    struct span span = span_of(list);
    for (size_t i = 0; i < list->count; i++) {
        const struct candidate *item = &list->items[i];
        struct fused fused = {
            .id = item->id, .slot = item->slot, .vector = normalised(&span, item->score)};
        uint8_t *number = index_at(index, fusion, item->slot);
        fusion->items[fusion->count++] = fused;
        *number = (uint8_t)fusion->count;
    }
}

static void add_words(struct fusion *fusion, const struct best *list, struct index *index)
{
    struct span span = span_of(list);
    for (size_t i = 0; i < list->count; i++) {
        const struct candidate *item = &list->items[i];
        float score = normalised(&span, item->score);
        uint8_t number = *index_at(index, fusion, item->slot);
        if (number)
            fusion->items[number - 1].bm25 = score;
        else
            fusion->items[fusion->count++] =
                (struct fused){.id = item->id, .slot = item->slot, .bm25 = score};
    }
}

void fusion_blend(const struct best *vector, const struct best *bm25, double vector_weight,
                  struct fusion *fusion)
{
    struct index index = {0};
    float a = (float)vector_weight;
    fusion->count = 0;
    if (vector->count) add_vectors(fusion, vector, &index);
    if (bm25->count) add_words(fusion, bm25, &index);
    for (size_t i = 0; i < fusion->count; i++) {
        struct fused *fused = &fusion->items[i];
        fused->score = a * fused->vector + (1 - a) * fused->bm25;
    }
    for (size_t i = fusion->count / 2; i-- > 0;) sift_down(fusion, i);
}
