/* The embedders of a portfolio: the one that answers, and while it is being rebuilt the next one.
 *
 *     [A] ──reembed B──▶ [A, next B] ──every chunk has B's vector──▶ [B]
 *                          │    ▲                                     one transaction: B answers,
 *                          │    └─ reembed C: B's are dropped         A's vectors are dropped
 *                          └─ reembed A: as before
 *
 * A's vectors go on answering until then, and documents that arrive meanwhile get the vectors of
 * both. All of this is rows: a process that dies in between leaves nothing half done. */
#include "workers/retriever/objects.h"
#include "workers/retriever/sql_store.h"

#define RETRY_MS_FIRST 1000
#define RETRY_MS_MAX   30000

#define CHUNKS_OF_DOCUMENTS                                                                       \
    " FROM documents d JOIN chunks c ON c.id BETWEEN d.first_chunk AND d.first_chunk + d.chunks " \
    "- 1"

err_t embedders_read(struct work *work, uint64_t portfolio_id, struct embedders *embedders)
{
    struct rows rows = db_select(
        work->db, "SELECT tenant, side, embedder, next_embedder FROM portfolios WHERE id = ?", "i",
        portfolio_id);
    *embedders = (struct embedders){0};
    if (rows_next(&rows)) {
        embedders->portfolio_id = portfolio_id;
        embedders->tenant = rows_copy(&rows, 0, &work->arena);
        embedders->side = rows_u64(&rows, 1) & 1;
        embedders->names[embedders->side] = rows_copy(&rows, 2, &work->arena);
        embedders->names[!embedders->side] = rows_copy(&rows, 3, &work->arena);
    }
    return rows_end(&rows);
}

uint64_t embedders_side(const struct embedders *embedders, struct slice name)
{
    uint64_t side = 0;
    while (side < SIDES && !(name.len && slice_equal(embedders->names[side], name))) side++;
    return side;
}

/* --- sides --- */

/* Nothing is left of this side. */
static err_t side_drop(struct work *work, uint64_t portfolio_id, uint64_t side)
{
    err_t error = db_run(work->db, "DELETE FROM unindexed WHERE portfolio_id = ? AND side = ?",
                         "ii", portfolio_id, side);
    if (!error)
        error = db_run(work->db,
                       "DELETE FROM vectors WHERE slot IN (SELECT 2 * c.id + ?" CHUNKS_OF_DOCUMENTS
                       " WHERE d.portfolio_id = ?)",
                       "ii", side, portfolio_id);
    return error ? error : trouble_clear(work, portfolio_id, side);
}

/* Every chunk without a vector of this side waits for one. */
static err_t side_want(struct work *work, uint64_t portfolio_id, uint64_t side)
{
    return db_run(work->db,
                  "INSERT INTO unindexed (slot, portfolio_id, side, document_id)"
                  " SELECT 2 * c.id + ?1, d.portfolio_id, ?1, d.id" CHUNKS_OF_DOCUMENTS
                  " WHERE d.portfolio_id = ?2 AND NOT EXISTS"
                  " (SELECT 1 FROM vectors WHERE slot = 2 * c.id + ?1) ON CONFLICT DO NOTHING",
                  "ii", side, portfolio_id);
}

static err_t side_is_complete(struct work *work, uint64_t portfolio_id, uint64_t side,
                              bool *complete)
{
    struct rows rows =
        db_select(work->db, "SELECT 1 FROM unindexed WHERE portfolio_id = ? AND side = ? LIMIT 1",
                  "ii", portfolio_id, side);
    *complete = !rows_next(&rows);
    return rows_end(&rows);
}

/* Documents that had failed have another chance; what waits for nothing is stored. */
static err_t documents_judge(struct work *work, uint64_t portfolio_id, uint64_t side)
{
    return db_run(
        work->db,
        "UPDATE documents SET error = '', status = CASE WHEN EXISTS (SELECT 1 FROM"
        " unindexed u WHERE u.document_id = documents.id AND u.side = ?)"
        " THEN 'indexing' ELSE 'stored' END WHERE portfolio_id = ? AND status <> 'stored'",
        "ii", side, portfolio_id);
}

static err_t next_set(struct work *work, uint64_t portfolio_id, struct slice name)
{
    return db_run(work->db, "UPDATE portfolios SET next_embedder = ? WHERE id = ?", "ti", name,
                  portfolio_id);
}

/* --- rebuilding --- */

/* Who has an older version in memory loads the whole anew: the log of what changed would not tell
 * it which vectors are other ones. */
static err_t log_forget(struct work *work, uint64_t portfolio_id)
{
    return db_run(work->db, "DELETE FROM changes WHERE kind = 'portfolio' AND object_id = ?", "i",
                  portfolio_id);
}

