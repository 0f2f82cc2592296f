/* What a question has to know of a portfolio that the store searches: in how many
 * chunks each term and each language is. The store keeps both beside the postings and tells what
 * has changed since; so questions are read as for a portfolio in memory, and only then sent to the
 * postings. */
#ifndef MILLRACE_RETRIEVER_PORTFOLIO_TERMS_H
#define MILLRACE_RETRIEVER_PORTFOLIO_TERMS_H

#include "workers/retriever/query.h"

/* About a hundred megabytes. Of a portfolio with more terms the rarest are not known: a question
 * that names one is answered as if it were misspelt. */
enum { PORTFOLIO_TERMS_MAX = 2000000 };

struct portfolio_terms;

/* Knows nothing yet: at version 0. */
struct portfolio_terms *portfolio_terms_new(void) MUST_USE;
void portfolio_terms_destroy(struct portfolio_terms **terms);
/* Forgets everything. */
void portfolio_terms_clear(struct portfolio_terms *terms);
/* The portfolio's version that they are of; 0: they are incomplete. */
uint64_t portfolio_terms_version(const struct portfolio_terms *terms);
size_t portfolio_terms_bytes(const struct portfolio_terms *terms);

/* --- for the store --- */

/* Changes follow; where they are the `whole`, as at first, what was there is void. */
void portfolio_terms_begin(struct portfolio_terms *terms, bool whole);
/* In how many chunks a term is, in how many a language. Told twice is the same as told once. */
void portfolio_terms_put(struct portfolio_terms *terms, struct slice term, uint64_t chunks);
void portfolio_terms_put_language(struct portfolio_terms *terms, struct slice code,
                                  uint64_t chunks);
/* All has been told that makes them the portfolio's at `version`, which has so many chunks and
 * words. False if there were more terms than are held. */
bool portfolio_terms_end(struct portfolio_terms *terms, uint64_t version, uint64_t chunks,
                         uint64_t words);

/* --- for questions --- */

void portfolio_terms_read(struct portfolio_terms *terms, struct slice question,
                          const struct language *language, struct query *query);
const struct corpus *portfolio_terms_corpus(const struct portfolio_terms *terms);

#endif
