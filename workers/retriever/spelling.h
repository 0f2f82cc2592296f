/* What a misspelt word was probably meant to be, among the terms of the texts. */
#ifndef MILLRACE_RETRIEVER_SPELLING_H
#define MILLRACE_RETRIEVER_SPELLING_H

#include "workers/retriever/corpus.h"

enum { SPELLING_MAX = 3, SPELLING_WORD_MAX = 32 };

struct correction {
    uint32_t term;
    unsigned distance; /* edits: letter more, less, other, or two neighbours swapped */
};

/* Whether a word has the length to be guessed. */
bool spelling_may_correct(struct slice word);
/* Writes the nearest terms, at most SPELLING_MAX and all at the same distance, the most frequent
 * first, and returns how many. `word` is folded and may be unstemmed: what a term lacks of an
 * ending costs little. None for words too short to be guessed. */
size_t spelling_correct(const struct corpus *corpus, struct slice word,
                        struct correction corrections[SPELLING_MAX]);

#endif
