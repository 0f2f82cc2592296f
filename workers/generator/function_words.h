/* What the languages say of a word: stop word, negation. A passage need not be in the question's
 * language, so all are asked, and the answers of short words are remembered. */
#ifndef MILLRACE_GENERATOR_FUNCTION_WORDS_H
#define MILLRACE_GENERATOR_FUNCTION_WORDS_H

#include "common/language.h"

enum { VOTE_LANGUAGES = 8 };

struct function_word {
    uint64_t letters; /* the word, which has at most eight bytes; 0: nothing is remembered here */
    uint64_t votes; /* a byte of 1 for each language, by its position, that it is a stop word of */
    bool denies;    /* in any language */
};

/* A word has one place in it, and leaves it to the next. Zero-initialised is empty. */
struct function_words {
    struct function_word places[1024];
};

/* About a folded word, not empty. Valid until the next call. */
const struct function_word *function_word_find(struct function_words *words, struct slice word);

#endif
