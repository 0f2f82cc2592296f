/* How the connection of a postgres_db comes to be and is lost, and what the server's errors mean:
 * for those who send statements over it (postgres_db.c).
 *
 *     none ──ensure_connected──▶ session, clock, schema, pgvector ──▶ connected
 *      ▲ └─ not before retry_at_ms ◀── connect_failed ◀─┘                 │
 *      └──────────────────────────── lose ────────────────────────────────┘ */
#ifndef MILLRACE_RETRIEVER_POSTGRES_CONNECTION_H
#define MILLRACE_RETRIEVER_POSTGRES_CONNECTION_H

#include "workers/retriever/postgres_db.h"

/* Connects unless it is connected. Whatever keeps the store from being used is
 * ERR_STORE_UNAVAILABLE, since jobs may succeed when it has passed; but for ERR_STORE_SCHEMA, a
 * newer one, which another retriever knows. */
err_t postgres_ensure_connected(struct postgres_db *db) MUST_USE;
/* Forgets the connection, if there is one, with its transaction and whatever was prepared or sent.
 * Returns ERR_STORE_UNAVAILABLE. */
err_t postgres_lose(struct postgres_db *db, const char *why) MUST_USE;
/* Whether postgres_db_stop was called. Any thread. */
bool postgres_stopped(const struct postgres_db *db);
/* By how much the server's clock is ahead of ours. */
err_t postgres_clock_read(struct postgres_db *db) MUST_USE;
/* What a result that is an error means to us; complains of it. */
err_t postgres_error_of(struct postgres_db *db, const PGresult *result) MUST_USE;

#endif
