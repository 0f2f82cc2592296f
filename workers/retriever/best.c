#include "workers/retriever/best.h"

#include <stdlib.h>

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(struct best *best, size_t at)
{
    for (size_t parent; at; at = parent) {
        parent = (at - 1) / 2;
        if (!candidate_before(&best->items[parent], &best->items[at])) return;
        swap(&best->items[parent], &best->items[at]);
    }
}

static void sift_down(struct best *best)
{
    for (size_t at = 0, child; (child = 2 * at + 1) < best->count; at = child) {
        bool right = child + 1 < best->count &&
                     candidate_before(&best->items[child], &best->items[child + 1]);
        child += right;
        if (!candidate_before(&best->items[at], &best->items[child])) return;
        swap(&best->items[at], &best->items[child]);
    }
}

void best_offer(struct best *best, struct candidate candidate)
{
    if (best->count < BEST_MAX) {
        best->items[best->count++] = candidate;
        sift_up(best, best->count - 1);
    } else if (candidate_before(&candidate, &best->items[0])) {
        best->items[0] = candidate;
        sift_down(best);
    }
}

static int compare(const void *a, const void *b)
{
    return candidate_before(a, b) ? -1 : candidate_before(b, a);
}

void best_sort(struct best *best)
{
    qsort(best->items, best->count, sizeof best->items[0], compare);
}
