#include "workers/retriever/postgres_index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "workers/embedder/embedder.h"
#include "workers/retriever/postgres_graph.h"
#include "workers/retriever/postgres_terms.h"
#include "workers/retriever/postgres_values.h"
#include "workers/retriever/terms.h"

#define INDEX_LOCK "7014723" /* with a portfolio's id: who makes or follows its partitions */
#define FETCH      "FETCH 1000 FROM walk"
#define SQL_MAX    1024

/* --- statements for one portfolio's tables --- */

/* Every %1$ is the portfolio's id. */
static err_t run_for(struct db *db, uint64_t id, const char *format)
{
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql), format, id);
    return db_script(db, sql);
}

/* --- rows on their way into the tables --- */

struct load {
    struct buffer embeddings, postings; /* COPY's binary form */
    struct buffer vector;               /* of the row under way */
    struct terms_tally tally;
    uint64_t portfolio_id, chunks, terms;
    size_t dimensions;
};

/* The stored vector, a float32 scale and a byte a dimension, as pgvector takes it; empty where
 * there is none of these dimensions. */
static struct slice unpack(struct load *load, struct slice packed)
{
    struct buffer *out = &load->vector;
    float scale;
    out->len = 0;
    if (packed.len != sizeof(scale) + load->dimensions) return (struct slice){0};
    memcpy(&scale, packed.ptr, sizeof(scale));
    postgres_vector_head(out, load->dimensions);
    for (size_t i = 0; i < load->dimensions; i++)
        postgres_vector_number(out, scale * (float)(int8_t)packed.ptr[sizeof(scale) + i]);
    return buffer_slice(out);
}

static uint64_t length_of(struct slice terms)
{
    struct slice term;
    unsigned count;
    uint64_t length = 0;
    while (terms_next(&terms, &term, &count)) length += count;
    return length;
}

static void put_posting(struct load *load, uint64_t chunk_id, uint64_t length, struct slice term,
                        unsigned count)
{
    postgres_row(&load->postings, "iitii", load->portfolio_id, chunk_id, term, (uint64_t)count,
                 length);
    terms_tally_add(&load->tally, term, 1);
}

static void put_postings(struct load *load, uint64_t chunk_id, uint64_t length,
                         const struct rows *rows)
{
    struct slice terms = rows_blob(rows, 6), term;
    unsigned count;
    put_posting(load, chunk_id, length, terms_of_language(rows_text(rows, 5)), 1);
    while (terms_next(&terms, &term, &count)) put_posting(load, chunk_id, length, term, count);
}

/* A row as refresh_select gives it. */
static void put_row(struct load *load, const struct rows *rows)
{
    uint64_t chunk_id = rows_u64(rows, 0), length = length_of(rows_blob(rows, 6));
    postgres_row(&load->embeddings, "iiiv", load->portfolio_id, chunk_id, length,
                 unpack(load, rows_blob(rows, 7)));
    put_postings(load, chunk_id, length, rows);
    load->chunks++;
    load->terms += length;
}

static err_t flush_to(struct db *db, uint64_t id, const char *table, struct buffer *rows)
{
    char sql[SQL_MAX];
    if (!rows->len) return OK;
    postgres_rows_end(rows);
    snprintf(sql, sizeof(sql), "COPY %s_%" PRIu64 " FROM STDIN BINARY", table, id);
    err_t error = postgres_db_copy((struct postgres_db *)db, sql, buffer_slice(rows));
    rows->len = 0;
    return error;
}

static err_t flush(struct db *db, struct load *load)
{
    err_t error = flush_to(db, load->portfolio_id, "rag_embedding", &load->embeddings);
    return error ? error : flush_to(db, load->portfolio_id, "rag_posting", &load->postings);
}

static void load_free(struct load *load)
{
    buffer_free(&load->embeddings);
    buffer_free(&load->postings);
    buffer_free(&load->vector);
    terms_tally_free(&load->tally);
}

/* --- making --- */

static err_t fill(struct db *db, const struct refresh_plan *plan, struct load *load)
{
    char sql[SQL_MAX];
    size_t before;
    err_t error = OK;
    snprintf(
        sql, sizeof(sql),
        "DECLARE walk NO SCROLL CURSOR FOR SELECT c.id, 0, 0, 0, 0, c.language, c.terms, v.vector"
        " FROM documents d JOIN chunks c ON c.id BETWEEN d.first_chunk AND d.first_chunk +"
        " d.chunks - 1 LEFT JOIN vectors v ON v.slot = 2 * c.id + %" PRIu64
        " WHERE d.portfolio_id = %" PRIu64,
        plan->side, load->portfolio_id);
    error = db_script(db, sql);
    do {
        before = load->chunks;
        struct rows rows = {.db = db, .error = error};
        if (!error) rows = db_select(db, FETCH, "");
        while (rows_next(&rows)) put_row(load, &rows);
        error = rows_end(&rows);
        if (!error) error = flush(db, load);
    } while (!error && load->chunks > before);
    return error ? error : db_script(db, "CLOSE walk");
}

