/* What a question has to know of the texts that it is asked of: their terms, in how many texts each
 * is, how many texts there are and how long. Enough to read a question (query.h) and to weigh what
 * it asks for by BM25 (bm25.h), wherever the postings are. */
#ifndef MILLRACE_RETRIEVER_CORPUS_H
#define MILLRACE_RETRIEVER_CORPUS_H

#include "workers/retriever/lexicon.h"

struct corpus {
    struct lexicon *lexicon;
    uint32_t *frequencies; /* by term: in how many texts it is */
    size_t capacity;
    size_t texts;
    uint64_t words;   /* in all texts */
    uint64_t changes; /* rises with every change; never 0 where there are texts */
};

/* Terms that stand for one thing the question asks for, such as a word's stems in two languages.
 * They share one document frequency. */
struct concept {
    uint32_t terms[8];
    size_t count;
    float weight;
};

/* How a text's length tells: a term of weight w that is there `times` times scores
 * w * times / (times + base + slope * length). */
struct bm25_norm {
    float base, slope;
};

void corpus_init(struct corpus *corpus);
void corpus_free(struct corpus *corpus);
/* The number of a term; a new one is in no text yet. */
uint32_t corpus_add(struct corpus *corpus, struct slice term);
/* The weight of each of a concept's terms, k1 + 1 included. */
float corpus_weigh(const struct corpus *corpus, const struct concept *concept);
struct bm25_norm corpus_norm(const struct corpus *corpus);
size_t corpus_bytes(const struct corpus *corpus);

#endif
