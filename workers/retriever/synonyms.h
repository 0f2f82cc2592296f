/* Other words that a text may have for a question's word, from the languages' own lists. */
#ifndef MILLRACE_RETRIEVER_SYNONYMS_H
#define MILLRACE_RETRIEVER_SYNONYMS_H

#include "common/language.h"

/* Calls `each` for every other word (folded) of a folded word of that language, whatever form of it
 * the list has. Any number of threads may call it. */
void synonyms_of(const struct language *language, struct slice word,
                 void (*each)(void *context, struct slice synonym), void *context);

#endif
