/* Made-up portfolios, written into the store's tables on PostgreSQL as an operator's COPY would:
 * all at once, every chunk with its terms and its vector. Failures end the program. */
#ifndef MILLRACE_BENCH_POSTGRES_FILL_H
#define MILLRACE_BENCH_POSTGRES_FILL_H

#include <libpq-fe.h>

#include "tests/bench/made_up.h"

struct fill {
    PGconn *db;
    struct made_up *made;
    const char *embedder; /* of as many dimensions */
    /* Hears every vector as a search will see it, normalised; NULL: nobody does. */
    void (*on_vector)(void *context, uint64_t portfolio_id, uint64_t chunk_id, const float *vector);
    void *context;
    uint64_t documents, chunks; /* so far: ids are consecutive from 1 */
};

/* One of version 1. */
void fill_portfolio(struct fill *fill, uint64_t id, size_t chunks);
/* After the last: vacuumed and analysed, as autovacuum does sooner or later. */
void fill_settle(PGconn *db);

/* Runs a statement and returns its first value as a number; 0 without one. */
double fill_ask(PGconn *db, const char *sql);

#endif
