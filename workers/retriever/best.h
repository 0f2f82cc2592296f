/* The best few of many, found without sorting the many: what may still belong to them is collected,
 * and whenever the room is full the best BEST_MAX stay (by selection, Hoare 1961). Equal scores go
 * by id, the smaller first, so that the choice never depends on where things lie. */
#ifndef MILLRACE_RETRIEVER_BEST_H
#define MILLRACE_RETRIEVER_BEST_H

#include <math.h>

#include "common/base.h"

enum { BEST_MAX = 100, BEST_ROOM = 256 };

struct candidate {
    float score;
    uint32_t slot;
    uint64_t id;
};

struct best {
    size_t count;
    float
        floor; /* the least score of the best so far; -INFINITY until there are BEST_MAX of them */
    struct candidate items[BEST_ROOM];
};

static inline void best_init(struct best *best)
{
    best->count = 0;
    best->floor = -INFINITY;
}

/* Whether a score may still get in: the cheap question, asked first. */
static inline bool best_wants(const struct best *best, float score)
{
    return score >= best->floor;
}

/* Keeps the BEST_MAX best of what is there. */
void best_select(struct best *best);

static inline void best_offer(struct best *best, struct candidate candidate)
{
    best->items[best->count++] = candidate;
    if (best->count == BEST_ROOM) best_select(best);
}

#endif
