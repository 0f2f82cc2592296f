/* Statements, transactions and COPY on a connection (postgres_connection.h makes it and loses it).
 */
#include "workers/retriever/postgres_db.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "workers/retriever/postgres_connection.h"
#include "workers/retriever/postgres_values.h"

#define ANSWER_MS     20000 /* a server that says nothing for so long is gone */
#define PATIENT_MS    3600000
#define COPY_ROWS_MIN 16 /* fewer are inserted: COPY takes two round trips of its own */

/* Whoever writes holds this lock, so that writers of all hosts come one after another. */
#define WRITE_LOCK "pg_advisory_xact_lock(7014721)"

static struct postgres_db *postgres_of(const struct rows *rows)
{
    return (struct postgres_db *)rows->db;
}

/* --- what the server says --- */

/* Waits until the next `result` can be taken without waiting; or else only until all that was sent
 * is on its way. */
static err_t await(struct postgres_db *db, bool result)
{
    uint64_t until = clock_ms() + (db->patient ? PATIENT_MS : ANSWER_MS);
    for (;;) {
        int unsent = PQflush(db->connection);
        if (unsent >= 0 && !(result ? PQisBusy(db->connection) : unsent)) return OK;
        uint64_t now = clock_ms();
        if (unsent < 0 || now >= until) return ERR_STORE_UNAVAILABLE;
        struct pollfd wait = {PQsocket(db->connection), POLLIN | (unsent ? POLLOUT : 0), 0};
        poll(&wait, 1, (int)(until - now));
        if (wait.revents & POLLIN && !PQconsumeInput(db->connection)) return ERR_STORE_UNAVAILABLE;
    }
}

/* All of a statement's results; the last one is kept in *kept. An error of an earlier statement
 * stays the first one. */
static err_t take_results(struct postgres_db *db, err_t *error, PGresult **kept)
{
    for (;;) {
        if (await(db, true)) return ERR_STORE_UNAVAILABLE;
        PGresult *result = PQgetResult(db->connection);
        if (!result) return PQstatus(db->connection) == CONNECTION_OK ? OK : ERR_STORE_UNAVAILABLE;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return OK;
        }
        bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
        if (!good && !*error) *error = postgres_error_of(db, result);
        PQclear(*kept);
        *kept = result;
        if (PQstatus(db->connection) != CONNECTION_OK) return ERR_STORE_UNAVAILABLE;
    }
}

static void forget_results(struct postgres_db *db)
{
    for (size_t i = 0; i < db->sent_count; i++) {
        if (!db->sent[i].into) continue;
        PQclear(*db->sent[i].into);
        *db->sent[i].into = NULL;
    }
}

/* Waits for all that was sent. Results that somebody waits for are his to clear; none is left after
 * an error. */
static err_t collect(struct postgres_db *db)
{
    err_t error = OK, lost = PQpipelineSync(db->connection) ? OK : ERR_STORE_UNAVAILABLE;
    for (size_t i = 0; !lost && i < db->sent_count; i++) {
        const struct postgres_sent *sent = &db->sent[i];
        PGresult *result = NULL;
        err_t before = error;
        lost = take_results(db, &error, &result);
        if (sent->prepares && (before || error)) sent->prepares->prepared = false;
        if (sent->into)
            *sent->into = result;
        else
            PQclear(result);
    }
    PGresult *synced = NULL;
    if (!lost) lost = take_results(db, &error, &synced);
    PQclear(synced);
    if (lost || error) forget_results(db);
    db->sent_count = 0;
    if (lost || error == ERR_STORE_UNAVAILABLE)
        return postgres_lose(db, lost ? PQerrorMessage(db->connection) : "the server ends it");
    if (error && db->in_transaction) db->failed = error;
    return error;
}

/* --- sending --- */

