/* What a question asks the index for. */
#ifndef MILLRACE_RETRIEVER_QUERY_H
#define MILLRACE_RETRIEVER_QUERY_H

#include "common/language.h"
#include "workers/retriever/corrections.h"

enum { QUERY_CONCEPTS_MAX = 128 };

struct query {
    struct bm25_concept concepts[QUERY_CONCEPTS_MAX];
    size_t count;
};

/* The concepts of a question: each word by its stems in every language, so that it meets texts of
 * all; a word that the index does not have as what it was probably meant to be. `languages` (ends
 * with NULL) are those of the indexed texts. */
void query_read(const struct bm25 *bm25, struct corrections *corrections, struct slice text,
                const struct language *language, const struct language *const *languages,
                struct query *query);

#endif
