#include "workers/retriever/sqlite_db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define BUSY_MS_MAX 5000

/* Kibibytes of page cache. The file is not mapped: a file cut short under a mapping kills the
 * process, and pread from the system's cache costs a microsecond a page. */
#define CACHE "PRAGMA cache_size = -2048;"

static const char *const pragmas[] = {
    [DB_READS] = CACHE "PRAGMA query_only = 1;",
    [DB_WRITES] = CACHE "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000;"
                        "PRAGMA journal_size_limit = 67108864;",
};

/* A write that the system refused: over quota, over a size limit, remounted read-only (SQLite tells
 * only a full disk apart, and its errno is not to be relied on). Reading goes on. */
static bool write_refused(int extended_code)
{
    return extended_code == SQLITE_IOERR_WRITE || extended_code == SQLITE_IOERR_SHMSIZE ||
           extended_code == SQLITE_IOERR_TRUNCATE;
}

err_t db_error(struct db *db, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ERR_STORE_BUSY;
    case SQLITE_FULL:
    case SQLITE_READONLY: return ERR_STORE_FULL;
    case SQLITE_IOERR:
        if (write_refused(sqlite3_extended_errcode(db->sqlite))) return ERR_STORE_FULL;
        break;
    case SQLITE_CANTOPEN:
        log_error("sqlite: %s", sqlite3_errmsg(db->sqlite));
        return ERR_STORE_UNAVAILABLE;
    }
    log_error("sqlite: code=%d %s", sqlite3_extended_errcode(db->sqlite),
              sqlite3_errmsg(db->sqlite));
    return ERR_STORE_FAILED;
}

/* Sleeps are short and uneven, so that two processes that write all the time get their turns. */
static int wait_for_writer(void *context, int waits)
{
    struct db *db = context;
    if (!waits) db->waiting_since_ms = clock_ms();
    if (clock_ms() - db->waiting_since_ms > BUSY_MS_MAX) return 0;
    usleep(100 + (useconds_t)(random() % 150));
    return 1;
}

/* Several processes that start together switch a new file to WAL together; SQLite lets one and does
 * not wait for it. */
static err_t use_wal(struct db *db)
{
    err_t error = ERR_STORE_BUSY;
    for (int waits = 0; error == ERR_STORE_BUSY && wait_for_writer(db, waits); waits++)
        error = db_script(db, "PRAGMA journal_mode = WAL");
    return error;
}

static err_t configure(struct db *db, enum db_role role)
{
    if (role == DB_WRITES) sqlite3_busy_handler(db->sqlite, wait_for_writer, db);
    err_t error = db_script(db, pragmas[role]);
    if (error || role == DB_READS || sqlite3_db_readonly(db->sqlite, "main")) return error;
    return use_wal(db);
}

static err_t open_with(struct db *db, const char *path, enum db_role role, int flags)
{
    *db = (struct db){0};
    int code = sqlite3_open_v2(path, &db->sqlite, flags | SQLITE_OPEN_NOMUTEX, NULL);
    err_t error = db_error(db, code);
    if (!error) error = configure(db, role);
    if (!error) error = db_script(db, "SELECT count(*) FROM sqlite_master"); /* can it be read? */
    if (error) db_close(db);
    return error;
}

/* A file that may not be written, in a folder where SQLite can't put its WAL index: nobody changes
 * it while that is so, and SQLite reads it when told as much. */
static bool immutable(const char *path, char *uri, size_t size)
{
    return !faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) &&
           faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) && !strpbrk(path, "%?#") &&
           snprintf(uri, size, "file:%s?immutable=1", path) < (int)size;
}

