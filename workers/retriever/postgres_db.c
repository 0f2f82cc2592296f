#include "workers/retriever/postgres_db.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/log.h"
#include "workers/retriever/postgres_values.h"

#define ANSWER_MS      20000 /* a server that says nothing for so long is gone */
#define PATIENT_MS     3600000
#define RETRY_MS_FIRST 50
#define RETRY_MS_MAX   2000
#define SAY_AGAIN_MS   10000
#define COPY_ROWS_MIN  16 /* fewer are inserted: COPY takes two round trips of its own */

/* Whoever writes holds this lock, so that writers of all hosts come one after another. */
#define WRITE_LOCK "pg_advisory_xact_lock(7014721)"

/* A server notices a client that stopped in a transaction, and one that it can't reach. Statements
 * are written for loops over indexes, whatever the statistics of a table that has just been filled
 * would have the planner believe. Triggers know our own writes by millrace.writes. */
static const char session[] =
    "SET lock_timeout = '8s'; SET statement_timeout = '15s';"
    "SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = warning;"
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = "
    "off;"
    "SET millrace.writes = '1'";

static struct postgres_db *postgres_of(const struct rows *rows)
{
    return (struct postgres_db *)rows->db;
}

/* --- errors --- */

/* By the first characters of SQLSTATE; what is not here is ERR_STORE_FAILED. */
static const struct {
    const char *state;
    err_t error;
} states[] = {
    {"08", ERR_STORE_UNAVAILABLE},    /* connection */
    {"57P", ERR_STORE_UNAVAILABLE},   /* the server shuts down or starts */
    {"25P03", ERR_STORE_UNAVAILABLE}, /* we stopped in a transaction */
    {"53300", ERR_STORE_UNAVAILABLE}, /* too many connections */
    {"53", ERR_STORE_FULL},           /* disk, memory */
    {"25006", ERR_STORE_FULL},        /* read-only */
    {"40", ERR_STORE_BUSY},           /* deadlock, serialisation */
    {"55P03", ERR_STORE_BUSY},        /* lock timeout */
    {"57014", ERR_STORE_BUSY},        /* statement timeout */
    {"42P01", ERR_STORE_BUSY},        /* a portfolio's tables, dropped a moment ago */
    {"23505", ERR_STORE_BUSY},        /* somebody wrote the same beside the lock */
};

void postgres_db_say(struct postgres_db *db, const char *text)
{
    size_t len = strlen(db->said);
    snprintf(db->said + len, sizeof(db->said) - len, "%s%s", len ? ". " : "", text);
}

/* While a connection is being made the first complaint is the cause, and who makes it logs. What
 * many writes meet, as a full disk, is logged once in a while. */
static void complain(struct postgres_db *db, err_t error, const char *state, const char *text)
{
    bool again = !strcmp(db->said, text) && clock_ms() < db->said_at_ms + SAY_AGAIN_MS;
    if (again || (db->connecting && *db->said)) return;
    db->said_at_ms = clock_ms();
    snprintf(db->said, sizeof(db->said), "%s", text);
    if (!db->connecting && (error == ERR_STORE_FAILED || error == ERR_STORE_FULL))
        log_error("postgresql: sqlstate=%s %s", state, text);
}

static err_t error_of(struct postgres_db *db, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    err_t error = ERR_STORE_FAILED;
    for (size_t i = 0; state && i < ARRAY_LEN(states); i++)
        if (!strncmp(state, states[i].state, strlen(states[i].state))) {
            error = states[i].error;
            break;
        }
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    complain(db, error, state ? state : "none", text ? text : "");
    return error;
}

/* And everything that it held. */
static void forget_connection(struct postgres_db *db)
{
    PGcancel *cancel = __atomic_exchange_n(&db->cancel, NULL, __ATOMIC_ACQ_REL);
    PQfreeCancel(cancel);
    PQfinish(db->connection);
    db->connection = NULL;
    for (size_t i = 0; i < DB_STATEMENTS; i++) db->statements[i].prepared = false;
    if (db->asked) postgres_asked_forget(db->asked);
    db->sent_count = 0;
    db->in_transaction = false;
    db->failed = OK;
}

