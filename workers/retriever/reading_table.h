/* What a language's file says of comparing questions ([reading NAME], told at the top of en.lang):
 * words that may be left out, other ways to ask the same, words that mean the same. All words are
 * folded. Any number of threads may ask. */
#ifndef MILLRACE_RETRIEVER_READING_TABLE_H
#define MILLRACE_RETRIEVER_READING_TABLE_H

#include "common/language.h"

/* The sets of words, under the names that the files give them. */
#define READING_SETS(X)     \
    X(LIGHT, "light")       \
    X(ASKING, "asking")     \
    X(BINDING, "binding")   \
    X(FLOATING, "floating") \
    X(GENERIC, "generic")   \
    X(NAMING, "naming")     \
    X(OF, "of")             \
    X(BALANCED, "balanced") \
    X(BALANCING, "balancing")

#define X(name, text) READING_##name,
enum reading_set { READING_SETS(X) READING_SET_COUNT };
#undef X

struct reading_table;

/* Made at first use, kept for good. */
const struct reading_table *reading_table_of(const struct language *language);
bool reading_has(const struct reading_table *table, enum reading_set set, struct slice word);

/* A way to ask: so many words at the front, and at the end, stand for `means`: words parted by
 * spaces, "-" for none. */
struct reading_form {
    size_t front, back;
    struct slice means;
};
/* The form that takes most of the words, at their front; false where there is none. An empty word
 * matches nothing; `first`: the question starts with them. */
bool reading_form_find(const struct reading_table *table, const struct slice *words, size_t count,
                       bool first, struct reading_form *form);
/* Whether a word may be there or not where the question has that form. */
bool reading_owns(const struct reading_table *table, struct slice form, struct slice word);

/* Whether a question may have either of two words that differ: a line of [reading same] has both.
 */
bool reading_means_same(const struct reading_table *table, struct slice a, struct slice b);
/* Whether they are one word with two endings of a line of [reading endings]; with `generic`, of
 * [reading generic_endings], too. */
bool reading_is_inflected(const struct reading_table *table, struct slice a, struct slice b,
                          bool generic);

#endif
