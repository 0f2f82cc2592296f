/* An inverted index with BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework",
 * 2009): k1 1.2, b 0.75, idf = ln(1 + (N - df + 0.5) / (df + 0.5)). Texts are numbered by slots
 * that their owner chooses, small and used again. Every figure is exact at every moment: what is
 * removed is gone from the postings. */
#ifndef MILLRACE_RETRIEVER_BM25_H
#define MILLRACE_RETRIEVER_BM25_H

#include "workers/retriever/corpus.h"

enum { BM25_SLOTS_MAX = 1 << 24 };

struct bm25;

struct bm25 *bm25_new(void) MUST_USE;
void bm25_destroy(struct bm25 **bm25);
/* Adds a text by its stored terms (terms.h). The slot must be free. */
void bm25_put(struct bm25 *bm25, uint32_t slot, struct slice terms);
void bm25_remove(struct bm25 *bm25, uint32_t slot);
/* The distinct terms of a text. */
const uint32_t *bm25_terms(const struct bm25 *bm25, uint32_t slot, size_t *count);
const struct corpus *bm25_corpus(const struct bm25 *bm25);
/* Scores all texts that have any of the terms. Returns the slots that were touched, in no order,
 * and their number; scores[slot] is theirs. Both are valid until the next call on this index. */
const uint32_t *bm25_score(struct bm25 *bm25, const struct concept *concepts, size_t count,
                           const float **scores, size_t *touched);
size_t bm25_bytes(const struct bm25 *bm25);

#endif
