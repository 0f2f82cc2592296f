/* The embedder that needs nothing: words and character trigrams hashed with sign into
 * HASHING_DIMENSIONS (the hashing trick; Weinberger et al., "Feature Hashing for Large Scale
 * Multitask Learning", 2009). It matches wording, not meaning; it stands misspelling and
 * inflection. The same text gives the same bits on every machine. Pure. */
#ifndef MILLRACE_EMBEDDER_HASHING_H
#define MILLRACE_EMBEDDER_HASHING_H

#include "common/language.h"

enum { HASHING_DIMENSIONS = 384 };

struct hashing;

struct hashing *hashing_new(void) MUST_USE;
void hashing_destroy(struct hashing **hashing);
/* Writes the normalised vector of a text; all zero for one without words. */
void hashing_embed(struct hashing *hashing, struct slice text, float *vector);
/* The same of a passage with its surroundings. */
void hashing_embed_passage(struct hashing *hashing, struct slice title, struct slice heading,
                           struct slice text, float *vector);

#endif