static err_t lose(struct postgres_db *db, const char *why)
{
    if (db->connecting)
        complain(db, ERR_STORE_UNAVAILABLE, "", why);
    else if (db->connection && !db->quiet)
        log_warn("store: connection lost: %s", why);
    forget_connection(db);
    return ERR_STORE_UNAVAILABLE;
}

/* --- what the server says --- */

/* Waits until the next result can be taken without waiting. */
static err_t await(struct postgres_db *db)
{
    uint64_t until = clock_ms() + (db->patient ? PATIENT_MS : ANSWER_MS);
    for (;;) {
        int unsent = PQflush(db->connection);
        if (unsent >= 0 && !PQisBusy(db->connection)) return OK;
        uint64_t now = clock_ms();
        if (unsent < 0 || now >= until) return ERR_STORE_UNAVAILABLE;
        struct pollfd wait = {PQsocket(db->connection), POLLIN | (unsent ? POLLOUT : 0), 0};
        poll(&wait, 1, (int)(until - now));
        if (wait.revents & POLLIN && !PQconsumeInput(db->connection)) return ERR_STORE_UNAVAILABLE;
    }
}

/* Waits until what was sent is on its way. */
static err_t await_sent(struct postgres_db *db)
{
    uint64_t until = clock_ms() + ANSWER_MS;
    int unsent;
    while ((unsent = PQflush(db->connection)) > 0) {
        uint64_t now = clock_ms();
        if (now >= until) return ERR_STORE_UNAVAILABLE;
        struct pollfd wait = {PQsocket(db->connection), POLLIN | POLLOUT, 0};
        poll(&wait, 1, (int)(until - now));
        if (wait.revents & POLLIN && !PQconsumeInput(db->connection)) return ERR_STORE_UNAVAILABLE;
    }
    return unsent ? ERR_STORE_UNAVAILABLE : OK;
}

/* All of a statement's results; the last one is kept in *kept. An error of an earlier statement
 * stays the first one. */
static err_t take_results(struct postgres_db *db, err_t *error, PGresult **kept)
{
    for (;;) {
        if (await(db)) return ERR_STORE_UNAVAILABLE;
        PGresult *result = PQgetResult(db->connection);
        if (!result) return PQstatus(db->connection) == CONNECTION_OK ? OK : ERR_STORE_UNAVAILABLE;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return OK;
        }
        bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
        if (!good && !*error) *error = error_of(db, result);
        PQclear(*kept);
        *kept = result;
        if (PQstatus(db->connection) != CONNECTION_OK) return ERR_STORE_UNAVAILABLE;
    }
}

/* Waits for all that was sent. *last is the last statement's result; the caller's to clear. */
static err_t collect(struct postgres_db *db, PGresult **last)
{
    err_t error = OK, lost = PQpipelineSync(db->connection) ? OK : ERR_STORE_UNAVAILABLE;
    PGresult *result = NULL;
    for (size_t i = 0; !lost && i < db->sent_count; i++) {
        err_t before = error;
        lost = take_results(db, &error, &result);
        if (db->sent[i] && (before || error)) db->sent[i]->prepared = false;
    }
    db->sent_count = 0;
    PGresult *synced = NULL;
    if (!lost) lost = take_results(db, &error, &synced);
    PQclear(synced);
    if (lost || error == ERR_STORE_UNAVAILABLE) {
        PQclear(result);
        return lose(db, lost ? PQerrorMessage(db->connection) : "the server ends it");
    }
    if (error && db->in_transaction) db->failed = error;
    if (error || !last)
        PQclear(result);
    else
        *last = result;
    return error;
}

/* --- connecting --- */