/* `?` and `?2` become `$1` and `$2`. */
static void translate(const char *sql, struct buffer *out)
{
    int number = 0;
    char digits[16];
    for (; *sql; sql++) {
        if (*sql != '?') {
            buffer_append(out, sql, 1);
        } else if (sql[1] >= '0' && sql[1] <= '9') {
            buffer_append(out, "$", 1);
        } else {
            int len = snprintf(digits, sizeof(digits), "$%d", ++number);
            buffer_append(out, digits, (size_t)len);
        }
    }
    buffer_append(out, "", 1);
}

static struct postgres_statement *statement_of(struct postgres_db *db, const char *sql)
{
    size_t i = (uintptr_t)sql / 8 * 0x9e3779b1u % DB_STATEMENTS;
    while (db->statements[i].sql && db->statements[i].sql != sql) i = (i + 1) % DB_STATEMENTS;
    if (!db->statements[i].sql && ++db->statement_count == DB_STATEMENTS) abort();
    db->statements[i].sql = sql;
    return &db->statements[i];
}

static bool send_prepare(struct postgres_db *db, struct postgres_statement *statement,
                         const char *name, const struct postgres_values *values)
{
    struct buffer text = {0};
    translate(statement->sql, &text);
    int sent = PQsendPrepare(db->connection, name, text.data, values->count, values->types);
    buffer_free(&text);
    if (!sent) return false;
    statement->prepared = true;
    db->sent[db->sent_count++] = (struct postgres_sent){.prepares = statement};
    return true;
}

/* Prepares it first, unless it is. */
static bool send_statement(struct postgres_db *db, struct postgres_statement *statement,
                           const char *name, const struct postgres_values *values, PGresult **into)
{
    if (!statement->prepared && !send_prepare(db, statement, name, values)) return false;
    if (!PQsendQueryPrepared(db->connection, name, values->count, values->bytes, values->lengths,
                             values->formats, 1))
        return false;
    db->sent[db->sent_count++] = (struct postgres_sent){.into = into};
    return PQflush(db->connection) >= 0;
}

static bool send_kept(struct postgres_db *db, const char *sql, const struct postgres_values *values,
                      PGresult **into)
{
    struct postgres_statement *statement = statement_of(db, sql);
    char name[24];
    snprintf(name, sizeof(name), "s%zu", (size_t)(statement - db->statements));
    return send_statement(db, statement, name, values, into);
}

static bool send_deallocate(struct postgres_db *db, const char *name)
{
    char sql[48];
    snprintf(sql, sizeof(sql), "DEALLOCATE %s", name);
    if (!PQsendQueryParams(db->connection, sql, 0, NULL, NULL, NULL, NULL, 1)) return false;
    db->sent[db->sent_count++] = (struct postgres_sent){0};
    return true;
}

/* In place of the one that was asked longest ago. */
static bool send_asked(struct postgres_db *db, const struct postgres_ask *ask, PGresult **into)
{
    size_t number;
    bool gone;
    char name[24];
    if (!db->asked) db->asked = postgres_asked_new();
    struct postgres_statement *statement = postgres_asked_find(db->asked, ask->sql, &number, &gone);
    snprintf(name, sizeof(name), "a%zu", number);
    if (gone && !send_deallocate(db, name)) return false;
    return send_statement(db, statement, name, &ask->values, into);
}

/* Whether a statement can be sent, or the few that are asked together. */
static err_t make_ready(struct postgres_db *db)
{
    err_t error = db->in_transaction ? db->failed : postgres_ensure_connected(db);
    if (!error && postgres_stopped(db)) error = ERR_STORE_UNAVAILABLE;
    if (!error && db->sent_count + 3 * POSTGRES_ASKS_MAX > POSTGRES_SENT_MAX) error = collect(db);
    return error;
}

/* Sends, and waits unless `later`. */
static err_t perform_once(struct postgres_db *db, const char *sql,
                          const struct postgres_values *values, bool later, PGresult **result)
{
    err_t error = make_ready(db);
    if (error) return error;
    if (!send_kept(db, sql, values, result))
        return postgres_lose(db, PQerrorMessage(db->connection));
    return later ? OK : collect(db);
}

