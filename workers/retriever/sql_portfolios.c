#include "workers/retriever/objects.h"
#include "workers/retriever/sql_store.h"
#include "workers/retriever/timestamp.h"

/* The side whose vectors are being made: the next embedder's, else that of the one that answers. */
#define MADE_SIDE "(p.side + CASE p.next_embedder WHEN '' THEN 0 ELSE 1 END) % 2"
#define PORTFOLIO_COLUMNS                                                                         \
    "p.id, p.version, p.name, p.embedder, p.documents, p.chunks, p.next_embedder,"                \
    " (SELECT count(*) FROM unindexed u WHERE u.portfolio_id = p.id AND u.side = " MADE_SIDE ")," \
    " t.error, t.retry_at"
#define PORTFOLIO_TABLES                                                         \
    " FROM portfolios p LEFT JOIN embedding_troubles t ON t.portfolio_id = p.id" \
    " AND t.side = " MADE_SIDE

/* How far the vectors are that are being made, or that were made. */
static void read_progress(struct work *work, const struct rows *rows, struct portfolio *portfolio)
{
    struct slice next = rows_copy(rows, 6, &work->arena);
    uint64_t waiting = rows_u64(rows, 7), retry_at = rows_u64(rows, 9);
    portfolio->embedding = (struct embedding_state){
        .embedder = next.len ? next : portfolio->embedder,
        .done = portfolio->chunks - MIN(waiting, portfolio->chunks),
        .total = portfolio->chunks,
        .error = rows_copy(rows, 8, &work->arena),
    };
    if (retry_at) portfolio->embedding.retry_at = timestamp_text(&work->arena, retry_at);
}

static void read_portfolio(struct work *work, const struct rows *rows, struct portfolio *portfolio)
{
    *portfolio = (struct portfolio){
        .id = rows_u64(rows, 0),
        .version = rows_u64(rows, 1),
        .name = rows_copy(rows, 2, &work->arena),
        .embedder = rows_copy(rows, 3, &work->arena),
        .documents = rows_u64(rows, 4),
        .chunks = rows_u64(rows, 5),
    };
    read_progress(work, rows, portfolio);
}

static err_t portfolio_find(struct work *work, struct slice tenant, uint64_t id,
                            struct portfolio *portfolio)
{
    struct rows rows = db_select(
        work->db, "SELECT " PORTFOLIO_COLUMNS PORTFOLIO_TABLES " WHERE p.id = ? AND p.tenant = ?",
        "it", id, tenant_of(tenant));
    bool found = rows_next(&rows);
    if (found) read_portfolio(work, &rows, portfolio);
    err_t error = rows_end(&rows);
    return error ? error : found ? OK : ERR_PORTFOLIO_NOT_FOUND;
}

err_t portfolio_check(struct work *work, struct slice tenant, uint64_t id)
{
    struct rows rows =
        db_select(work->db, "SELECT version FROM portfolios WHERE id = ? AND tenant = ?", "it", id,
                  tenant_of(tenant));
    bool found = rows_next(&rows);
    if (found) work->call->portfolio_version = rows_u64(&rows, 0);
    err_t error = rows_end(&rows);
    return error ? error : found ? OK : ERR_PORTFOLIO_NOT_FOUND;
}

err_t portfolio_bump(struct work *work, uint64_t id, int64_t documents, int64_t chunks)
{
    struct rows rows =
        db_select(work->db,
                  "UPDATE portfolios SET version = version + 1, documents = documents + ?,"
                  " chunks = chunks + ? WHERE id = ? RETURNING version",
                  "iii", (uint64_t)documents, (uint64_t)chunks, id);
    if (rows_next(&rows)) work->call->portfolio_version = rows_u64(&rows, 0);
    while (rows_next(&rows)) continue;
    return rows_end(&rows);
}

err_t portfolio_read(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct portfolio *portfolio = result;
    uint64_t id = select->id ? select->id : select->portfolio_id;
    err_t error = portfolio_find(work, select->tenant, id, portfolio);
    work->call->portfolio_version = portfolio->version;
    return error;
}

err_t portfolio_list(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct portfolios *portfolios = result;
    uint64_t limit = page_limit(select->limit);
    struct portfolio *data = arena_alloc(&work->arena, (limit + 1) * sizeof(*data));
    struct rows rows = db_select(work->db,
                                 "SELECT " PORTFOLIO_COLUMNS PORTFOLIO_TABLES
                                 " WHERE p.tenant = ? AND p.id > ? ORDER BY p.id LIMIT ?",
                                 "tii", tenant_of(select->tenant), select->after, limit + 1);
    size_t count = 0;
    while (rows_next(&rows)) read_portfolio(work, &rows, &data[count++]);
    portfolios->data = (struct list){data, MIN(count, limit)};
    portfolios->next = count > limit ? data[limit - 1].id : 0;
    return rows_end(&rows);
}

