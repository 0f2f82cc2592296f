/* The terms of an index, numbered. Terms stay once they are known. */
#ifndef MILLRACE_RETRIEVER_LEXICON_H
#define MILLRACE_RETRIEVER_LEXICON_H

#include "common/base.h"

#define LEXICON_NONE UINT32_MAX

struct lexicon;

struct lexicon *lexicon_new(void) MUST_USE;
void lexicon_destroy(struct lexicon **lexicon);
/* The number of a term, new ones counted on from the last. */
uint32_t lexicon_add(struct lexicon *lexicon, struct slice term);
/* The number of a term, or LEXICON_NONE. */
uint32_t lexicon_find(const struct lexicon *lexicon, struct slice term);
struct slice lexicon_text(const struct lexicon *lexicon, uint32_t number);
uint32_t lexicon_count(const struct lexicon *lexicon);
size_t lexicon_bytes(const struct lexicon *lexicon);
/* Which letters each term has, by number, one bit for each of 64 classes: terms a few edits apart
 * differ in few bits. Valid until a term is added. */
const uint64_t *lexicon_letters(const struct lexicon *lexicon);
uint64_t lexicon_letters_of(struct slice term);
/* FNV-1a, mixed once more. */
uint32_t lexicon_hash(struct slice term);

#endif