static err_t create_tables(struct db *db, uint64_t id)
{
    static const char *const statements[] = {
        "CREATE TABLE rag_embedding_%1$" PRIu64 " (LIKE rag_embedding INCLUDING DEFAULTS,"
        " CHECK (portfolio_id = %1$" PRIu64 "))",
        "CREATE TABLE rag_posting_%1$" PRIu64 " (LIKE rag_posting INCLUDING DEFAULTS,"
        " CHECK (portfolio_id = %1$" PRIu64 "))",
        "CREATE TABLE rag_term_%1$" PRIu64 " (LIKE rag_term INCLUDING INDEXES,"
        " CHECK (portfolio_id = %1$" PRIu64 "))",
    };
    err_t error = OK;
    for (size_t i = 0; !error && i < ARRAY_LEN(statements); i++)
        error = run_for(db, id, statements[i]);
    return error;
}

static err_t create_indexes(struct db *db, uint64_t id)
{
    static const char *const statements[] = {
        "CREATE INDEX ON rag_embedding_%" PRIu64 " (chunk_id)",
        "CREATE INDEX ON rag_embedding_%" PRIu64 " (chunk_id) WHERE embedding IS NOT NULL",
        "CREATE INDEX ON rag_posting_%" PRIu64 " (term, chunk_id) INCLUDE (count, length)",
        "CREATE INDEX ON rag_posting_%" PRIu64 " (chunk_id)",
        "ANALYZE rag_embedding_%" PRIu64,
        "ANALYZE rag_posting_%" PRIu64,
        "ANALYZE rag_term_%" PRIu64,
        "ALTER TABLE rag_embedding ATTACH PARTITION rag_embedding_%1$" PRIu64
        " FOR VALUES IN (%1$" PRIu64 ")",
        "ALTER TABLE rag_posting ATTACH PARTITION rag_posting_%1$" PRIu64
        " FOR VALUES IN (%1$" PRIu64 ")",
        "ALTER TABLE rag_term ATTACH PARTITION rag_term_%1$" PRIu64 " FOR VALUES IN (%1$" PRIu64
        ")",
    };
    err_t error = OK;
    for (size_t i = 0; !error && i < ARRAY_LEN(statements); i++)
        error = run_for(db, id, statements[i]);
    return error;
}

static err_t note_searched(struct db *db, uint64_t id, const struct refresh_plan *plan,
                           const struct load *load)
{
    return db_run(db,
                  "INSERT INTO rag_searched (portfolio_id, version, made, embedder, chunks, terms)"
                  " VALUES (?1, ?2, ?2, ?3, ?4, ?5)",
                  "iisii", id, plan->version, plan->embedder->name, load->chunks, load->terms);
}

static err_t make(struct db *db, const struct index_options *options,
                  const struct refresh_plan *plan, uint64_t id)
{
    struct load load = {.portfolio_id = id, .dimensions = plan->embedder->dimensions};
    err_t error = create_tables(db, id);
    if (!error) error = fill(db, plan, &load);
    if (!error) error = terms_store(db, id, plan->version, &load.tally);
    struct graph graph = {.portfolio_id = id, .chunks = load.chunks, .dimensions = load.dimensions};
    if (!error) error = postgres_graph_make(db, options, &graph);
    if (!error) error = create_indexes(db, id);
    if (!error) error = note_searched(db, id, plan, &load);
    if (!error)
        log_info("portfolio=%" PRIu64 " chunks=%" PRIu64 " is searched in the database", id,
                 load.chunks);
    load_free(&load);
    return error;
}

static err_t drop(struct db *db, uint64_t id)
{
    err_t error = run_for(db, id, "DROP TABLE IF EXISTS rag_embedding_%" PRIu64);
    if (!error) error = run_for(db, id, "DROP TABLE IF EXISTS rag_posting_%" PRIu64);
    if (!error) error = run_for(db, id, "DROP TABLE IF EXISTS rag_term_%" PRIu64);
    if (error) return error;
    return db_run(db, "DELETE FROM rag_searched WHERE portfolio_id = ?", "i", id);
}

/* --- what is searched --- */

struct searched {
    uint64_t version; /* 0: nothing is */
    bool fits;        /* this program and the portfolio's embedder; else to be made anew */
};