/* Outside of a transaction a lost connection is no reason to fail: what runs there only reads. */
static bool may_repeat(const struct postgres_db *db)
{
    return db->connection && !db->in_transaction;
}

static err_t perform(struct postgres_db *db, const char *sql, const char *types, va_list args,
                     bool later, PGresult **result)
{
    struct postgres_values values;
    bool repeats = may_repeat(db);
    postgres_values_bind(&values, db->vector_oid, types, args);
    err_t error = perform_once(db, sql, &values, later, result);
    if (error == ERR_STORE_UNAVAILABLE && repeats)
        error = perform_once(db, sql, &values, later, result);
    return error;
}

/* --- what is asked together --- */

static void bind(struct postgres_ask *ask, const struct postgres_db *db, const char *sql,
                 const char *types, va_list args)
{
    ask->sql = sql;
    postgres_values_bind(&ask->values, db->vector_oid, types, args);
}

void postgres_ask_bind(struct postgres_ask *ask, const struct postgres_db *db, const char *sql,
                       const char *types, ...)
{
    va_list args;
    va_start(args, types);
    bind(ask, db, sql, types, args);
    va_end(args);
}

/* What was sent before is waited for: its error would have the server skip what is deallocated
 * here. */
static err_t ask_once(struct postgres_db *db, struct postgres_ask *asks, PGresult **results,
                      size_t count)
{
    err_t error = db->sent_count ? collect(db) : OK;
    if (!error) error = make_ready(db);
    for (size_t i = 0; !error && i < count; i++)
        if (!send_asked(db, &asks[i], &results[i]))
            error = postgres_lose(db, PQerrorMessage(db->connection));
    return error ? error : collect(db);
}

void postgres_db_ask_all(struct postgres_db *db, struct postgres_ask *asks, size_t count)
{
    PGresult *results[POSTGRES_ASKS_MAX] = {NULL};
    bool repeats = may_repeat(db);
    if (count > POSTGRES_ASKS_MAX) abort();
    err_t error = ask_once(db, asks, results, count);
    if (error == ERR_STORE_UNAVAILABLE && repeats) error = ask_once(db, asks, results, count);
    for (size_t i = 0; i < count; i++)
        asks[i].rows =
            (struct rows){.db = &db->db, .handle = results[i], .row = -1, .error = error};
}

struct rows postgres_db_ask(struct postgres_db *db, const char *sql, const char *types, ...)
{
    struct postgres_ask ask;
    va_list args;
    va_start(args, types);
    bind(&ask, db, sql, types, args);
    va_end(args);
    postgres_db_ask_all(db, &ask, 1);
    return ask.rows;
}

/* --- statements --- */

static void postgres_select(struct rows *rows, const char *sql, const char *types, va_list args)
{
    PGresult *result = NULL;
    rows->error = perform(postgres_of(rows), sql, types, args, false, &result);
    rows->handle = result;
    rows->row = -1;
}

static err_t postgres_run(struct db *base, const char *sql, const char *types, va_list args)
{
    struct postgres_db *db = (struct postgres_db *)base;
    return perform(db, sql, types, args, db->in_transaction, NULL);
}

static bool postgres_next(struct rows *rows)
{
    return ++rows->row < PQntuples(rows->handle);
}

static void postgres_end(struct rows *rows)
{
    PQclear(rows->handle);
}

static struct slice column(const struct rows *rows, int column)
{
    return (struct slice){PQgetvalue(rows->handle, rows->row, column),
                          (size_t)PQgetlength(rows->handle, rows->row, column)};
}

static uint64_t column_u64(const struct rows *rows, int at)
{
    struct slice bytes = column(rows, at);
    bool negative = bytes.len && bytes.ptr[0] < 0;
    uint64_t value = negative ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes.len; i++) value = value << 8 | (uint8_t)bytes.ptr[i];
    return value;
}

static double column_f64(const struct rows *rows, int at)
{
    uint64_t bits = column_u64(rows, at);
    double real;
    memcpy(&real, &bits, sizeof(real));
    return real;
}

