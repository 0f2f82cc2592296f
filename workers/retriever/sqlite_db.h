/* The driver for SQLite. */
#ifndef MILLRACE_RETRIEVER_SQLITE_DB_H
#define MILLRACE_RETRIEVER_SQLITE_DB_H

#include <sqlite3.h>

#include "workers/retriever/db.h"

struct sqlite_db {
    struct db db; /* first */
    sqlite3 *sqlite;
    struct sqlite_statement {
        const char *sql;
        sqlite3_stmt *statement;
    } statements[DB_STATEMENTS];
    size_t count;
    uint64_t waiting_since_ms; /* for the write lock */
};

enum sqlite_role {
    SQLITE_READS, /* never waits: what can't be read at once is ERR_STORE_BUSY */
    SQLITE_WRITES /* waits for other writers, a few seconds at most; not for the loop */
};

/* Opens the file, which must exist for SQLITE_READS. A file that can't be written opens for
 * reading. */
err_t sqlite_db_open(struct sqlite_db *db, const char *path, enum sqlite_role role) MUST_USE;
void sqlite_db_close(struct sqlite_db *db);
/* Rises whenever another connection, of any process, has committed; never 0. 0 on an error. */
uint64_t sqlite_data_version(struct sqlite_db *db);
/* Opens a snapshot, in which every statement reads until rows_end of what is returned: one lock for
 * them all. *version as sqlite_data_version's. */
struct rows sqlite_snapshot(struct sqlite_db *db, uint64_t *version);

#endif
