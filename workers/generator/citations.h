/* From an answer's [n] to the passages it cites. The answer comes in pieces, cut anywhere. Pure. */
#ifndef MILLRACE_GENERATOR_CITATIONS_H
#define MILLRACE_GENERATOR_CITATIONS_H

#include "common/arena.h"
#include "proto/records.h"

enum { CITATIONS_MAX = 256, CITATION_TEXT_MAX = 256 };

/* Zero-initialised is ready. */
struct citation_scan {
    uint64_t cited[CITATIONS_MAX / 64];   /* a bit for each n */
    uint64_t pending[CITATIONS_MAX / 64]; /* of a bracket that is still open */
    uint64_t beyond, pending_beyond;      /* how many numbers lie past CITATIONS_MAX */
    unsigned number;
    bool open, digits;
};

/* Reads on. [1], [1][2] and [1, 2] cite; [x] and [1.5] don't. */
void citations_read(struct citation_scan *scan, struct slice text);
/* The records (struct citation) of the passages cited so far, in the order of their numbers: n is
 * the passage's place in the list, from 1. Numbers beyond the list are left out. Texts are cut at
 * CITATION_TEXT_MAX bytes and point into the passages; the list is in the arena. */
struct list citations_list(const struct citation_scan *scan, const struct list *passages,
                           struct arena *arena);
/* How many of the numbers cited so far lie beyond the `count` that were given. */
uint64_t citations_dropped(const struct citation_scan *scan, size_t count);

#endif