/* Gives COPY all of its rows. */
static err_t put_rows(struct postgres_db *db, struct slice rows)
{
    while (rows.len) {
        size_t piece = MIN(rows.len, (size_t)1 << 20);
        int put = PQputCopyData(db->connection, rows.ptr, (int)piece);
        if (put < 0 || await(db, false)) return ERR_STORE_UNAVAILABLE;
        if (put) rows = (struct slice){rows.ptr + piece, rows.len - piece};
    }
    return PQputCopyEnd(db->connection, NULL) > 0 ? OK : ERR_STORE_UNAVAILABLE;
}

err_t postgres_db_copy(struct postgres_db *db, const char *sql, struct slice rows)
{
    err_t error = db->failed;
    if (!error && postgres_stopped(db)) error = ERR_STORE_UNAVAILABLE;
    if (!error && db->sent_count) error = collect(db);
    if (error) return error;
    bool sent = PQexitPipelineMode(db->connection) && PQsendQuery(db->connection, sql);
    PGresult *result = sent && !await(db, true) ? PQgetResult(db->connection) : NULL;
    bool ready = PQresultStatus(result) == PGRES_COPY_IN;
    if (result && !ready) error = postgres_error_of(db, result);
    err_t lost = !result ? ERR_STORE_UNAVAILABLE : ready ? put_rows(db, rows) : OK;
    PQclear(result);
    result = NULL;
    if (!lost) lost = take_results(db, &error, &result);
    PQclear(result);
    if (lost || !PQenterPipelineMode(db->connection))
        return postgres_lose(db, PQerrorMessage(db->connection));
    db->failed = error;
    return error;
}

static void postgres_copy_row(struct copy *copy, va_list args)
{
    postgres_row_of(&copy->rows, copy->types, args);
}

/* "INSERT INTO chunks (id, text) VALUES (?, ?)" has the table and its columns. */
static err_t postgres_copy_end(struct copy *copy)
{
    static const char into[] = "INSERT INTO ";
    struct buffer sql = {0};
    const char *target = copy->insert + strlen(into);
    buffer_printf(&sql, "COPY %.*s FROM STDIN BINARY", (int)(strstr(target, " VALUES") - target),
                  target);
    buffer_append_char(&sql, '\0');
    postgres_rows_end(&copy->rows);
    err_t error =
        postgres_db_copy((struct postgres_db *)copy->db, sql.data, buffer_slice(&copy->rows));
    buffer_free(&sql);
    return error;
}

/* Runs in the simple protocol, which knows several statements. */
static err_t postgres_script(struct db *base, const char *sql)
{
    struct postgres_db *db = (struct postgres_db *)base;
    bool ends = !strcmp(sql, "ROLLBACK");
    err_t error = db->in_transaction ? OK : postgres_ensure_connected(db);
    if (!error && !ends && postgres_stopped(db)) return ERR_STORE_UNAVAILABLE;
    if (!error && db->sent_count) error = collect(db);
    if (!db->connection) return error ? error : ERR_STORE_UNAVAILABLE;
    PGresult *result = NULL;
    error = OK;
    bool sent = PQexitPipelineMode(db->connection) && PQsendQuery(db->connection, sql);
    err_t lost = sent ? take_results(db, &error, &result) : ERR_STORE_UNAVAILABLE;
    PQclear(result);
    if (lost || !PQenterPipelineMode(db->connection))
        return postgres_lose(db, PQerrorMessage(db->connection));
    if (db->in_transaction) db->failed = error;
    return error;
}

/* --- transactions --- */

static bool postgres_in_transaction(const struct db *db)
{
    return ((const struct postgres_db *)db)->in_transaction;
}

static err_t postgres_settle(struct db *base)
{
    struct postgres_db *db = (struct postgres_db *)base;
    if (db->failed) return db->failed;
    return db->sent_count ? collect(db) : OK;
}

