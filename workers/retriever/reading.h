/* A question taken apart, for semantic_guard.c alone: a row of units, words and marks. */
#ifndef MILLRACE_RETRIEVER_READING_H
#define MILLRACE_RETRIEVER_READING_H

#include "common/arena.h"
#include "workers/retriever/reading_table.h"

enum { UNITS_MAX = 48 };

struct unit {
    struct slice word; /* folded */
    struct slice raw;  /* as written */
    bool literal;      /* compared as written: a mark, a name, a unit of measure */
    bool clause;       /* a clause starts here */
};

struct reading {
    const struct reading_table *table;
    struct unit units[UNITS_MAX];
    size_t count;
    bool generic;  /* how anybody does it, not who did */
    bool accented; /* whoever wrote it uses accents */
};

/* Cuts a text into the units of an empty reading, and says whether it is accented; the raw slices
 * point into the text. False where there are more than fit. */
bool reading_cut(const struct language *language, struct slice text, struct arena *arena,
                 struct reading *reading) MUST_USE;

#endif
