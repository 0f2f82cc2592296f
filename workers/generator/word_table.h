/* The distinct words of the passages, each with the question's terms that it matches: found out
 * once a word, remembered for the rest of the question. Pure. */
#ifndef MILLRACE_GENERATOR_WORD_TABLE_H
#define MILLRACE_GENERATOR_WORD_TABLE_H

#include "workers/generator/question.h"

struct word_entry {
    uint64_t stamp; /* of the question that it belongs to */
    uint32_t hash;
    uint32_t strong, weak; /* terms */
    uint32_t stop_in;      /* languages it is a stop word of, a bit each; once asked for */
    struct slice word;
    bool stop_known;
};

struct word_table;

struct word_table *word_table_new(void) MUST_USE;
void word_table_destroy(struct word_table **table);
/* Forgets all words; from here on they are matched with this question's terms. Words given must
 * live until the next call. */
void word_table_start(struct word_table *table, const struct question *question,
                      struct stemmer *stemmer);
/* The entry of a folded word with that hash. Valid until the next call of any function. */
struct word_entry *word_table_find(struct word_table *table, struct slice word, uint32_t hash);
/* Takes each term of `missing`, which matched nothing, for a typo of the word nearest to it.
 * Returns the terms for which one was found. */
uint32_t word_table_mend(struct word_table *table, uint32_t missing);
/* The languages that the word is a stop word of, by their position. */
uint32_t word_entry_stop_in(struct word_entry *entry);

#endif
