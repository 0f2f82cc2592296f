#include "workers/retriever/best.h"

enum { BINS = 128 };

/* Without branches: their outcome is a coin's. */
static bool before(const struct candidate *a, const struct candidate *b)
{
    return (a->score > b->score) | ((a->score == b->score) & (a->id < b->id));
}

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate moved = *a;
    *a = *b;
    *b = moved;
}

/* Brings what is before the last item to the front, the last behind it, and returns where that is
 * (Lomuto's partition, since it needs no branch that depends on the items). */
static size_t partition(struct candidate *items, size_t count)
{
    const struct candidate pivot = items[count - 1];
    size_t front = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        const struct candidate item = items[i];
        items[i] = items[front];
        items[front] = item;
        front += before(&item, &pivot);
    }
    swap(&items[front], &items[count - 1]);
    return front;
}

/* Puts the item `wanted` of the sorted order into its place, and what is before it in front. */
static void select_item(struct candidate *items, size_t count, size_t wanted)
{
    while (count > 1) {
        swap(&items[count / 2], &items[count - 1]);
        size_t at = partition(items, count);
        if (at == wanted) return;
        if (wanted < at) {
            count = at;
        } else {
            items += at + 1;
            count -= at + 1;
            wanted -= at + 1;
        }
    }
}

/* --- by bins: scores of the same width each, so that only one bin needs to be selected from --- */

struct bins {
    float least, factor;
    size_t counts[BINS];
    uint8_t of[BEST_ROOM]; /* each item's */
};

/* False where the scores cannot be told apart so. */
static bool bins_measure(struct bins *bins, const struct candidate *items, size_t count)
{
    float least = items[0].score, most = least;
    for (size_t i = 1; i < count; i++) {
        least = MIN(least, items[i].score);
        most = MAX(most, items[i].score);
    }
    bins->least = least;
    bins->factor = (BINS - 1) / (most - least);
    return most - least > 1e-30f && most - least < 1e30f;
}

/* Counts, and returns the bin that the item `wanted` of the sorted order is in. */
static size_t bins_fill(struct bins *bins, const struct candidate *items, size_t count,
                        size_t wanted)
{
    size_t bin = BINS, before_it = 0;
    memset(bins->counts, 0, sizeof bins->counts);
    for (size_t i = 0; i < count; i++) {
        bins->of[i] = (uint8_t)((items[i].score - bins->least) * bins->factor);
        bins->counts[bins->of[i]]++;
    }
    while (before_it <= wanted) before_it += bins->counts[--bin];
    return bin;
}

/* Moves what is in a better bin to the front, then the best of that bin. */
static void select_by_bins(struct candidate *items, size_t count)
{
    struct bins bins;
    struct candidate middle[BEST_ROOM];
    size_t front = 0, among = 0;
    if (!bins_measure(&bins, items, count)) {
        select_item(items, count, BEST_MAX - 1);
        return;
    }
    size_t bin = bins_fill(&bins, items, count, BEST_MAX - 1);
    for (size_t i = 0; i < count; i++) {
        middle[among] = items[front] = items[i];
        among += bins.of[i] == bin;
        front += bins.of[i] > bin;
    }
    select_item(middle, among, BEST_MAX - 1 - front);
    memcpy(items + front, middle, (BEST_MAX - front) * sizeof *items);
}

void best_select(struct best *best)
{
    if (best->count < BEST_MAX) return;
    select_by_bins(best->items, best->count);
    best->count = BEST_MAX;
    best->floor = best->items[BEST_MAX - 1].score; /* the worst of them, where it belongs */
}
