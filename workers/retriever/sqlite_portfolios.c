#include "workers/retriever/objects.h"
#include "workers/retriever/sqlite_store.h"

#define PORTFOLIO_COLUMNS "id, version, name, embedder, documents, chunks"

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
}

static err_t portfolio_find(struct work *work, struct slice tenant, uint64_t id,
                            struct portfolio *portfolio)
{
    struct rows rows = db_select(
        work->db, "SELECT " PORTFOLIO_COLUMNS " FROM portfolios WHERE id = ? AND tenant = ?", "it",
        id, tenant_of(tenant));
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
                                 "SELECT " PORTFOLIO_COLUMNS " FROM portfolios"
                                 " WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?",
                                 "tii", tenant_of(select->tenant), select->after, limit + 1);
    size_t count = 0;
    while (rows_next(&rows)) read_portfolio(work, &rows, &data[count++]);
    portfolios->data = (struct list){data, MIN(count, limit)};
    portfolios->next = count > limit ? data[limit - 1].id : 0;
    return rows_end(&rows);
}

err_t portfolio_create(struct work *work, const void *request, void *result)
{
    const struct put_portfolio *put = request;
    struct portfolio *portfolio = result;
    *portfolio = (struct portfolio){
        .name = put->portfolio.name, .embedder = put->portfolio.embedder, .version = 1};
    err_t error = portfolio_normalise(portfolio, work->options->embedder, &work->call->message);
    if (!error)
        error = db_run(work->db, "INSERT INTO portfolios (tenant, name, embedder) VALUES (?, ?, ?)",
                       "ttt", tenant_of(put->tenant), portfolio->name, portfolio->embedder);
    if (error) return error;
    portfolio->id = db_last_id(work->db);
    work->call->portfolio_version = portfolio->version;
    return change_log(work, "portfolio", portfolio->id, portfolio->version, 0, 0);
}

/* Another embedder: every vector goes, every chunk waits for a new one. */
static err_t embed_again(struct work *work, uint64_t id)
{
    err_t error = db_run(work->db,
                         "DELETE FROM vectors WHERE chunk_id IN (SELECT c.id FROM documents d"
                         " JOIN chunks c ON c.id BETWEEN d.first_chunk AND d.first_chunk +"
                         " d.chunks - 1 WHERE d.portfolio_id = ?)",
                         "i", id);
    if (!error)
        error = db_run(work->db,
                       "INSERT OR REPLACE INTO unindexed (chunk_id, portfolio_id, document_id)"
                       " SELECT c.id, d.portfolio_id, d.id FROM documents d JOIN chunks c"
                       " ON c.id BETWEEN d.first_chunk AND d.first_chunk + d.chunks - 1"
                       " WHERE d.portfolio_id = ?",
                       "i", id);
    if (!error)
        error = db_run(work->db,
                       "UPDATE documents SET status = 'indexing', error = ''"
                       " WHERE portfolio_id = ?",
                       "i", id);
    work->call->pending = id;
    return error;
}

err_t portfolio_update(struct work *work, const void *request, void *result)
{
    const struct put_portfolio *put = request;
    struct portfolio *portfolio = result, was;
    err_t error = portfolio_find(work, put->tenant, put->id, portfolio);
    if (error) return error;
    was = *portfolio;
    record_merge(portfolio_type(), portfolio, &put->portfolio);
    *portfolio = (struct portfolio){.id = was.id,
                                    .version = was.version + 1,
                                    .name = portfolio->name,
                                    .embedder = portfolio->embedder,
                                    .documents = was.documents,
                                    .chunks = was.chunks};
    error = portfolio_normalise(portfolio, work->options->embedder, &work->call->message);
    if (!error)
        error = db_run(work->db, "UPDATE portfolios SET name = ?, embedder = ? WHERE id = ?", "tti",
                       portfolio->name, portfolio->embedder, portfolio->id);
    if (!error && !slice_equal(was.embedder, portfolio->embedder))
        error = embed_again(work, portfolio->id);
    if (!error) error = portfolio_bump(work, portfolio->id, 0, 0);
    return error ? error : change_log(work, "portfolio", portfolio->id, portfolio->version, 0, 0);
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
    if (!error) error = agents_release(work, id);
    portfolio->version++;
    work->call->portfolio_version = portfolio->version;
    return error ? error : change_log(work, "portfolio", id, portfolio->version, 0, 0);
}
