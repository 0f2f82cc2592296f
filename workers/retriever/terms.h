/* The terms of a text for BM25: folded, stemmed words (identifiers such as max_connections whole
 * and by part), counted. A chunk's terms are stored beside it, so that loading an index stems
 * nothing. */
#ifndef MILLRACE_RETRIEVER_TERMS_H
#define MILLRACE_RETRIEVER_TERMS_H

#include "common/buffer.h"
#include "common/language.h"

/* Appends the terms of a chunk in their stored form: for each distinct term its length (one byte),
 * its bytes, its count (one byte, at most 255). `title` and `heading` are the chunk's surroundings;
 * how much they count is this file's affair. */
void terms_encode(const struct language *language, struct slice title, struct slice heading,
                  struct slice text, struct buffer *out);

#endif
