/* One SQLite connection: statements prepared once and kept by their text's address (so SQL stays
 * where it is used, as a literal), values bound by a row of letters, result codes turned into ours.
 *
 *     struct rows rows = db_select(db, "SELECT name FROM agents WHERE id = ?", "i", id);
 *     while (rows_next(&rows)) use(rows_text(&rows, 0));
 *     return rows_end(&rows);
 *
 * Letters: i uint64_t, d double, t struct slice as text, s const char *, b struct slice as bytes.
 */
#ifndef MILLRACE_RETRIEVER_SQLITE_DB_H
#define MILLRACE_RETRIEVER_SQLITE_DB_H

#include <sqlite3.h>

#include "common/arena.h"
#include "common/errors.h"

#define DB_STATEMENTS 128 /* more than the program has; a power of two */

struct db {
    sqlite3 *sqlite;
    struct db_statement {
        const char *sql;
        sqlite3_stmt *statement;
    } statements[DB_STATEMENTS];
    size_t count;
    uint64_t waiting_since_ms; /* for the write lock */
};

enum db_role {
    DB_READS, /* never waits: what can't be read at once is ERR_STORE_BUSY */
    DB_WRITES /* waits for other writers, a few seconds at most; not for the loop */
};

/* Opens the file, which must exist for DB_READS. A file that can't be written opens for reading. */
err_t db_open(struct db *db, const char *path, enum db_role role) MUST_USE;
void db_close(struct db *db);
/* Our error of a SQLite result code, the last one of this connection. */
err_t db_error(struct db *db, int code) MUST_USE;
/* Runs statements that have no values and no rows, without keeping them. */
err_t db_script(struct db *db, const char *sql) MUST_USE;
/* Runs one statement to its end. */
err_t db_run(struct db *db, const char *sql, const char *types, ...) MUST_USE;
uint64_t db_last_id(const struct db *db);
/* Rises whenever another connection, of any process, has committed; never 0. 0 on an error. */
uint64_t db_data_version(struct db *db);

struct rows {
    struct db *db;
    sqlite3_stmt *statement;
    err_t error;
};

struct rows db_select(struct db *db, const char *sql, const char *types, ...);
/* Opens a snapshot, in which every statement reads until rows_end of what is returned: one lock for
 * them all. *version as db_data_version's. */
struct rows db_snapshot(struct db *db, uint64_t *version);
bool rows_next(struct rows *rows);
/* Resets the statement; the first error met. */
err_t rows_end(struct rows *rows);

/* Columns of the present row; slices are valid until the next. */
uint64_t rows_u64(const struct rows *rows, int column);
double rows_f64(const struct rows *rows, int column);
struct slice rows_text(const struct rows *rows, int column);
struct slice rows_blob(const struct rows *rows, int column);
/* As rows_text, copied. */
struct slice rows_copy(const struct rows *rows, int column, struct arena *arena);

#endif