/* `first` is what a transaction of this kind begins with. */
static err_t begin_with(struct postgres_db *db, const char *begin, const char *first)
{
    err_t error = postgres_ensure_connected(db);
    if (error) return error;
    db->in_transaction = true;
    db->doubtful = false;
    error = db_run(&db->db, begin, "");
    if (!error && first) error = db_run(&db->db, first, "");
    if (!error) error = postgres_clock_read(db);
    if (error && db_rollback(&db->db)) return ERR_STORE_UNAVAILABLE;
    return error;
}

static err_t postgres_begin(struct db *base)
{
    struct postgres_db *db = (struct postgres_db *)base;
    bool was_connected = db->connection;
    err_t error = begin_with(db, "BEGIN", "SELECT " WRITE_LOCK);
    if (error == ERR_STORE_UNAVAILABLE && was_connected)
        error = begin_with(db, "BEGIN", "SELECT " WRITE_LOCK);
    return error;
}

err_t postgres_db_snapshot(struct postgres_db *db)
{
    return begin_with(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL);
}

/* Its statements are few and large: an index is made in minutes. */
err_t postgres_db_long(struct postgres_db *db)
{
    err_t error = begin_with(db, "BEGIN ISOLATION LEVEL REPEATABLE READ",
                             "SELECT set_config('statement_timeout', '0', true)");
    db->patient = !error;
    return error;
}

static err_t postgres_commit(struct db *base)
{
    struct postgres_db *db = (struct postgres_db *)base;
    err_t error = db->failed ? db->failed : db_run(base, "COMMIT", "");
    if (error) return error;
    error = collect(db);
    db->doubtful = error == ERR_STORE_UNAVAILABLE;
    db->patient = false;
    if (!error) db->in_transaction = false;
    return error;
}

static err_t postgres_rollback(struct db *base)
{
    struct postgres_db *db = (struct postgres_db *)base;
    err_t error = db_script(base, "ROLLBACK");
    db->patient = false;
    db->in_transaction = false;
    db->failed = OK;
    return error;
}

static bool postgres_doubtful(const struct db *db)
{
    return ((const struct postgres_db *)db)->doubtful;
}

static uint64_t postgres_now_ms(const struct db *db)
{
    return (uint64_t)(clock_wall_ms() + ((const struct postgres_db *)db)->clock_ahead_ms);
}

static err_t postgres_reserve_chunks(struct db *db, uint64_t count, uint64_t *first)
{
    if (!count) return OK;
    return db_value(db, first,
                    "SELECT setval('chunks_id_seq', nextval('chunks_id_seq') + ?1 - 1) - ?1 + 1",
                    "i", count);
}

err_t postgres_db_listen(struct postgres_db *db, int wake_fd, int wait_ms, bool *heard)
{
    struct pollfd waits[] = {{PQsocket(db->connection), POLLIN, 0}, {wake_fd, POLLIN, 0}};
    PGnotify *notification;
    poll(waits, ARRAY_LEN(waits), wait_ms);
    if (!PQconsumeInput(db->connection)) return postgres_lose(db, PQerrorMessage(db->connection));
    while ((notification = PQnotifies(db->connection))) {
        *heard = true;
        PQfreemem(notification);
    }
    return OK;
}

static const struct db_driver driver = {
    .select = postgres_select,
    .run = postgres_run,
    .copy_row = postgres_copy_row,
    .copy_end = postgres_copy_end,
    .copy_rows_min = COPY_ROWS_MIN,
    .next = postgres_next,
    .end = postgres_end,
    .u64 = column_u64,
    .f64 = column_f64,
    .text = column,
    .blob = column,
    .script = postgres_script,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .settle = postgres_settle,
    .in_transaction = postgres_in_transaction,
    .doubtful = postgres_doubtful,
    .now_ms = postgres_now_ms,
    .reserve_chunks = postgres_reserve_chunks,
};

void postgres_db_init(struct postgres_db *db, const char *url)
{
    *db = (struct postgres_db){.db = {&driver}, .url = url};
}
