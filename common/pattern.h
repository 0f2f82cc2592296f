/* Patterns over the words of one sentence, as the language files write them:
 *
 *   what is    these words, side by side          what/which   either word
 *   @things    a word of that set                 the?         this word or none
 *   !@be       a word that is not of that set
 *   _          any one word                       *            up to eight words, or none
 *   ^          where a clause starts              $, or/$      the sentence's end
 */
#ifndef MILLRACE_COMMON_PATTERN_H
#define MILLRACE_COMMON_PATTERN_H

#include "common/base.h"
#include "common/vocabulary.h"

/* A word as patterns see it. */
struct pattern_word {
    uint32_t number; /* of the vocabulary; 0 when unknown */
    word_sets sets;
    bool clause; /* '^' matches here */
};

/* What words a sentence has, roughly, to rule out most patterns at once. */
struct pattern_summary {
    uint64_t numbers; /* a bit for each word's number, shared by many numbers */
    word_sets sets;
};
struct pattern_summary pattern_summary(const struct pattern_word *words, size_t count);

struct pattern;

/* Reads one folded line and adds its words to the vocabulary. NULL when it is malformed. */
struct pattern *pattern_new(struct slice line, struct vocabulary *vocabulary) MUST_USE;
/* False when no part of the sentence can match. */
bool pattern_may_match(const struct pattern *pattern, const struct pattern_summary *summary);
/* Matches at word `at` of `count`; *end becomes the first word behind the match. */
bool pattern_match(const struct pattern *pattern, const struct pattern_word *words, size_t count,
                   size_t at, size_t *end);

#endif
