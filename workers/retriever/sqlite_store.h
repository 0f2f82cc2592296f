/* What the files of the SQLite backend share, beside sql_store.h.
 *
 *     store_sqlite.c     open, migrate, close; who reads and writes on which thread
 *     sqlite_refresh.c   portfolios into memory, in steps of the loop
 *     sqlite_watch.c     looks for what other processes changed */
#ifndef MILLRACE_RETRIEVER_SQLITE_STORE_H
#define MILLRACE_RETRIEVER_SQLITE_STORE_H

#include "workers/retriever/sql_store.h"
#include "workers/retriever/sqlite_db.h"

struct sqlite_store {
    struct sql_store sql; /* first */
    const char *path;
    uint64_t device, inode;   /* of the file that is open */
    bool gone;                /* that file is no longer at `path`; the helper looks too */
    struct sqlite_db reading; /* the loop's */
    struct sqlite_db writing; /* the helper's */
    uint64_t writing_mark;    /* the helper's: commits of others that it has seen */
    uint64_t polite_until_ms;
    struct loader *loaders; /* idle ones first */
    struct event *watch;
    uint64_t watch_mark, watch_seq, watch_turn;
};

void sqlite_refresh(struct store *store, struct store_refresh *refresh);
void sqlite_refresh_close(struct sqlite_store *store);
err_t sqlite_watch_open(struct sqlite_store *store) MUST_USE;
void sqlite_watch_close(struct sqlite_store *store);

/* Brings the schema to this program's version; *to is set also where a newer one is refused. */
err_t sqlite_migrate(struct sqlite_db *db, unsigned *from, unsigned *to) MUST_USE;

#endif
