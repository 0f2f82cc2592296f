/* Portfolios that are searched in the database: their partitions are made, kept up, taken away.
 *
 *     more than chunks_max ──make──▶ searched here ──fewer than 3/4 of that, or gone──▶ dropped
 *                             ▲        │ ▲
 *     another embedder ───────┘        └─┘ follow: what changed since the version that is searched
 *
 * Until the partitions are there, and once they are gone, the portfolio is searched in memory: the
 * answers are never worse than the data. */
#ifndef MILLRACE_RETRIEVER_POSTGRES_INDEX_H
#define MILLRACE_RETRIEVER_POSTGRES_INDEX_H

#include "workers/retriever/postgres_store.h"

enum index_state {
    INDEX_NONE,    /* to be searched in memory, as it should */
    INDEX_CURRENT, /* to be searched here */
    INDEX_WANTED,  /* in memory still: postgres_index_settle has something to do */
};

/* Whether a portfolio, whose plan has just been read, is to be searched here; what is searched is
 * brought up to the plan's version first. */
err_t postgres_index_state(struct db *db, const struct index_options *options,
                           const struct store_refresh *refresh, const struct refresh_plan *plan,
                           enum index_state *state) MUST_USE;
/* How many portfolios were deleted whose tables are still there. */
err_t postgres_index_orphans(struct db *db, uint64_t *count) MUST_USE;
/* Makes the partitions, makes them anew, or drops them, as the portfolio's size and embedder ask
 * for; nothing where another process is at it. Takes as long as it takes. */
err_t postgres_index_settle(struct postgres_db *db, const struct index_options *options,
                            struct slice tenant, uint64_t portfolio_id) MUST_USE;

#endif
