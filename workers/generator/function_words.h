/* What the languages say of a word: stop word, negation. A passage need not be in the question's
 * language, so all are asked, and their answers are remembered. */
#ifndef MILLRACE_GENERATOR_FUNCTION_WORDS_H
#define MILLRACE_GENERATOR_FUNCTION_WORDS_H

#include "common/language.h"

enum { VOTE_LANGUAGES = 8 };

struct function_word {
    uint64_t head, tail; /* the first and last eight letters: of sixteen at most, the word itself */
    uint32_t len;        /* of the word; 0: none is remembered here */
    bool denies;         /* in any language */
    uint64_t votes; /* a byte of 1 for each language, by its position, that it is a stop word of */
};

/* A word has one place in it, and leaves it to the next. Zero-initialised is empty. */
struct function_words {
    struct function_word places[8192];
};

/* About a folded word, not empty. Valid until the next call. */
const struct function_word *function_word_find(struct function_words *words, struct slice word);

#endif