static err_t read_searched(struct db *db, uint64_t id, const struct refresh_plan *plan,
                           struct searched *searched)
{
    struct rows rows = db_select(
        db, "SELECT version, embedder, made FROM rag_searched WHERE portfolio_id = ?", "i", id);
    *searched = (struct searched){0};
    if (rows_next(&rows)) {
        searched->version = rows_u64(&rows, 0);
        searched->fits = rows_u64(&rows, 2) && plan->embedder &&
                         slice_equal(rows_text(&rows, 1), slice_of(plan->embedder->name));
    }
    return rows_end(&rows);
}

static bool is_large(const struct index_options *options, const struct refresh_plan *plan,
                     const struct searched *searched)
{
    uint64_t least = options->chunks_max;
    if (searched->version) least -= least / 4;
    return plan->embedder && plan->embedder->dimensions <= GRAPH_DIMENSIONS_MAX &&
           plan->chunks > least;
}

/* --- settling --- */

/* Whether the tables can be brought up to date: the log of changes still goes back to them. */
static err_t can_follow(struct db *db, const struct store_refresh *asked,
                        const struct searched *searched, struct refresh_plan *plan, bool *can)
{
    struct store_refresh refresh = *asked;
    refresh.since = searched->version;
    refresh.embedder = slice_of(plan->embedder->name);
    err_t error = refresh_plan_read(db, &refresh, plan);
    *can = !error && !plan->whole;
    return error;
}

static err_t settle(struct db *db, const struct index_options *options,
                    const struct store_refresh *refresh, struct refresh_plan *plan, bool *dropped)
{
    uint64_t id = refresh->portfolio_id;
    struct searched searched;
    err_t error = refresh_plan_read(db, refresh, plan);
    if (error == ERR_PORTFOLIO_NOT_FOUND) return drop(db, id);
    if (!error) error = read_searched(db, id, plan, &searched);
    if (error) return error;
    bool large = is_large(options, plan, &searched), good = searched.version && searched.fits;
    if (large && good) error = can_follow(db, refresh, &searched, plan, &good);
    if (error || (large && good)) return error;
    *dropped = searched.version;
    if (*dropped) return drop(db, id);
    return large ? make(db, options, plan, id) : OK;
}

/* Portfolios that were deleted while they were searched here. */
#define ORPHANS                            \
    "FROM rag_searched s WHERE NOT EXISTS" \
    " (SELECT 1 FROM portfolios p WHERE p.id = s.portfolio_id)"

err_t postgres_index_orphans(struct db *db, uint64_t *count)
{
    return db_value(db, count, "SELECT count(*) " ORPHANS, "");
}

static err_t drop_orphans(struct db *db, bool *dropped)
{
    struct rows rows = db_select(db, "SELECT portfolio_id " ORPHANS, "");
    err_t error = OK;
    while (!error && rows_next(&rows)) {
        error = drop(db, rows_u64(&rows, 0));
        *dropped = true;
    }
    err_t end = rows_end(&rows);
    return error ? error : end;
}

static err_t settle_locked(struct db *db, const struct index_options *options,
                           const struct store_refresh *refresh, bool *dropped)
{
    struct refresh_plan plan = {0};
    uint64_t mine = 0;
    err_t error =
        db_value(db, &mine, "SELECT pg_try_advisory_xact_lock(" INDEX_LOCK ", ?::integer)", "i",
                 refresh->portfolio_id);
    if (error || !mine) return error;
    error = drop_orphans(db, dropped);
    if (!error && !*dropped && refresh->portfolio_id)
        error = settle(db, options, refresh, &plan, dropped);
    refresh_plan_free(&plan);
    return error;
}

/* What is dropped is committed before anything is made: its lock on the parents of all portfolios'
 * tables would be held for as long as that takes. */
err_t postgres_index_settle(struct postgres_db *db, const struct index_options *options,
                            struct slice tenant, uint64_t portfolio_id)
{
    struct store_refresh refresh = {.tenant = tenant, .portfolio_id = portfolio_id};
    bool dropped;
    err_t error;
    do {
        dropped = false;
        error = postgres_db_long(db);
        if (!error) error = db_end(&db->db, settle_locked(&db->db, options, &refresh, &dropped));
    } while (!error && dropped && portfolio_id);
    return error;
}

/* --- following --- */

static err_t range_take_out(struct db *db, uint64_t id, const struct chunk_range *range,
                            uint64_t *chunks, uint64_t *terms)
{
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql),
             "WITH gone AS (DELETE FROM rag_embedding_%" PRIu64 " WHERE chunk_id BETWEEN ? AND ?"
             " RETURNING length) SELECT count(*), coalesce(sum(length), 0)::bigint FROM gone",
             id);
    struct rows rows =
        postgres_db_ask((struct postgres_db *)db, sql, "ii", range->first, range->last);
    if (rows_next(&rows)) {
        *chunks += rows_u64(&rows, 0);
        *terms += rows_u64(&rows, 1);
    }
    return rows_end(&rows);
}

