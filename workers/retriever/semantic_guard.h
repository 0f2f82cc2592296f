/* May the answer of one question be given to another? Nearness of vectors can't tell: "open by
 * default" and "closed by default" are as near as two ways of saying one thing. So both are read
 * word by word, and everything in one must be in the other: names, numbers, units, negations, what
 * is asked for, and the order of what is named. Only what the language's file says ([reading NAME])
 * may differ: words that carry nothing, ways to ask the same, words that mean the same, endings,
 * and the place of what hangs on a preposition. What is in doubt is refused.
 *
 * Pure. Any number of threads may ask. */
#ifndef MILLRACE_RETRIEVER_SEMANTIC_GUARD_H
#define MILLRACE_RETRIEVER_SEMANTIC_GUARD_H

#include "common/arena.h"
#include "common/language.h"

/* So many of the best passages must be the same, in the same order. */
enum { GUARD_PASSAGES = 3 };

struct reading; /* a question taken apart */

/* Reads a question; `text` must stay. NULL for one without words, or with too many to compare: its
 * answer serves nobody. */
const struct reading *reading_new(const struct language *language, struct slice text,
                                  struct arena *arena);
/* Whether both ask the same. Of two languages: never. */
bool readings_agree(const struct reading *a, const struct reading *b);
/* Whether what was retrieved for both is the same, as far as it matters; nothing is not. */
bool passages_agree(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count);

#endif