static err_t clock_read(struct postgres_db *db)
{
    uint64_t now = 0, asked = (uint64_t)clock_wall_ms();
    err_t error = db_value(&db->db, &now,
                           "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", "");
    if (!error) db->clock_ahead_ms = (int64_t)now - (int64_t)asked;
    return error;
}

static PGconn *connect_to(const char *url)
{
    static const char *const names[] = {
        "dbname",           "connect_timeout",     "fallback_application_name",
        "keepalives_idle",  "keepalives_interval", "keepalives_count",
        "tcp_user_timeout", "client_encoding",     NULL};
    const char *const values[] = {url, "5", "millrace", "10", "5", "3", "20000", "UTF8", NULL};
    return PQconnectdbParams(names, values, true);
}

static void on_notice(void *context, const char *text)
{
    (void)context;
    log_debug("postgresql: %s", text);
}

/* libpq's words come in several lines. */
static void make_one_line(char *text)
{
    char *end = text + strlen(text);
    while (end > text && end[-1] == '\n') *--end = '\0';
    for (; *text; text++)
        if (*text == '\n' || *text == '\t') *text = ' ';
}

/* Said once for each reason. */
static err_t connect_failed(struct postgres_db *db, err_t error)
{
    if (!*db->said) postgres_db_say(db, error_text(error));
    make_one_line(db->said);
    bool news = error != db->trouble || strcmp(db->said, db->why) != 0;
    if (news && !db->quiet)
        log_error("store: code=%s PostgreSQL cannot be used: %s", error_code(error), db->said);
    memcpy(db->why, db->said, sizeof(db->why));
    db->trouble = error;
    uint64_t pause = RETRY_MS_FIRST << MIN(db->failures, 8u);
    db->failures++;
    db->retry_at_ms = clock_ms() + MIN(pause, (uint64_t)RETRY_MS_MAX);
    forget_connection(db);
    return error;
}

/* What searches need: the number of pgvector's type, its settings. A search names its tables, each
 * of which has the one index that fits: no plan is better for one question than for another. What a
 * word that most chunks have adds up to stays in memory. */
static err_t vectors_know(struct postgres_db *db)
{
    uint64_t oid = 0;
    char sql[160];
    err_t error = db_value(&db->db, &oid, "SELECT 'vector'::regtype::oid::bigint", "");
    db->vector_oid = (uint32_t)oid;
    if (error || !db->ef_search) return error;
    snprintf(sql, sizeof(sql),
             "SET hnsw.ef_search = %" PRIu64 "; SET hnsw.iterative_scan = relaxed_order;"
             " SET plan_cache_mode = force_generic_plan; SET work_mem = '32MB'",
             db->ef_search);
    return db_script(&db->db, sql);
}

static err_t open_session(struct postgres_db *db)
{
    if (PQstatus(db->connection) != CONNECTION_OK) return lose(db, PQerrorMessage(db->connection));
    PQsetNoticeProcessor(db->connection, on_notice, NULL);
    PQsetnonblocking(db->connection, 1);
    if (!PQenterPipelineMode(db->connection)) return ERR_STORE_FAILED;
    err_t error = db_script(&db->db, session);
    if (!error) error = clock_read(db);
    if (!error) error = postgres_migrate(db, &db->schema_was, &db->schema);
    if (!error) error = postgres_recognise(db);
    return error ? error : vectors_know(db);
}

err_t postgres_db_connect(struct postgres_db *db)
{
    if (db->connection) return OK;
    if (db->connecting || clock_ms() < db->retry_at_ms) return ERR_STORE_UNAVAILABLE;
    db->connecting = true;
    *db->said = '\0';
    db->connection = connect_to(db->url);
    err_t error = open_session(db);
    db->connecting = false;
    if (error) return connect_failed(db, error);
    if (db->failures && !db->quiet) log_info("store: connected again");
    db->failures = 0;
    db->trouble = OK;
    db->connections++;
    __atomic_store_n(&db->cancel, PQgetCancel(db->connection), __ATOMIC_RELEASE);
    return OK;
}

