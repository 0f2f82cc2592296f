/* The word leg of searches in the database: a question, read as for a portfolio in memory, becomes
 * terms with their weights; the statement scores the postings by them, as bm25_score does.
 *
 *     question ──words_ask──▶ terms, weights ──words_write_leg──▶ best chunks */
#ifndef MILLRACE_RETRIEVER_POSTGRES_WORDS_H
#define MILLRACE_RETRIEVER_POSTGRES_WORDS_H

#include "common/buffer.h"
#include "workers/retriever/portfolio_terms.h"
#include "workers/retriever/resident.h"

/* Terms and their weights, each separated by spaces; no term is in two places. */
struct words_list {
    struct buffer terms, weights;
};

/* What a question asks for, as parameters of the leg's statement. */
struct words_asked {
    struct words_list rare, common;
    double common_most; /* more than common terms give any chunk */
    struct bm25_norm norm;
};

void words_ask(struct portfolio_terms *terms, const struct resident_query *query,
               struct words_asked *asked);
void words_asked_free(struct words_asked *asked);
/* Appends a statement that selects chunk_id and score of the BEST_MAX best. ?1 and ?2 are the rare
 * terms and their weights, ?3 and ?4 the norm's base and slope, ?5, ?6 and ?7 the common terms,
 * their weights and the most that they give. */
void words_write_leg(const struct words_asked *asked, uint64_t portfolio_id, struct buffer *sql);

#endif
