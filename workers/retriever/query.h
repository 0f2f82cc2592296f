/* What a question asks the texts for. */
#ifndef MILLRACE_RETRIEVER_QUERY_H
#define MILLRACE_RETRIEVER_QUERY_H

#include "common/language.h"
#include "workers/retriever/corrections.h"

enum { QUERY_CONCEPTS_MAX = 128 };

struct query {
    struct concept concepts[QUERY_CONCEPTS_MAX];
    size_t count;
};

/* The concepts of a question: each word by its stems in every language, so that it meets texts of
 * all; a word that the texts do not have as what it was probably meant to be. `languages` (ends
 * with NULL) are those of the texts. */
void query_read(const struct corpus *corpus, struct corrections *corrections, struct slice text,
                const struct language *language, const struct language *const *languages,
                struct query *query);

#endif