/* Where a version begins is the table's to say. */
static err_t portfolio_insert(struct work *work, struct slice tenant, struct portfolio *portfolio)
{
    struct rows rows = db_select(work->db,
                                 "INSERT INTO portfolios (tenant, name, embedder) VALUES (?, ?, ?)"
                                 " RETURNING id, version",
                                 "ttt", tenant, portfolio->name, portfolio->embedder);
    if (rows_next(&rows)) {
        portfolio->id = rows_u64(&rows, 0);
        portfolio->version = rows_u64(&rows, 1);
    }
    return rows_end(&rows);
}

err_t portfolio_create(struct work *work, const void *request, void *result)
{
    const struct put_portfolio *put = request;
    struct portfolio *portfolio = result;
    *portfolio =
        (struct portfolio){.name = put->portfolio.name, .embedder = put->portfolio.embedder};
    err_t error = portfolio_normalise(portfolio, work->options->embedder, &work->call->message);
    if (!error) error = portfolio_insert(work, tenant_of(put->tenant), portfolio);
    if (error) return error;
    portfolio->embedding.embedder = portfolio->embedder;
    work->call->portfolio_version = portfolio->version;
    return change_log(work, "portfolio", portfolio->id, portfolio->version, 0, 0);
}

err_t portfolio_update(struct work *work, const void *request, void *result)
{
    const struct put_portfolio *put = request;
    struct portfolio *portfolio = result, was;
    err_t error = portfolio_find(work, put->tenant, put->id, portfolio);
    if (error) return error;
    was = *portfolio;
    record_merge(portfolio_type(), portfolio, &put->portfolio);
    error = portfolio_normalise(portfolio, work->options->embedder, &work->call->message);
    if (!error)
        error = db_run(work->db, "UPDATE portfolios SET name = ? WHERE id = ?", "ti",
                       portfolio->name, was.id);
    if (!error) error = portfolio_bump(work, was.id, 0, 0);
    if (!error) error = change_log(work, "portfolio", was.id, work->call->portfolio_version, 0, 0);
    if (!error && !slice_equal(was.embedder, portfolio->embedder))
        error = rebuild_want(work, was.id, portfolio->embedder);
    return error ? error : portfolio_find(work, put->tenant, was.id, portfolio);
}

/* Vectors of the embedder that is named, or of the one that new portfolios get. */
err_t portfolio_reembed(struct work *work, const void *request, void *result)
{
    const struct put_portfolio *put = request;
    struct portfolio *portfolio = result;
    err_t error = portfolio_find(work, put->tenant, put->id, portfolio);
    if (error) return error;
    portfolio->embedder = put->portfolio.embedder;
    error = portfolio_normalise(portfolio, work->options->embedder, &work->call->message);
    if (!error) error = rebuild_want(work, put->id, portfolio->embedder);
    return error ? error : portfolio_find(work, put->tenant, put->id, portfolio);
}

/* A new version of the same content: what was kept under the old one is reached no more. */
err_t portfolio_invalidate(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    err_t error = portfolio_find(work, select->tenant, select->id, result);
    if (!error) error = portfolio_bump(work, select->id, 0, 0);
    if (!error)
        error = change_log(work, "portfolio", select->id, work->call->portfolio_version, 0, 0);
    return error ? error : portfolio_find(work, select->tenant, select->id, result);
}

/* Agents that used a portfolio go on without one. */
static err_t agents_release(struct work *work, uint64_t portfolio_id)
{
    struct rows rows = db_select(work->db,
                                 "UPDATE agents SET portfolio_id = 0, version = version + 1"
                                 " WHERE portfolio_id = ? RETURNING id, version",
                                 "i", portfolio_id);
    err_t error = OK;
    while (!error && rows_next(&rows))
        error = change_log(work, "agent", rows_u64(&rows, 0), rows_u64(&rows, 1), 0, 0);
    err_t end = rows_end(&rows);
    return end ? end : error;
}

/* Nothing finds the documents without their portfolio; they are purged a piece at a time. */
err_t portfolio_delete(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct portfolio *portfolio = result;
    uint64_t id = select->id ? select->id : select->portfolio_id;
    err_t error = portfolio_find(work, select->tenant, id, portfolio);
    if (!error) error = db_run(work->db, "DELETE FROM portfolios WHERE id = ?", "i", id);
    if (!error) error = db_run(work->db, "INSERT INTO deleted_portfolios (id) VALUES (?)", "i", id);
    for (uint64_t side = 0; !error && side < SIDES; side++) error = trouble_clear(work, id, side);
    if (!error) error = agents_release(work, id);
    portfolio->version++;
    work->call->portfolio_version = portfolio->version;
    return error ? error : change_log(work, "portfolio", id, portfolio->version, 0, 0);
}
