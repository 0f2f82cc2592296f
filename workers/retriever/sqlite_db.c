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

#define RETURNING_ID " RETURNING id"

/* Of an insertion that asks for its row's id, in rows.row. */
enum { ID_TO_COME = 1, ID_TOLD };

static const char *const pragmas[] = {
    [SQLITE_READS] = CACHE "PRAGMA query_only = 1;",
    [SQLITE_WRITES] = CACHE "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000;"
                            "PRAGMA journal_size_limit = 67108864;",
};

/* A write that the system refused: over quota, over a size limit, remounted read-only (SQLite tells
 * only a full disk apart, and its errno is not to be relied on). Reading goes on. */
static bool write_refused(int extended_code)
{
    return extended_code == SQLITE_IOERR_WRITE || extended_code == SQLITE_IOERR_SHMSIZE ||
           extended_code == SQLITE_IOERR_TRUNCATE;
}

static err_t error_of(struct sqlite_db *db, int code)
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

static err_t script(struct sqlite_db *db, const char *sql)
{
    return error_of(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

/* Whether this is a row's insertion that asks for its id: SQLite tells that of itself, while its
 * RETURNING fills a table aside first, two microseconds for each turn that is recorded. */
static bool returns_id(const char *sql)
{
    static const struct slice end = SLICE(RETURNING_ID);
    size_t len = strlen(sql);
    return len > end.len && !memcmp(sql + len - end.len, end.ptr, end.len) &&
           !strncmp(sql, "INSERT INTO ", 12) && strstr(sql, " VALUES (") &&
           !strstr(sql, " ON CONFLICT");
}

/* The kept statement of this text, prepared when first met. NULL on an error. */
static sqlite3_stmt *statement_of(struct sqlite_db *db, const char *sql)
{
    size_t i = (uintptr_t)sql / 8 * 0x9e3779b1u % DB_STATEMENTS;
    while (db->statements[i].sql && db->statements[i].sql != sql) i = (i + 1) % DB_STATEMENTS;
    if (db->statements[i].sql) return db->statements[i].statement;
    if (db->count + 1 == DB_STATEMENTS) abort();
    sqlite3_stmt *statement = NULL;
    int len = returns_id(sql) ? (int)(strlen(sql) - strlen(RETURNING_ID)) : -1;
    sqlite3_prepare_v3(db->sqlite, sql, len, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (!statement) return NULL;
    db->statements[i] = (struct sqlite_statement){sql, statement};
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

/* --- statements --- */

static struct sqlite_db *sqlite_of(const struct rows *rows)
{
    return (struct sqlite_db *)rows->db;
}

static void sqlite_select(struct rows *rows, const char *sql, const char *types, va_list args)
{
    struct sqlite_db *db = sqlite_of(rows);
    sqlite3_stmt *statement = statement_of(db, sql);
    int code = statement ? bind(statement, types, args) : sqlite3_errcode(db->sqlite);
    rows->handle = statement;
    rows->row = statement && !sqlite3_column_count(statement) && returns_id(sql) ? ID_TO_COME : 0;
    rows->error = error_of(db, code);
    if (!statement && !rows->error) rows->error = ERR_STORE_FAILED;
}

static bool sqlite_next(struct rows *rows)
{
    if (rows->row == ID_TOLD) return false; /* another step would insert once more */
    int code = sqlite3_step(rows->handle);
    rows->error = error_of(sqlite_of(rows), code);
    bool inserted = code == SQLITE_DONE && rows->row == ID_TO_COME;
    if (inserted) rows->row = ID_TOLD;
    return code == SQLITE_ROW || inserted;
}

static void sqlite_end(struct rows *rows)
{
    sqlite3_reset(rows->handle);
}

static err_t sqlite_run(struct db *db, const char *sql, const char *types, va_list args)
{
    struct rows rows = {.db = db};
    sqlite_select(&rows, sql, types, args);
    while (rows_next(&rows)) continue;
    return rows_end(&rows);
}

static uint64_t column_u64(const struct rows *rows, int column)
{
    if (rows->row == ID_TOLD) return (uint64_t)sqlite3_last_insert_rowid(sqlite_of(rows)->sqlite);
    return (uint64_t)sqlite3_column_int64(rows->handle, column);
}

static double column_f64(const struct rows *rows, int column)
{
    return sqlite3_column_double(rows->handle, column);
}

static struct slice column_text(const struct rows *rows, int column)
{
    const char *text = (const char *)sqlite3_column_text(rows->handle, column);
    return (struct slice){text, (size_t)sqlite3_column_bytes(rows->handle, column)};
}

static struct slice column_blob(const struct rows *rows, int column)
{
    const char *bytes = sqlite3_column_blob(rows->handle, column);
    return (struct slice){bytes, (size_t)sqlite3_column_bytes(rows->handle, column)};
}

/* --- transactions --- */

static err_t sqlite_script(struct db *db, const char *sql)
{
    return script((struct sqlite_db *)db, sql);
}

static bool sqlite_in_transaction(const struct db *db)
{
    return !sqlite3_get_autocommit(((const struct sqlite_db *)db)->sqlite);
}

static err_t sqlite_begin(struct db *db)
{
    return db_run(db, "BEGIN IMMEDIATE", "");
}

static err_t sqlite_commit(struct db *db)
{
    return db_run(db, "COMMIT", "");
}

static err_t sqlite_rollback(struct db *db)
{
    err_t error = db_run(db, "ROLLBACK", "");
    if (error) log_error("store rollback failed");
    return error;
}

/* Every statement has told its error already. */
static err_t sqlite_settle(struct db *db)
{
    (void)db;
    return OK;
}

static bool sqlite_doubtful(const struct db *db)
{
    (void)db;
    return false;
}

static uint64_t sqlite_now_ms(const struct db *db)
{
    (void)db;
    return (uint64_t)clock_wall_ms();
}

/* Rows that have these ids move the sequence on. */
static err_t sqlite_reserve_chunks(struct db *db, uint64_t count, uint64_t *first)
{
    (void)count;
    *first = 1;
    return db_value(db, first, "SELECT seq + 1 FROM sqlite_sequence WHERE name = 'chunks'", "");
}

static const struct db_driver driver = {
    .select = sqlite_select,
    .run = sqlite_run,
    .next = sqlite_next,
    .end = sqlite_end,
    .u64 = column_u64,
    .f64 = column_f64,
    .text = column_text,
    .blob = column_blob,
    .script = sqlite_script,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .settle = sqlite_settle,
    .in_transaction = sqlite_in_transaction,
    .doubtful = sqlite_doubtful,
    .now_ms = sqlite_now_ms,
    .reserve_chunks = sqlite_reserve_chunks,
};

/* --- the file --- */

/* Sleeps are short and uneven, so that two processes that write all the time get their turns. */
static int wait_for_writer(void *context, int waits)
{
    struct sqlite_db *db = context;
    if (!waits) db->waiting_since_ms = clock_ms();
    if (clock_ms() - db->waiting_since_ms > BUSY_MS_MAX) return 0;
    usleep(100 + (useconds_t)(random() % 150));
    return 1;
}

/* Several processes that start together switch a new file to WAL together; SQLite lets one and does
 * not wait for it. */
static err_t use_wal(struct sqlite_db *db)
{
    err_t error = ERR_STORE_BUSY;
    for (int waits = 0; error == ERR_STORE_BUSY && wait_for_writer(db, waits); waits++)
        error = script(db, "PRAGMA journal_mode = WAL");
    return error;
}

/* What PostgreSQL has and SQLite lacks before its version 3.43. */
static void octet_length(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_int(context, sqlite3_value_bytes(values[0]));
}

static err_t configure(struct sqlite_db *db, enum sqlite_role role)
{
    if (role == SQLITE_WRITES) sqlite3_busy_handler(db->sqlite, wait_for_writer, db);
    int code = sqlite3_create_function_v2(db->sqlite, "octet_length", 1,
                                          SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, octet_length,
                                          NULL, NULL, NULL);
    err_t error = error_of(db, code);
    if (!error) error = script(db, pragmas[role]);
    if (error || role == SQLITE_READS || sqlite3_db_readonly(db->sqlite, "main")) return error;
    return use_wal(db);
}

static err_t open_with(struct sqlite_db *db, const char *path, enum sqlite_role role, int flags)
{
    *db = (struct sqlite_db){.db = {&driver}};
    int code = sqlite3_open_v2(path, &db->sqlite, flags | SQLITE_OPEN_NOMUTEX, NULL);
    err_t error = error_of(db, code);
    if (!error) error = configure(db, role);
    if (!error) error = script(db, "SELECT count(*) FROM sqlite_master"); /* can it be read? */
    if (error) sqlite_db_close(db);
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

err_t sqlite_db_open(struct sqlite_db *db, const char *path, enum sqlite_role role)
{
    char uri[PATH_MAX];
    int create = role == SQLITE_WRITES ? SQLITE_OPEN_CREATE : 0;
    err_t error = open_with(db, path, role, SQLITE_OPEN_READWRITE | create);
    if ((error == ERR_STORE_FULL || error == ERR_STORE_UNAVAILABLE) &&
        immutable(path, uri, sizeof(uri)))
        error = open_with(db, uri, role, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    return error;
}

void sqlite_db_close(struct sqlite_db *db)
{
    for (size_t i = 0; i < DB_STATEMENTS; i++) sqlite3_finalize(db->statements[i].statement);
    sqlite3_close(db->sqlite);
    *db = (struct sqlite_db){0};
}

struct rows sqlite_snapshot(struct sqlite_db *db, uint64_t *version)
{
    struct rows rows = db_select(&db->db, "PRAGMA data_version", "");
    *version = rows_next(&rows) ? (UINT64_C(1) << 32) + rows_u64(&rows, 0) : 0;
    return rows;
}

uint64_t sqlite_data_version(struct sqlite_db *db)
{
    uint64_t version;
    struct rows rows = sqlite_snapshot(db, &version);
    return rows_end(&rows) ? 0 : version;
}
