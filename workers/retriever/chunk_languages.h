/* How many of a portfolio's chunks are in each language: a question is asked of all that are there.
 */
#ifndef MILLRACE_RETRIEVER_CHUNK_LANGUAGES_H
#define MILLRACE_RETRIEVER_CHUNK_LANGUAGES_H

#include "common/language.h"

enum { CHUNK_LANGUAGES_MAX = 32 };

/* Zeroed is empty. */
struct chunk_languages {
    size_t chunks[CHUNK_LANGUAGES_MAX]; /* by chunk_language_number() */
};

/* The number of a language by its code; of a code that nobody knows, that of English. */
uint8_t chunk_language_number(struct slice code);
/* Those that have chunks, ended by NULL. */
void chunk_languages_list(const struct chunk_languages *languages,
                          const struct language *list[CHUNK_LANGUAGES_MAX + 1]);

#endif