static err_t next_answers(struct work *work, const struct embedders *embedders)
{
    uint64_t id = embedders->portfolio_id;
    err_t error = side_drop(work, id, embedders->side);
    if (!error)
        error = db_run(work->db,
                       "UPDATE portfolios SET embedder = next_embedder, next_embedder = '',"
                       " side = 1 - side WHERE id = ?",
                       "i", id);
    /* A document that this embedder has failed stays so: it has no vector. */
    if (!error)
        error = db_run(work->db,
                       "UPDATE documents SET status = 'stored' WHERE portfolio_id = ?"
                       " AND status = 'indexing'",
                       "i", id);
    if (!error) error = log_forget(work, id);
    if (!error) error = portfolio_bump(work, id, 0, 0);
    if (!error) error = change_log(work, "portfolio", id, work->call->portfolio_version, 0, 0);
    return error ? error : change_log(work, "embedder", id, work->call->portfolio_version, 0, 0);
}

err_t rebuild_settle(struct work *work, uint64_t portfolio_id)
{
    struct embedders embedders;
    bool complete = false;
    err_t error = embedders_read(work, portfolio_id, &embedders);
    if (error || !embedders.names[!embedders.side].len) return error;
    error = side_is_complete(work, portfolio_id, !embedders.side, &complete);
    return error || !complete ? error : next_answers(work, &embedders);
}

/* The embedder that answers is wanted: a rebuild ends, and what has failed is tried again. */
static err_t rebuild_abandon(struct work *work, const struct embedders *embedders)
{
    uint64_t id = embedders->portfolio_id;
    err_t error = side_drop(work, id, !embedders->side);
    if (!error) error = next_set(work, id, (struct slice){0});
    if (!error) error = side_want(work, id, embedders->side);
    if (!error) error = documents_judge(work, id, embedders->side);
    return error ? error : trouble_clear(work, id, embedders->side);
}

static err_t rebuild_begin(struct work *work, const struct embedders *embedders,
                           struct slice embedder)
{
    uint64_t id = embedders->portfolio_id;
    err_t error = side_drop(work, id, !embedders->side);
    if (!error) error = next_set(work, id, embedder);
    if (!error) error = side_want(work, id, !embedders->side);
    /* What the old one could not do the new one may: it is `indexing` until that answers. */
    if (!error)
        error = db_run(work->db,
                       "UPDATE documents SET error = '', status = 'indexing'"
                       " WHERE portfolio_id = ? AND status = 'failed'",
                       "i", id);
    return error ? error : rebuild_settle(work, id);
}

err_t rebuild_want(struct work *work, uint64_t portfolio_id, struct slice embedder)
{
    struct embedders embedders;
    err_t error = embedders_read(work, portfolio_id, &embedders);
    if (error) return error;
    uint64_t side = embedders_side(&embedders, embedder);
    work->call->pending = portfolio_id;
    if (side == embedders.side) return rebuild_abandon(work, &embedders);
    if (side < SIDES) return trouble_clear(work, portfolio_id, side); /* it goes on, at once */
    return rebuild_begin(work, &embedders, embedder);
}

/* --- embedders that fail --- */

err_t trouble_clear(struct work *work, uint64_t portfolio_id, uint64_t side)
{
    return db_run(work->db, "DELETE FROM embedding_troubles WHERE portfolio_id = ? AND side = ?",
                  "ii", portfolio_id, side);
}

err_t trouble_holds(struct work *work, uint64_t portfolio_id, uint64_t side, bool *holds)
{
    struct rows rows = db_select(work->db,
                                 "SELECT 1 FROM embedding_troubles WHERE portfolio_id = ?"
                                 " AND side = ? AND retry_at > ?",
                                 "iii", portfolio_id, side, db_now_ms(work->db));
    *holds = rows_next(&rows);
    return rows_end(&rows);
}

static err_t failures_of(struct work *work, uint64_t portfolio_id, uint64_t side,
                         uint64_t *failures)
{
    struct rows rows = db_select(
        work->db, "SELECT failures FROM embedding_troubles WHERE portfolio_id = ? AND side = ?",
        "ii", portfolio_id, side);
    *failures = rows_next(&rows) ? rows_u64(&rows, 0) : 0;
    return rows_end(&rows);
}

/* Jobs that were under way together fail together: that is one failure. */
err_t trouble_note(struct work *work, uint64_t portfolio_id, uint64_t side, struct slice code,
                   uint64_t *retry_ms)
{
    uint64_t failures = 0;
    bool holds = false;
    err_t error = failures_of(work, portfolio_id, side, &failures);
    if (!error) error = trouble_holds(work, portfolio_id, side, &holds);
    if (error) return error;
    if (!holds || !failures) failures++;
    uint64_t shift = MIN(failures - 1, (uint64_t)10);
    *retry_ms = MIN((uint64_t)RETRY_MS_FIRST << shift, (uint64_t)RETRY_MS_MAX);
    return db_run(work->db,
                  "INSERT INTO embedding_troubles"
                  " (portfolio_id, side, failures, retry_at, error) VALUES (?, ?, ?, ?, ?)"
                  " ON CONFLICT (portfolio_id, side) DO UPDATE SET failures = excluded.failures,"
                  " retry_at = excluded.retry_at, error = excluded.error",
                  "iiiit", portfolio_id, side, failures, db_now_ms(work->db) + *retry_ms, code);
}
