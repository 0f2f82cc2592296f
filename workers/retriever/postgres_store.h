/* What the files of the PostgreSQL backend share, beside sql_store.h.
 *
 *     postgres_db.c           the driver: statements, transactions, COPY
 *     postgres_connection.c   its connection: made, lost, and what the server's errors mean
 *     postgres_values.c       values in binary
 *     postgres_asked.c        statements whose texts are made at run time
 *     postgres_migrate.c      the schema
 *     store_postgres.c        open, close; who reads and writes on which thread
 *     postgres_refresh.c      portfolios into memory
 *     postgres_watch.c        hears what other processes changed
 *
 *     postgres_index.c        tables of portfolios that are searched in the database
 *     postgres_graph.c        the graph over their vectors
 *     postgres_terms.c        their terms, kept beside the postings and told to retrievers
 *     postgres_search.c       searching them
 *     postgres_words.c        by words: what a question asks of the postings
 *
 * Connections, each a thread's: one that writes (writer.h), one that listens, one that makes
 * indexes, the others read (crew.h). */
#ifndef MILLRACE_RETRIEVER_POSTGRES_STORE_H
#define MILLRACE_RETRIEVER_POSTGRES_STORE_H

#include "workers/retriever/crew.h"
#include "workers/retriever/postgres_db.h"
#include "workers/retriever/sql_store.h"

enum { CONNECTIONS_FIXED = 3 }; /* those that write, listen, and make indexes */

struct postgres_store {
    struct sql_store sql; /* first */
    char *url;
    struct postgres_db writing;  /* the helper's */
    struct postgres_db *reading; /* the crew's, one each */
    struct db **crew_dbs;
    size_t readers;
    struct crew *crew;
    struct postgres_db building; /* the only builder's */
    struct db *building_db;
    struct crew *builders;
    struct settling *settlings; /* portfolios that a builder is at */
    struct watch *watch;
    struct load *loads; /* portfolios that are being told to their sinks */
};

void postgres_refresh(struct store *store, struct store_refresh *refresh);
/* Ends the loads that are being told. */
void postgres_refresh_close(struct postgres_store *store);
/* Has the only builder see to a portfolio's tables, unless it is at them; 0: to those of portfolios
 * that are gone. On the loop. */
void postgres_settle(struct postgres_store *store, struct slice tenant, uint64_t portfolio_id);
void postgres_search(struct store *store, struct store_search *search);
void postgres_watch_open(struct postgres_store *store);
void postgres_watch_close(struct postgres_store *store);

#endif