err_t db_open(struct db *db, const char *path, enum db_role role)
{
    char uri[PATH_MAX];
    int create = role == DB_WRITES ? SQLITE_OPEN_CREATE : 0;
    err_t error = open_with(db, path, role, SQLITE_OPEN_READWRITE | create);
    if ((error == ERR_STORE_FULL || error == ERR_STORE_UNAVAILABLE) &&
        immutable(path, uri, sizeof(uri)))
        error = open_with(db, uri, role, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    return error;
}

void db_close(struct db *db)
{
    for (size_t i = 0; i < DB_STATEMENTS; i++) sqlite3_finalize(db->statements[i].statement);
    sqlite3_close(db->sqlite);
    *db = (struct db){0};
}

err_t db_script(struct db *db, const char *sql)
{
    return db_error(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

/* The kept statement of this text, prepared when first met. NULL on an error. */
static sqlite3_stmt *statement_of(struct db *db, const char *sql)
{
    size_t i = (uintptr_t)sql / 8 * 0x9e3779b1u % DB_STATEMENTS;
    while (db->statements[i].sql && db->statements[i].sql != sql) i = (i + 1) % DB_STATEMENTS;
    if (db->statements[i].sql) return db->statements[i].statement;
    if (db->count + 1 == DB_STATEMENTS) abort();
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (!statement) return NULL;
    db->statements[i] = (struct db_statement){sql, statement};
    db->count++;
    return statement;
}

static int bind_slice(sqlite3_stmt *statement, int at, struct slice value, bool text)
{
    const char *bytes = value.ptr ? value.ptr : "";
    return text ? sqlite3_bind_text64(statement, at, bytes, value.len, SQLITE_STATIC, SQLITE_UTF8)
                : sqlite3_bind_blob64(statement, at, bytes, value.len, SQLITE_STATIC);
}

static int bind(sqlite3_stmt *statement, const char *types, va_list args)
{
    int code = SQLITE_OK;
    for (int at = 1; types[at - 1] && !code; at++) switch (types[at - 1]) {
        case 'i': code = sqlite3_bind_int64(statement, at, (int64_t)va_arg(args, uint64_t)); break;
        case 'd': code = sqlite3_bind_double(statement, at, va_arg(args, double)); break;
        case 't': code = bind_slice(statement, at, va_arg(args, struct slice), true); break;
        case 'b': code = bind_slice(statement, at, va_arg(args, struct slice), false); break;
        case 's':
            code = bind_slice(statement, at, slice_of(va_arg(args, const char *)), true);
            break;
        default: abort();
        }
    return code;
}

static struct rows select_values(struct db *db, const char *sql, const char *types, va_list args)
{
    struct rows rows = {db, statement_of(db, sql), OK};
    int code = rows.statement ? bind(rows.statement, types, args) : sqlite3_errcode(db->sqlite);
    rows.error = db_error(db, code);
    if (!rows.statement && !rows.error) rows.error = ERR_STORE_FAILED;
    return rows;
}

struct rows db_select(struct db *db, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    struct rows rows = select_values(db, sql, types, args);
    va_end(args);
    return rows;
}

err_t db_run(struct db *db, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    struct rows rows = select_values(db, sql, types, args);
    va_end(args);
    while (rows_next(&rows)) continue;
    return rows_end(&rows);
}

bool rows_next(struct rows *rows)
{
    if (rows->error) return false;
    int code = sqlite3_step(rows->statement);
    rows->error = db_error(rows->db, code);
    return code == SQLITE_ROW;
}

err_t rows_end(struct rows *rows)
{
    if (rows->statement) sqlite3_reset(rows->statement);
    return rows->error;
}

uint64_t db_last_id(const struct db *db)
{
    return (uint64_t)sqlite3_last_insert_rowid(db->sqlite);
}

struct rows db_snapshot(struct db *db, uint64_t *version)
{
    struct rows rows = db_select(db, "PRAGMA data_version", "");
    *version = rows_next(&rows) ? (UINT64_C(1) << 32) + rows_u64(&rows, 0) : 0;
    return rows;
}

uint64_t db_data_version(struct db *db)
{
    uint64_t version;
    struct rows rows = db_snapshot(db, &version);
    return rows_end(&rows) ? 0 : version;
}

uint64_t rows_u64(const struct rows *rows, int column)
{
    return (uint64_t)sqlite3_column_int64(rows->statement, column);
}

double rows_f64(const struct rows *rows, int column)
{
    return sqlite3_column_double(rows->statement, column);
}

struct slice rows_text(const struct rows *rows, int column)
{
    const char *text = (const char *)sqlite3_column_text(rows->statement, column);
    return (struct slice){text, (size_t)sqlite3_column_bytes(rows->statement, column)};
}

struct slice rows_blob(const struct rows *rows, int column)
{
    const char *bytes = sqlite3_column_blob(rows->statement, column);
    return (struct slice){bytes, (size_t)sqlite3_column_bytes(rows->statement, column)};
}

struct slice rows_copy(const struct rows *rows, int column, struct arena *arena)
{
    return arena_slice(arena, rows_text(rows, column));
}
