/* Hands calls on to the driver, and what every driver would do alike. */
#include "workers/retriever/db.h"

/* --- transactions --- */

err_t db_begin(struct db *db)
{
    return db->driver->begin(db);
}

err_t db_commit(struct db *db)
{
    err_t error = db_in_transaction(db) ? db->driver->commit(db) : ERR_STORE_FAILED;
    if (error && db_rollback(db)) return error; /* the first one counts */
    return error;
}

err_t db_end(struct db *db, err_t error)
{
    if (!error) return db_commit(db);
    return db_rollback(db) ? ERR_STORE_UNAVAILABLE : error;
}

err_t db_rollback(struct db *db)
{
    return db_in_transaction(db) ? db->driver->rollback(db) : OK;
}

bool db_in_transaction(const struct db *db)
{
    return db->driver->in_transaction(db);
}

bool db_doubtful(const struct db *db)
{
    return db->driver->doubtful(db);
}

err_t db_savepoint(struct db *db, err_t (*part)(void *context), void *context)
{
    err_t error = db_run(db, "SAVEPOINT part", "");
    if (!error) error = part(context);
    if (!error) error = db->driver->settle(db);
    if (!db_in_transaction(db)) return error ? error : ERR_STORE_FAILED;
    if (error && db_script(db, "ROLLBACK TO part")) return ERR_STORE_FAILED;
    err_t released = db_run(db, "RELEASE part", "");
    return error ? error : released;
}

/* --- statements --- */

err_t db_script(struct db *db, const char *sql)
{
    return db->driver->script(db, sql);
}

err_t db_run(struct db *db, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    err_t error = db->driver->run(db, sql, types, args);
    va_end(args);
    return error;
}

struct rows db_select(struct db *db, const char *sql, const char *types, ...)
{
    struct rows rows = {.db = db};
    va_list args;
    va_start(args, types);
    db->driver->select(&rows, sql, types, args);
    va_end(args);
    return rows;
}

err_t db_value(struct db *db, uint64_t *value, const char *sql, const char *types, ...)
{
    struct rows rows = {.db = db};
    va_list args;
    va_start(args, types);
    db->driver->select(&rows, sql, types, args);
    va_end(args);
    while (rows_next(&rows)) *value = rows_u64(&rows, 0);
    return rows_end(&rows);
}

bool rows_next(struct rows *rows)
{
    return !rows->error && rows->handle && rows->db->driver->next(rows);
}

err_t rows_end(struct rows *rows)
{
    if (rows->handle) rows->db->driver->end(rows);
    rows->handle = NULL;
    return rows->error;
}

uint64_t rows_u64(const struct rows *rows, int column)
{
    return rows->db->driver->u64(rows, column);
}

double rows_f64(const struct rows *rows, int column)
{
    return rows->db->driver->f64(rows, column);
}

struct slice rows_text(const struct rows *rows, int column)
{
    return rows->db->driver->text(rows, column);
}

struct slice rows_blob(const struct rows *rows, int column)
{
    return rows->db->driver->blob(rows, column);
}

struct slice rows_copy(const struct rows *rows, int column, struct arena *arena)
{
    return arena_slice(arena, rows_text(rows, column));
}

/* --- many rows --- */

struct copy db_copy(struct db *db, const char *insert, const char *types, size_t count)
{
    bool in_bulk = db->driver->copy_row && count >= db->driver->copy_rows_min;
    return (struct copy){.db = db, .insert = insert, .types = types, .in_bulk = in_bulk};
}

void copy_row(struct copy *copy, ...)
{
    const struct db_driver *driver = copy->db->driver;
    va_list args;
    va_start(args, copy);
    if (copy->in_bulk)
        driver->copy_row(copy, args);
    else if (!copy->error)
        copy->error = driver->run(copy->db, copy->insert, copy->types, args);
    va_end(args);
}

err_t copy_end(struct copy *copy)
{
    if (copy->in_bulk && copy->rows.len) copy->error = copy->db->driver->copy_end(copy);
    buffer_free(&copy->rows);
    return copy->error;
}

/* --- what is not a statement --- */

uint64_t db_now_ms(const struct db *db)
{
    return db->driver->now_ms(db);
}

err_t db_reserve_chunks(struct db *db, uint64_t count, uint64_t *first)
{
    return db->driver->reserve_chunks(db, count, first);
}
