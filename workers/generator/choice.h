/* What a choice of sentences brings along, and the order in which it is read. Pure. */
#ifndef MILLRACE_GENERATOR_CHOICE_H
#define MILLRACE_GENERATOR_CHOICE_H

#include "workers/generator/ranking.h"

bool choice_has(const struct choice *choice, size_t item);
/* Adds an item, unless the choice is full or says the same already. */
void choice_add(const struct ranking *ranking, struct choice *choice, size_t item);
/* "It …" brings the sentence that says what; "as follows:" brings what follows; an item brings its
 * list, as far as `list_bytes` go. */
void choice_bring_neighbours(const struct ranking *ranking, struct choice *choice,
                             size_t list_bytes);
/* Goes on reading behind the first sentence, in its section, until `least` are chosen. */
void choice_read_on(const struct ranking *ranking, struct choice *choice, size_t least);
/* The document with the best sentence first, and in it the passage; there as it reads. */
void choice_put_in_order(const struct ranking *ranking, struct choice *choice);
/* The items around one that was chosen for the heading above it and not for its own words: the
 * whole list is the answer, as far as `bytes_max` go. Else *first and *last are the item. */
void choice_spread_list(const struct ranking *ranking, size_t item, size_t bytes_max, size_t *first,
                        size_t *last);
/* The first sentence of a document, as far as it was retrieved; ranking->count when it has none. */
size_t ranking_overview(const struct ranking *ranking, unsigned document);

/* True for what is quoted on a line of its own. */
static inline bool candidate_is_line(const struct candidate *candidate)
{
    return candidate->sentence.kind != SENTENCE_PROSE;
}

#endif