/* Whatever keeps the store from being used, jobs may succeed when it has passed; but for a newer
 * schema, which another retriever knows. */
static err_t ensure_connected(struct postgres_db *db)
{
    err_t error = postgres_db_connect(db);
    return error && error != ERR_STORE_SCHEMA ? ERR_STORE_UNAVAILABLE : error;
}

void postgres_db_close(struct postgres_db *db)
{
    forget_connection(db);
    postgres_asked_destroy(&db->asked);
}

static bool is_stopped(const struct postgres_db *db)
{
    return __atomic_load_n(&db->stopped, __ATOMIC_ACQUIRE);
}

/* Whoever takes the means to cancel frees it: it may be this thread or the connection's. */
void postgres_db_stop(struct postgres_db *db)
{
    char why[256];
    __atomic_store_n(&db->stopped, true, __ATOMIC_RELEASE);
    PGcancel *cancel = __atomic_exchange_n(&db->cancel, NULL, __ATOMIC_ACQ_REL);
    if (cancel && !PQcancel(cancel, why, sizeof(why))) log_warn("store: not cancelled: %s", why);
    PQfreeCancel(cancel);
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
    db->sent[db->sent_count++] = statement;
    return true;
}

/* Prepares it first, unless it is. */
static bool send_statement(struct postgres_db *db, struct postgres_statement *statement,
                           const char *name, const struct postgres_values *values)
{
    if (!statement->prepared && !send_prepare(db, statement, name, values)) return false;
    if (!PQsendQueryPrepared(db->connection, name, values->count, values->bytes, values->lengths,
                             values->formats, 1))
        return false;
    db->sent[db->sent_count++] = NULL;
    return PQflush(db->connection) >= 0;
}

static bool send_kept(struct postgres_db *db, const char *sql, const struct postgres_values *values)
{
    struct postgres_statement *statement = statement_of(db, sql);
    char name[24];
    snprintf(name, sizeof(name), "s%zu", (size_t)(statement - db->statements));
    return send_statement(db, statement, name, values);
}

static bool send_deallocate(struct postgres_db *db, const char *name)
{
    char sql[48];
    snprintf(sql, sizeof(sql), "DEALLOCATE %s", name);
    if (!PQsendQueryParams(db->connection, sql, 0, NULL, NULL, NULL, NULL, 1)) return false;
    db->sent[db->sent_count++] = NULL;
    return true;
}

/* In place of the one that was asked longest ago. */
static bool send_asked(struct postgres_db *db, const char *sql,
                       const struct postgres_values *values)
{
    size_t number;
    bool gone;
    char name[24];
    if (!db->asked) db->asked = postgres_asked_new();
    struct postgres_statement *statement = postgres_asked_find(db->asked, sql, &number, &gone);
    snprintf(name, sizeof(name), "a%zu", number);
    if (gone && !send_deallocate(db, name)) return false;
    return send_statement(db, statement, name, values);
}

enum manner { NOW, LATER, ASKED };

/* Sends, and waits unless LATER. */
static err_t perform_once(struct postgres_db *db, const char *sql,
                          const struct postgres_values *values, enum manner manner,
                          PGresult **result)
{
    err_t error = db->in_transaction ? db->failed : ensure_connected(db);
    if (!error && is_stopped(db)) error = ERR_STORE_UNAVAILABLE;
    if (!error && db->sent_count + 3 > POSTGRES_SENT_MAX) error = collect(db, NULL);
    if (error) return error;
    bool sent = manner == ASKED ? send_asked(db, sql, values) : send_kept(db, sql, values);
    if (!sent) return lose(db, PQerrorMessage(db->connection));
    return manner == LATER ? OK : collect(db, result);
}