static err_t follow_changes(struct db *db, const struct store_refresh *refresh,
                            const struct refresh_plan *plan)
{
    uint64_t id = refresh->portfolio_id, chunks = 0, terms = 0;
    struct load load = {.portfolio_id = id, .dimensions = plan->embedder->dimensions};
    err_t error = OK;
    for (size_t i = 0; !error && i < refresh_parts(plan); i++) {
        error = range_take_out(db, id, &plan->ranges[i], &chunks, &terms);
        if (!error) error = terms_take_out(db, id, &plan->ranges[i], &load.tally);
        if (error) break;
        struct rows rows = refresh_select(db, refresh, plan, i);
        while (rows_next(&rows)) put_row(&load, &rows);
        error = rows_end(&rows);
        if (!error) error = flush(db, &load);
    }
    if (!error) error = terms_store(db, id, plan->version, &load.tally);
    if (!error)
        error = db_run(db,
                       "UPDATE rag_searched SET version = ?, chunks = chunks + ?, terms = terms + ?"
                       " WHERE portfolio_id = ?",
                       "iiii", plan->version, load.chunks - chunks, load.terms - terms, id);
    load_free(&load);
    return error;
}

/* In a transaction, under the portfolio's lock: somebody else may have followed meanwhile. */
static err_t follow_locked(struct db *db, const struct store_refresh *asked, bool *current)
{
    struct store_refresh refresh = *asked;
    struct refresh_plan plan = {0};
    struct searched searched = {0};
    err_t error = db_run(db, "SELECT pg_advisory_xact_lock(" INDEX_LOCK ", ?::integer)", "i",
                         refresh.portfolio_id);
    if (!error) error = refresh_plan_read(db, &refresh, &plan);
    if (!error) error = read_searched(db, refresh.portfolio_id, &plan, &searched);
    *current = !error && searched.version && searched.fits;
    if (*current && searched.version < plan.version) {
        refresh.since = searched.version;
        refresh.embedder = slice_of(plan.embedder->name);
        error = refresh_plan_read(db, &refresh, &plan);
        *current = !error && !plan.whole;
        if (*current) error = follow_changes(db, &refresh, &plan);
    }
    refresh_plan_free(&plan);
    return error;
}

static err_t follow(struct db *db, const struct store_refresh *refresh, bool *current)
{
    err_t error = db_begin(db);
    return error ? error : db_end(db, follow_locked(db, refresh, current));
}

err_t postgres_index_state(struct db *db, const struct index_options *options,
                           const struct store_refresh *refresh, const struct refresh_plan *plan,
                           enum index_state *state)
{
    struct searched searched;
    bool current = true;
    *state = INDEX_NONE;
    if (plan->chunks <= options->chunks_max / 4 && refresh->since) return OK;
    err_t error = read_searched(db, refresh->portfolio_id, plan, &searched);
    if (error) return error;
    bool large = is_large(options, plan, &searched);
    if (!large && !searched.version) return OK;
    *state = INDEX_WANTED;
    if (!large || !searched.version || !searched.fits) return OK;
    if (searched.version < plan->version) error = follow(db, refresh, &current);
    if (!error && current) *state = INDEX_CURRENT;
    return error;
}

/* --- the builder --- */

struct settling {
    struct task task; /* first */
    struct settling *next;
    struct postgres_store *store;
    char *tenant;
    uint64_t portfolio_id;
};

static void settling_run(struct task *task, struct db *db)
{
    struct settling *settling = (struct settling *)task;
    err_t error =
        postgres_index_settle((struct postgres_db *)db, &settling->store->sql.options.index,
                              slice_of(settling->tenant), settling->portfolio_id);
    if (error && error != ERR_STORE_UNAVAILABLE)
        log_warn("portfolio=%" PRIu64 " could not be prepared to be searched in the database: %s",
                 settling->portfolio_id, error_code(error));
}

static void settling_done(struct task *task)
{
    struct settling *settling = (struct settling *)task;
    struct settling **at = &settling->store->settlings;
    while (*at != settling) at = &(*at)->next;
    *at = settling->next;
    free(settling->tenant);
    free(settling);
}

void postgres_settle(struct postgres_store *store, struct slice tenant, uint64_t portfolio_id)
{
    for (const struct settling *other = store->settlings; other; other = other->next)
        if (other->portfolio_id == portfolio_id) return;
    struct settling *settling = xcalloc(1, sizeof(*settling));
    settling->task = (struct task){.run = settling_run, .done = settling_done};
    settling->store = store;
    settling->tenant = xstrndup(tenant.ptr ? tenant.ptr : "", tenant.len);
    settling->portfolio_id = portfolio_id;
    settling->next = store->settlings;
    store->settlings = settling;
    crew_push(store->builders, &settling->task);
}
