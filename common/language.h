/* Languages. A language is one data file in common/languages (its format is told at the top of
 * en.lang): greetings, question forms, comparison and totality words, negations, stop words, the
 * stemmer's name, phrases for prompts and answers. Adding a language adds a file and no C. */
#ifndef MILLRACE_COMMON_LANGUAGE_H
#define MILLRACE_COMMON_LANGUAGE_H

#include "common/base.h"

struct language; /* immutable, lives as long as the process */

/* The language of a two-letter code, or NULL. */
const struct language *language_find(struct slice code);
/* All of them, in the order of their codes; NULL past the end. */
const struct language *language_at(size_t index);
/* The language that `text` is written in, judged by its words and letters; `fallback` (NULL:
 * English) where nothing tells, as in "React?" or "ok". */
const struct language *language_detect(struct slice text, const struct language *fallback);

const char *language_code(const struct language *language);    /* "es" */
const char *language_name(const struct language *language);    /* "Spanish", for prompts */
const char *language_stemmer(const struct language *language); /* "spanish" */
/* Folded words that carry no content of their own. */
bool language_is_stop_word(const struct language *language, struct slice folded_word);
/* Folded words that deny: "not", "never", "sin". */
bool language_is_negation(const struct language *language, struct slice folded_word);
/* The file's sets of words ([words NAME]), a bit each: of a name (0: the file has no such set), and
 * all those that a folded word belongs to, listed or by its shape ([shapes NAME] are not told). */
uint64_t language_set(const struct language *language, const char *name);
uint64_t language_word_sets(const struct language *language, struct slice folded_word);
/* A phrase of the file's [phrases] section, such as "no_answer"; English's where the language has
 * none; "" where nobody has. */
const char *language_phrase(const struct language *language, const char *key);
/* A line of the file's [synonyms] section: a folded word, then folded words that a text may use in
 * its place, parted by spaces. An empty slice past the end. */
struct slice language_synonyms(const struct language *language, size_t index);
/* A folded line of the file's [reading NAME], which tells how questions are compared. An empty
 * slice past the end, and where the file has no such section. */
struct slice language_reading(const struct language *language, const char *name, size_t index);

#endif
