/* Which of the question's terms a word matches: found out once for each distinct word of the
 * passages that begins as a term does, which few do. And what a term may be a typo of. Pure. */
#ifndef MILLRACE_GENERATOR_WORD_TABLE_H
#define MILLRACE_GENERATOR_WORD_TABLE_H

#include "workers/generator/question.h"

struct word_entry {
    uint64_t stamp; /* of the question that it belongs to */
    uint32_t hash;
    uint32_t strong, weak; /* terms */
    struct slice word;
};

/* A bit for each pair of first letters that a term has. */
struct word_starts {
    uint64_t bits[16];
};

struct word_table;

struct word_table *word_table_new(void) MUST_USE;
void word_table_destroy(struct word_table **table);
/* Forgets all words; from here on they are matched with this question's terms. Words given must
 * live until the next call. */
void word_table_start(struct word_table *table, const struct question *question,
                      struct stemmer *stemmer);
const struct word_starts *word_table_starts(const struct word_table *table);
/* The entry of a folded word that begins as a term does. Valid until the next call of any function.
 */
const struct word_entry *word_table_find(struct word_table *table, struct slice word);

uint32_t word_hash(struct slice word);

/* False for terms that are spelt as they should be, or too short or long to tell. */
bool term_may_be_typo(const struct term *term);
/* How far the term is from a word that it may be a typo of: 1 or 2 edits; 0: it cannot be one. */
unsigned term_typo_distance(const struct term *term, struct slice word);

static inline unsigned word_start_bit(char first, char second)
{
    return ((unsigned char)first * 31u + (unsigned char)second) & 1023;
}

/* Whether a folded word begins as a term does; else it matches none. */
static inline bool word_starts_have(const struct word_starts *starts, struct slice word)
{
    unsigned bit = word_start_bit(word.ptr[0], word.len > 1 ? word.ptr[1] : '\0');
    return starts->bits[bit / 64] >> bit % 64 & 1;
}

#endif
