/* The best few of many: a heap whose root is the worst that is kept. Equal scores go by id, the
 * smaller first, so that the order never depends on where things lie. */
#ifndef MILLRACE_RETRIEVER_BEST_H
#define MILLRACE_RETRIEVER_BEST_H

#include "common/base.h"

enum { BEST_MAX = 100 };

struct candidate {
    float score;
    uint32_t slot;
    uint64_t id;
};

struct best {
    struct candidate items[BEST_MAX];
    size_t count;
};

static inline bool candidate_before(const struct candidate *a, const struct candidate *b)
{
    return a->score > b->score || (a->score == b->score && a->id < b->id);
}

/* Whether a score may still get in: the cheap question, asked first. */
static inline bool best_wants(const struct best *best, float score)
{
    return best->count < BEST_MAX || score >= best->items[0].score;
}

void best_offer(struct best *best, struct candidate candidate);
/* Orders what was kept, best first. Nothing can be offered afterwards. */
void best_sort(struct best *best);

#endif
