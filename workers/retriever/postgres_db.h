/* The driver for PostgreSQL: one connection of libpq in pipeline mode.
 *
 *     in a transaction     statements without rows are sent and not waited for; a select, the end
 * of a savepoint and the commit wait for all that was sent, in one round trip outside every
 * statement waits; one whose connection is lost is sent once more
 *
 * A connection is made when it is first needed and made again when it is lost, with pauses that
 * grow; until then calls say ERR_STORE_UNAVAILABLE at once. Whoever connects finds or makes the
 * schema that this program knows. Nothing here is for the loop: names are resolved, and the server
 * waited for, on the calling thread. */
#ifndef MILLRACE_RETRIEVER_POSTGRES_DB_H
#define MILLRACE_RETRIEVER_POSTGRES_DB_H

#include <libpq-fe.h>

#include "workers/retriever/db.h"
#include "workers/retriever/postgres_asked.h"
#include "workers/retriever/postgres_values.h"

#define POSTGRES_SENT_MAX 128 /* statements sent and not waited for */
#define POSTGRES_ASKS_MAX 2   /* statements of one question */
#define POSTGRES_CHANNEL  "millrace"
#define POSTGRES_WHY_MAX  512

struct postgres_db {
    struct db db; /* first */
    const char *url;
    uint64_t ef_search; /* of what postgres_db_ask searches; 0: the server's own */
    PGcancel *cancel;   /* of the connection */
    bool stopped;       /* by another thread: nothing more is sent */
    bool patient;       /* the statement under way may take long */
    uint32_t vector_oid;
    bool quiet;         /* another connection of this process says what there is to say */
    PGconn *connection; /* NULL: there is none */
    struct postgres_statement statements[DB_STATEMENTS];
    size_t statement_count;
    struct postgres_asked *asked; /* NULL: nothing was */
    struct postgres_sent {
        struct postgres_statement *prepares; /* NULL: it runs */
        PGresult **into;                     /* where its result goes; NULL: nowhere */
    } sent[POSTGRES_SENT_MAX];
    size_t sent_count;
    bool in_transaction;
    err_t failed;                /* first error of the transaction: nothing more is sent in it */
    bool doubtful;               /* the last commit was sent and never answered */
    int64_t clock_ahead_ms;      /* of the server's clock */
    bool connecting;             /* what open_session does must not connect again */
    uint64_t retry_at_ms;        /* no connection is tried before */
    unsigned failures;           /* in a row */
    err_t trouble;               /* why the last connection could not be used; OK once one could */
    char why[POSTGRES_WHY_MAX];  /* the same for people, in a line that says what to do */
    char said[POSTGRES_WHY_MAX]; /* the last complaint; of a connection that is being made, the
                                  * first one, and what to do about it */
    uint64_t said_at_ms;
    uint64_t connections;        /* made so far */
    unsigned schema_was, schema; /* its version before and after the last connection was made */
};

/* `url` must live on. Connects later; is not quiet. */
void postgres_db_init(struct postgres_db *db, const char *url);
void postgres_db_close(struct postgres_db *db);
/* From another thread: ends the statement under way, and lets no other one begin. */
void postgres_db_stop(struct postgres_db *db);
/* Connects now unless it is connected. ERR_STORE_UNAVAILABLE; ERR_STORE_SCHEMA: the store's schema
 * is newer; ERR_STORE_FAILED, ERR_STORE_FULL: it can't be made. `why` says what to do, and the log,
 * once for each reason. Statements say ERR_STORE_UNAVAILABLE in all those cases but the second. */
err_t postgres_db_connect(struct postgres_db *db) MUST_USE;
/* Adds to what is told should the connection under way not come to be. */
void postgres_db_say(struct postgres_db *db, const char *text);
/* Begins a transaction that reads one snapshot. */
err_t postgres_db_snapshot(struct postgres_db *db) MUST_USE;
/* Begins a transaction that reads one snapshot and may write, and take as long as it takes. */
err_t postgres_db_long(struct postgres_db *db) MUST_USE;

/* A statement whose text is made at run time and need not stay: the connection keeps the last ones
 * prepared. */
struct postgres_ask {
    const char *sql;
    struct postgres_values values;
    struct rows rows; /* what it selects, once it was asked */
};

/* Letters as postgres_values.h. */
void postgres_ask_bind(struct postgres_ask *ask, const struct postgres_db *db, const char *sql,
                       const char *types, ...);
/* Asks all of them in one round trip. Each one's rows are to be ended. */
void postgres_db_ask_all(struct postgres_db *db, struct postgres_ask *asks, size_t count);
/* Asks one. */
struct rows postgres_db_ask(struct postgres_db *db, const char *sql, const char *types, ...);

/* COPY ... FROM STDIN, in a transaction, with all that there is to copy. */
err_t postgres_db_copy(struct postgres_db *db, const char *sql, struct slice rows) MUST_USE;
/* Waits for a notification of the channels that are listened to, for `wake_fd` to be readable, or
 * for `wait_ms`. *heard is set on a notification. */
err_t postgres_db_listen(struct postgres_db *db, int wake_fd, int wait_ms, bool *heard) MUST_USE;

/* Brings the schema to this program's version; *to is set also where a newer one is refused. */
err_t postgres_migrate(struct postgres_db *db, unsigned *from, unsigned *to) MUST_USE;
/* Moves all versions on where the database has been restored from a backup since it was last
 * connected to (migrations/postgresql/006_restored.sql says why). */
err_t postgres_recognise(struct postgres_db *db) MUST_USE;

#endif
