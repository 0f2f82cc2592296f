/* What the files of the PostgreSQL backend share, beside sql_store.h.
 *
 *     postgres_db.c        the driver: a connection, statements, transactions
 *     postgres_migrate.c   the schema
 *     store_postgres.c     open, close; who reads and writes on which thread
 *     postgres_refresh.c   portfolios into memory
 *     postgres_watch.c     hears what other processes changed
 *
 * Connections, each a thread's: one that writes (writer.h), one that listens, the others read
 * (crew.h). */
#ifndef MILLRACE_RETRIEVER_POSTGRES_STORE_H
#define MILLRACE_RETRIEVER_POSTGRES_STORE_H

#include "workers/retriever/crew.h"
#include "workers/retriever/postgres_db.h"
#include "workers/retriever/sql_store.h"

enum { CONNECTIONS_FIXED = 2 }; /* the one that writes, the one that listens */

struct postgres_store {
    struct sql_store sql; /* first */
    char *url;
    struct postgres_db writing;  /* the helper's */
    struct postgres_db *reading; /* the crew's, one each */
    struct db **crew_dbs;
    size_t readers;
    struct crew *crew;
    struct watch *watch;
    struct load *loads; /* portfolios that are being told to their sinks */
};

void postgres_refresh(struct store *store, struct store_refresh *refresh);
/* Ends the loads that are being told. */
void postgres_refresh_close(struct postgres_store *store);
void postgres_watch_open(struct postgres_store *store);
void postgres_watch_close(struct postgres_store *store);

#endif
