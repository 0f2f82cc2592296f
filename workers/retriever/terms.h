/* The terms of a text for BM25: its words (see words.h), stemmed, counted. A chunk's terms are
 * stored beside it, so that loading an index stems nothing. */
#ifndef MILLRACE_RETRIEVER_TERMS_H
#define MILLRACE_RETRIEVER_TERMS_H

#include "common/buffer.h"
#include "common/language.h"

/* Rises when the same text gets other terms: stored terms of another version are outdated. */
enum { TERMS_VERSION = 2 };

/* Appends the terms of a chunk in their stored form: for each distinct term its length (one byte),
 * its bytes, its count (one byte, at most 255). `title` and `heading` are the chunk's surroundings;
 * how much they count is this file's affair. Any number of threads may call it. */
void terms_encode(const struct language *language, struct slice title, struct slice heading,
                  struct slice text, struct buffer *out);

/* Takes the next term off the front of a stored form. False at its end, or where it is cut short.
 */
bool terms_next(struct slice *terms, struct slice *term, unsigned *count);

struct word;
/* The term of a word in a language; valid until this thread's next call. */
struct slice terms_of_word(const struct language *language, const struct word *word);

#endif
