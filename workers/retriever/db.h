/* One connection to a database, whichever it is: what the store's operations are written in. They
 * speak the SQL that SQLite and PostgreSQL have in common; a driver has the rest.
 *
 *     struct rows rows = db_select(db, "SELECT name FROM agents WHERE id = ?", "i", id);
 *     while (rows_next(&rows)) use(rows_text(&rows, 0));
 *     return rows_end(&rows);
 *
 * Statements are prepared once and kept by their text's address, so SQL stays where it is used, as
 * a literal. Values are bound by a row of letters: i uint64_t, d double, t struct slice as text, s
 * const char *, b struct slice as bytes.
 *
 * Calls wait for the database: only SQLite's reads are for the loop. A connection is one thread's.
 */
#ifndef MILLRACE_RETRIEVER_DB_H
#define MILLRACE_RETRIEVER_DB_H

#include <stdarg.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/errors.h"

#define DB_STATEMENTS 256 /* more than the program has; a power of two */

/* A driver's own struct starts with this. */
struct db {
    const struct db_driver *driver;
};

struct rows {
    struct db *db;
    void *handle; /* the driver's; NULL: nothing was selected */
    int row;      /* the driver's */
    err_t error;
};

struct copy;

struct db_driver {
    void (*select)(struct rows *rows, const char *sql, const char *types, va_list args);
    err_t (*run)(struct db *db, const char *sql, const char *types, va_list args);
    void (*copy_row)(struct copy *copy, va_list args); /* NULL: it knows no faster way */
    err_t (*copy_end)(struct copy *copy);
    size_t copy_rows_min; /* with fewer rows that way is not faster */
    bool (*next)(struct rows *rows);
    void (*end)(struct rows *rows);
    uint64_t (*u64)(const struct rows *rows, int column);
    double (*f64)(const struct rows *rows, int column);
    struct slice (*text)(const struct rows *rows, int column);
    struct slice (*blob)(const struct rows *rows, int column);
    err_t (*script)(struct db *db, const char *sql);
    err_t (*begin)(struct db *db);
    err_t (*commit)(struct db *db);
    err_t (*rollback)(struct db *db);
    err_t (*settle)(struct db *db);
    bool (*in_transaction)(const struct db *db);
    bool (*doubtful)(const struct db *db);
    uint64_t (*now_ms)(const struct db *db);
    err_t (*reserve_chunks)(struct db *db, uint64_t count, uint64_t *first);
};

/* --- transactions --- */

/* Begins one that nobody else's writes come between: one writer at a time, of all processes. */
err_t db_begin(struct db *db) MUST_USE;
/* After an error of its own it is rolled back. */
err_t db_commit(struct db *db) MUST_USE;
/* Ends a transaction: commits it where `error` is OK; else rolls it back and returns the error.
 * Where even that fails, ERR_STORE_UNAVAILABLE. */
err_t db_end(struct db *db, err_t error) MUST_USE;
/* Nothing, where there is none. */
err_t db_rollback(struct db *db) MUST_USE;
/* After some errors a database has rolled back by itself. */
bool db_in_transaction(const struct db *db);
/* True when nobody knows whether the last commit took place: its answer never came. */
bool db_doubtful(const struct db *db);
/* Runs `part`, in a transaction, so that it leaves nothing behind when it fails. */
err_t db_savepoint(struct db *db, err_t (*part)(void *context), void *context) MUST_USE;

/* --- statements --- */

/* Runs statements that have no values and no rows, without keeping them. */
err_t db_script(struct db *db, const char *sql) MUST_USE;
/* Runs one statement to its end. In a transaction its error may be told by a later call instead, at
 * the latest by the end of the savepoint or by db_commit; nothing after it is done then. */
err_t db_run(struct db *db, const char *sql, const char *types, ...) MUST_USE;
/* Runs one to its end; *value is the first column of its last row, untouched where there is none.
 */
err_t db_value(struct db *db, uint64_t *value, const char *sql, const char *types, ...) MUST_USE;
struct rows db_select(struct db *db, const char *sql, const char *types, ...);
bool rows_next(struct rows *rows);
/* Ends the statement; the first error met. */
err_t rows_end(struct rows *rows);

/* Columns of the present row; slices are valid until the next. NULL is 0 and empty. */
uint64_t rows_u64(const struct rows *rows, int column);
double rows_f64(const struct rows *rows, int column);
struct slice rows_text(const struct rows *rows, int column);
struct slice rows_blob(const struct rows *rows, int column);
/* As rows_text, copied. */
struct slice rows_copy(const struct rows *rows, int column, struct arena *arena);

/* --- many rows --- */

/* Rows on their way into a table, all by one INSERT or faster where the database has a way. */
struct copy {
    struct db *db;
    const char *insert, *types;
    bool in_bulk;
    struct buffer rows; /* the driver's, until the end */
    err_t error;
};

/* For about `count` rows, in a transaction. `insert` is "INSERT INTO table (columns) VALUES (?,
 * ...)" and no more than that, kept by its address as any statement; `types` are those of a row's
 * values.
 */
struct copy db_copy(struct db *db, const char *insert, const char *types, size_t count);
void copy_row(struct copy *copy, ...);
/* Always to be called, once; the rows are there after it at the latest. The first error, with what
 * db_run says of errors in transactions. */
err_t copy_end(struct copy *copy) MUST_USE;

/* --- what is not a statement --- */

/* The store's clock, which everybody who uses it shares: milliseconds since 1970. In a transaction
 * as of its begin or later. */
uint64_t db_now_ms(const struct db *db);
/* Ids for `count` chunks, one after another, never given before. In a transaction. */
err_t db_reserve_chunks(struct db *db, uint64_t count, uint64_t *first) MUST_USE;

#endif
