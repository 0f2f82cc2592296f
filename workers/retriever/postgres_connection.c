#include "workers/retriever/postgres_connection.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#define RETRY_MS_FIRST 50
#define RETRY_MS_MAX   2000
#define SAY_AGAIN_MS   10000

/* A server notices a client that stopped in a transaction, and one that it can't reach. Statements
 * are written for loops over indexes, whatever the statistics of a table that has just been filled
 * would have the planner believe. Triggers know our own writes by millrace.writes. */
static const char session[] =
    "SET lock_timeout = '8s'; SET statement_timeout = '15s';"
    "SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = warning;"
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = "
    "off;"
    "SET millrace.writes = '1'";

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
    {"22000", ERR_STORE_BUSY},        /* vectors of another embedder, made a moment ago */
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

err_t postgres_error_of(struct postgres_db *db, const PGresult *result)
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
    db->in_transaction = db->patient = false;
    db->failed = OK;
}

err_t postgres_lose(struct postgres_db *db, const char *why)
{
    if (db->connecting)
        complain(db, ERR_STORE_UNAVAILABLE, "", why);
    else if (db->connection && !db->quiet)
        log_warn("store: connection lost: %s", why);
    forget_connection(db);
    return ERR_STORE_UNAVAILABLE;
}

/* --- connecting --- */

err_t postgres_clock_read(struct postgres_db *db)
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
    if (PQstatus(db->connection) != CONNECTION_OK)
        return postgres_lose(db, PQerrorMessage(db->connection));
    PQsetNoticeProcessor(db->connection, on_notice, NULL);
    PQsetnonblocking(db->connection, 1);
    if (!PQenterPipelineMode(db->connection)) return ERR_STORE_FAILED;
    err_t error = db_script(&db->db, session);
    if (!error) error = postgres_clock_read(db);
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

err_t postgres_ensure_connected(struct postgres_db *db)
{
    err_t error = postgres_db_connect(db);
    return error && error != ERR_STORE_SCHEMA ? ERR_STORE_UNAVAILABLE : error;
}

void postgres_db_close(struct postgres_db *db)
{
    forget_connection(db);
    postgres_asked_destroy(&db->asked);
}

bool postgres_stopped(const struct postgres_db *db)
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