/* Outside of a transaction a lost connection is no reason to fail: what runs there only reads. */
static err_t perform(struct postgres_db *db, const char *sql, const char *types, va_list args,
                     enum manner manner, PGresult **result)
{
    struct postgres_values values;
    bool was_connected = db->connection, whole = !db->in_transaction;
    postgres_values_bind(&values, db->vector_oid, types, args);
    err_t error = perform_once(db, sql, &values, manner, result);
    if (error == ERR_STORE_UNAVAILABLE && whole && was_connected)
        error = perform_once(db, sql, &values, manner, result);
    return error;
}

/* --- statements --- */

static void postgres_select(struct rows *rows, const char *sql, const char *types, va_list args)
{
    PGresult *result = NULL;
    rows->error = perform(postgres_of(rows), sql, types, args, NOW, &result);
    rows->handle = result;
    rows->row = -1;
}

static err_t postgres_run(struct db *base, const char *sql, const char *types, va_list args)
{
    struct postgres_db *db = (struct postgres_db *)base;
    return perform(db, sql, types, args, db->in_transaction ? LATER : NOW, NULL);
}

struct rows postgres_db_ask(struct postgres_db *db, const char *sql, const char *types, ...)
{
    struct rows rows = {.db = &db->db, .row = -1};
    PGresult *result = NULL;
    va_list args;
    va_start(args, types);
    rows.error = perform(db, sql, types, args, ASKED, &result);
    va_end(args);
    rows.handle = result;
    return rows;
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
        if (put < 0 || await_sent(db)) return ERR_STORE_UNAVAILABLE;
        if (put) rows = (struct slice){rows.ptr + piece, rows.len - piece};
    }
    return PQputCopyEnd(db->connection, NULL) > 0 ? OK : ERR_STORE_UNAVAILABLE;
}

err_t postgres_db_copy(struct postgres_db *db, const char *sql, struct slice rows)
{
    err_t error = db->failed;
    if (!error && db->sent_count) error = collect(db, NULL);
    if (error) return error;
    bool sent = PQexitPipelineMode(db->connection) && PQsendQuery(db->connection, sql);
    PGresult *result = sent && !await(db) ? PQgetResult(db->connection) : NULL;
    bool ready = PQresultStatus(result) == PGRES_COPY_IN;
    if (result && !ready) error = error_of(db, result);
    err_t lost = !result ? ERR_STORE_UNAVAILABLE : ready ? put_rows(db, rows) : OK;
    PQclear(result);
    result = NULL;
    if (!lost) lost = take_results(db, &error, &result);
    PQclear(result);
    if (lost || !PQenterPipelineMode(db->connection))
        return lose(db, PQerrorMessage(db->connection));
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
    err_t error = db->in_transaction ? OK : ensure_connected(db);
    if (!error && !ends && is_stopped(db)) return ERR_STORE_UNAVAILABLE;
    if (!error && db->sent_count) error = collect(db, NULL);
    if (!db->connection) return error ? error : ERR_STORE_UNAVAILABLE;
    PGresult *result = NULL;
    error = OK;
    bool sent = PQexitPipelineMode(db->connection) && PQsendQuery(db->connection, sql);
    err_t lost = sent ? take_results(db, &error, &result) : ERR_STORE_UNAVAILABLE;
    PQclear(result);
    if (lost || !PQenterPipelineMode(db->connection))
        return lose(db, PQerrorMessage(db->connection));
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
    return db->sent_count ? collect(db, NULL) : OK;
}

/* `first` is what a transaction of this kind begins with. */
static err_t begin_with(struct postgres_db *db, const char *begin, const char *first)
{
    err_t error = ensure_connected(db);
    if (error) return error;
    db->in_transaction = true;
    db->doubtful = false;
    error = db_run(&db->db, begin, "");
    if (!error && first) error = db_run(&db->db, first, "");
    if (!error) error = clock_read(db);
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
    error = collect(db, NULL);
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
    if (!PQconsumeInput(db->connection)) return lose(db, PQerrorMessage(db->connection));
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
