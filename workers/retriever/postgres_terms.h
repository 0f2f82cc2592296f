/* The terms of portfolios that are searched in the database: kept beside their postings, and told
 * to retrievers, who read questions by them (portfolio_terms.h).
 *
 *     chunks come and go ──tally──▶ rag_term ──terms_read, terms_tell──▶ portfolio_terms */
#ifndef MILLRACE_RETRIEVER_POSTGRES_TERMS_H
#define MILLRACE_RETRIEVER_POSTGRES_TERMS_H

#include "workers/retriever/postgres_store.h"

/* --- kept up --- */

/* By how much each term is in more chunks than it was, or fewer. Zeroed is empty. */
struct terms_tally {
    struct lexicon *lexicon; /* NULL: nothing was counted */
    int64_t *counts;         /* by term */
    size_t capacity;
};

void terms_tally_add(struct terms_tally *tally, struct slice term, int64_t chunks);
void terms_tally_free(struct terms_tally *tally);

/* The term that stands for a chunk's language; valid until this thread's next call. */
struct slice terms_of_language(struct slice language);
/* Takes the postings of these chunks out, and off the tally. */
err_t terms_take_out(struct db *db, uint64_t portfolio_id, const struct chunk_range *range,
                     struct terms_tally *tally) MUST_USE;
/* Brings a portfolio's terms up to `version` by what was tallied. */
err_t terms_store(struct db *db, uint64_t portfolio_id, uint64_t version,
                  const struct terms_tally *tally) MUST_USE;

/* --- told --- */

/* What has changed in a portfolio's terms since some version of it. */
struct terms_change {
    uint64_t version;        /* now; 0: the portfolio is not searched here */
    uint64_t chunks, length; /* of the portfolio; its length in words */
    bool whole;              /* everything is told */
    struct rows rows;
};

/* Reads them, on the connection's thread; none where `since` is the newest. */
err_t terms_read(struct db *db, uint64_t portfolio_id, uint64_t since,
                 struct terms_change *change) MUST_USE;
/* Tells one, on the loop, after portfolio_terms_begin. False when all were told. */
bool terms_tell(struct terms_change *change, struct portfolio_terms *terms);
void terms_change_free(struct terms_change *change);

#endif
