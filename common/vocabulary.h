/* The words of one language, each with the named sets it belongs to. A set holds whole words and
 * shapes ("-ing" an ending, "wh-" a beginning, "-tion-" either or inside); "!" before an item keeps
 * it out. Built once, then only read. All words are folded. */
#ifndef MILLRACE_COMMON_VOCABULARY_H
#define MILLRACE_COMMON_VOCABULARY_H

#include "common/base.h"

enum { VOCABULARY_SETS_MAX = 64, SPELLING_WORDS_MAX = 3 };

typedef uint64_t word_sets; /* a bit for each set */

struct vocabulary;

struct vocabulary *vocabulary_new(void) MUST_USE;
/* The number of the set with that name, made when new. */
unsigned vocabulary_set(struct vocabulary *vocabulary, struct slice name);
/* The number of the set with that name, or VOCABULARY_SETS_MAX. */
unsigned vocabulary_find_set(const struct vocabulary *vocabulary, struct slice name);
/* The number of a word, added when new; never 0. A trigger is a word that typos are mended to. */
uint32_t vocabulary_add(struct vocabulary *vocabulary, struct slice word, bool trigger);
/* `spelling` is another way to write `count` words, at most SPELLING_WORDS_MAX. False when it is a
 * word already. */
bool vocabulary_add_spelling(struct vocabulary *vocabulary, const uint32_t *meant, size_t count,
                             struct slice spelling) MUST_USE;
/* Makes typos be mended to a word. */
void vocabulary_make_trigger(struct vocabulary *vocabulary, uint32_t number);
/* Adds an item, a word or a shape, to a set. */
void vocabulary_put(struct vocabulary *vocabulary, unsigned set, struct slice item, bool trigger);

/* Ends the building; what follows is only for a sealed vocabulary. */
void vocabulary_seal(struct vocabulary *vocabulary);

/* The number of a known word, or 0. Letters held down ("holaaa") count as one. */
uint32_t vocabulary_find(const struct vocabulary *vocabulary, struct slice word);
/* The trigger that `word`, which is no known word, was probably meant to be, or 0: two neighbours
 * swapped in a trigger of four letters and more, else a letter more or less in one of five, or an
 * other in one of six. The first letter is right, or swapped; endings are no typos. */
uint32_t vocabulary_mend(const struct vocabulary *vocabulary, struct slice word);
/* The words that a number stands for: itself (0 too), or what it is another way to write. Returns
 * how many of `meant`, which has room for SPELLING_WORDS_MAX. */
size_t vocabulary_meant(const struct vocabulary *vocabulary, uint32_t number, uint32_t *meant);
/* The sets of a word by its number (0: unknown) and its shape. */
word_sets vocabulary_sets(const struct vocabulary *vocabulary, uint32_t number, struct slice word);

#endif
