/* The word leg of searches in the database: which terms a portfolio has is kept beside its postings
 * and told to retrievers, who read questions by them (portfolio_terms.h); what a question asks for
 * comes back as terms with their weights, which the postings are scored by.
 *
 *     chunks come and go ──tally──▶ rag_term ──words_read, words_tell──▶ portfolio_terms
 *     question ──words_ask──▶ terms, weights ──words_write_leg──▶ best chunks */
#ifndef MILLRACE_RETRIEVER_POSTGRES_WORDS_H
#define MILLRACE_RETRIEVER_POSTGRES_WORDS_H

#include "workers/retriever/postgres_store.h"

/* --- kept up --- */

/* By how much each term is in more chunks than it was, or fewer. Zeroed is empty. */
struct words_tally {
    struct lexicon *lexicon; /* NULL: nothing was counted */
    int64_t *counts;         /* by term */
    size_t capacity;
};

void words_tally_add(struct words_tally *tally, struct slice term, int64_t chunks);
void words_tally_free(struct words_tally *tally);

/* The term that stands for a chunk's language; valid until this thread's next call. */
struct slice words_language_term(struct slice language);
/* Takes the postings of these chunks out, and off the tally. */
err_t words_take_out(struct db *db, uint64_t portfolio_id, const struct chunk_range *range,
                     struct words_tally *tally) MUST_USE;
/* Brings a portfolio's terms up to `version` by what was tallied. */
err_t words_store(struct db *db, uint64_t portfolio_id, uint64_t version,
                  const struct words_tally *tally) MUST_USE;

/* --- told --- */

/* What has changed in a portfolio's terms since some version of it. */
struct words_change {
    uint64_t version;        /* now; 0: the portfolio is not searched here */
    uint64_t chunks, length; /* of the portfolio; its length in words */
    bool whole;              /* everything is told */
    struct rows rows;
};

/* Reads them, on the connection's thread; none where `since` is the newest. */
err_t words_read(struct db *db, uint64_t portfolio_id, uint64_t since,
                 struct words_change *change) MUST_USE;
/* Tells one, on the loop, after portfolio_terms_begin. False when all were told. */
bool words_tell(struct words_change *change, struct portfolio_terms *terms);
void words_change_free(struct words_change *change);

/* --- asked --- */

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
/* Writes "asked AS (...), ... worded AS (...)": chunk_id and score of the BEST_MAX best. ?1 and ?3
 * are the rare terms and their weights, ?4 and ?5 the norm's base and slope, ?6, ?7 and ?8 the
 * common terms, their weights and the most that they give. Returns its length. */
size_t words_write_leg(const struct words_asked *asked, uint64_t portfolio_id, char *sql,
                       size_t room);

#endif
