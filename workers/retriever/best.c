#include "workers/retriever/best.h"

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->score > b->score || (a->score == b->score && a->id < b->id);
}

/* Brings everything that is before the item `wanted` of the sorted order in front of it. */
static void partition_at(struct candidate *items, ptrdiff_t count, ptrdiff_t wanted)
{
    ptrdiff_t low = 0, high = count - 1;
    while (low < high) {
        struct candidate pivot = items[(low + high) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (before(&items[i], &pivot)) i++;
            while (before(&pivot, &items[j])) j--;
            if (i > j) break;
            struct candidate moved = items[i];
            items[i++] = items[j];
            items[j--] = moved;
        }
        if (wanted <= j)
            high = j;
        else if (wanted >= i)
            low = i;
        else
            return;
    }
}

void best_select(struct best *best)
{
    if (best->count < BEST_MAX) return;
    partition_at(best->items, (ptrdiff_t)best->count, BEST_MAX - 1);
    best->count = BEST_MAX;
    best->floor = best->items[BEST_MAX - 1].score; /* the worst of them, where it belongs */
    best->full = true;
}
