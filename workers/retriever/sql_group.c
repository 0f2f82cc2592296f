/* The helper's side of the store: writes that wait are committed as one group, each in a savepoint
 * of its own so that one that fails spoils nobody's; what is old is purged in
 * small steps. Documents go between the groups (sql_sets.c).
 *
 *     BEGIN, once no other process writes
 *         SAVEPOINT one   [replay | decode, run, encode, remember]   RELEASE, or ROLLBACK TO
 *         ...
 *     COMMIT                          one fsync; only then does anybody hear of success */
#include "common/log.h"
#include "proto/codec.h"
#include "workers/retriever/sql_store.h"

#define KEEP_MS        UINT64_C(86400000)
#define PURGE_ROWS     250
#define PURGE_AGAIN_MS 50
#define PURGE_LATER_MS 10000

/* --- transactions --- */

err_t group_begin(struct sql_store *store)
{
    err_t error = store->available(store);
    if (!error) error = store->before_write(store);
    return error ? error : db_begin(store->writing);
}

void group_roll_back(struct sql_store *store)
{
    if (db_rollback(store->writing)) log_warn("store rollback failed");
}

/* --- one operation --- */

bool operation_replay(struct work *work, uint64_t part, struct buffer *out, err_t *error)
{
    if (!work->call->op.len) return false;
    struct rows rows = db_select(
        work->db, "SELECT portfolio_version, result FROM operations WHERE op = ? AND part = ?",
        "ti", work->call->op, part);
    bool found = rows_next(&rows);
    if (found) {
        work->call->portfolio_version = rows_u64(&rows, 0);
        buffer_append_slice(out, rows_blob(&rows, 1));
    }
    *error = rows_end(&rows);
    return found && !*error;
}

err_t operation_remember(struct work *work, uint64_t part, struct slice result)
{
    if (!work->call->op.len) return OK;
    return db_run(work->db,
                  "INSERT INTO operations (op, part, at, portfolio_version, result)"
                  " VALUES (?, ?, ?, ?, ?)",
                  "tiiib", work->call->op, part, db_now_ms(work->db), work->call->portfolio_version,
                  result);
}

static err_t run(struct work *work)
{
    const struct kind_info *kind = kind_info(work->call->kind);
    const struct operation *operation = work->operation;
    const struct record_type *takes = operation->request ? operation->request() : kind->request();
    const struct record_type *gives = operation->result ? operation->result() : kind->result();
    void *request = arena_alloc(&work->arena, takes->size);
    void *result = arena_alloc(&work->arena, gives->size);
    err_t error = record_decode(takes, work->call->request, &work->arena, request);
    if (!error) error = operation->run(work, request, result);
    if (!error) record_encode(gives, result, &work->call->result);
    return error;
}

err_t operation_perform(struct work *work)
{
    struct store_call *call = work->call;
    bool writes = work->operation->place != READS;
    err_t error = OK;
    bool known = writes && operation_replay(work, call->stage, &call->result, &error);
    if (!error && !known) error = run(work);
    if (!error && !known && writes)
        error = operation_remember(work, call->stage, buffer_slice(&call->result));
    if (!error && work->operation->finish) error = work->operation->finish(work);
    return error;
}

static err_t perform(void *work)
{
    return operation_perform(work);
}

/* --- small writes --- */

void work_fail_with(struct work *work, err_t error)
{
    store_call_free(work->call);
    work->call->error = error;
    work->call->pending = 0;
}

static err_t run_group(struct sql_store *store, struct mail *list)
{
    err_t error = group_begin(store);
    if (error) return error;
    for (struct mail *write = list; write; write = write->next) {
        struct work *work = (struct work *)write;
        work->call->error = db_savepoint(store->writing, perform, work);
        if (!db_in_transaction(store->writing)) return work->call->error;
    }
    return db_commit(store->writing);
}

/* Where the database went away the group may be written again: nothing of it was committed, or
 * those to whom it matters know their operations. */
static bool repeatable(struct sql_store *store, struct mail *list)
{
    bool doubtful = db_doubtful(store->writing), repeatable = true;
    for (struct mail *write = list; write; write = write->next) {
        struct work *work = (struct work *)write;
        if (doubtful && !work->call->op.len) repeatable = false;
    }
    return repeatable;
}

static err_t write_group(struct sql_store *store, struct mail *list)
{
    err_t error = run_group(store, list);
    if (error) group_roll_back(store);
    if (error != ERR_STORE_UNAVAILABLE || !repeatable(store, list)) return error;
    for (struct mail *write = list; write; write = write->next)
        store_call_free(((struct work *)write)->call);
    error = run_group(store, list);
    if (error) group_roll_back(store);
    return error;
}

static void write_small(void *context, struct mail *list)
{
    struct sql_store *store = context;
    err_t error = write_group(store, list);
    while (list) {
        struct work *work = (struct work *)list;
        list = list->next;
        if (error || work->call->error) work_fail_with(work, error ? error : work->call->error);
        writer_finish(store->writer, &work->write);
    }
}

/* --- purging --- */

static err_t purge_rows(struct sql_store *store, const char *sql, uint64_t keep_ms, bool *more)
{
    uint64_t purged = 0;
    err_t error = db_value(store->writing, &purged, sql, "ii", (uint64_t)PURGE_ROWS,
                           db_now_ms(store->writing) - keep_ms);
    *more |= purged > 0;
    return error;
}

/* One document of a deleted portfolio, or the last trace of it. */
static err_t purge_portfolio(struct sql_store *store, bool *more)
{
    struct work work = {.store = store, .db = store->writing};
    uint64_t portfolio_id = 0, id = 0, first = 0, chunks = 0;
    struct rows rows =
        db_select(work.db,
                  "SELECT p.id, d.id, d.first_chunk, d.chunks FROM deleted_portfolios p"
                  " LEFT JOIN documents d ON d.portfolio_id = p.id LIMIT 1",
                  "");
    if (rows_next(&rows)) {
        portfolio_id = rows_u64(&rows, 0), id = rows_u64(&rows, 1);
        first = rows_u64(&rows, 2), chunks = rows_u64(&rows, 3);
    }
    err_t error = rows_end(&rows);
    if (error || !portfolio_id) return error;
    *more = true;
    if (!id)
        return db_run(work.db, "DELETE FROM deleted_portfolios WHERE id = ?", "i", portfolio_id);
    error = chunks_delete(&work, first, chunks);
    if (!error) error = db_run(work.db, "DELETE FROM contents WHERE document_id = ?", "i", id);
    return error ? error : db_run(work.db, "DELETE FROM documents WHERE id = ?", "i", id);
}

/* Looks without a lock first: mostly there is nothing. */
static bool purge_wanted(struct sql_store *store)
{
    uint64_t now = db_now_ms(store->writing), old = now - KEEP_MS;
    struct rows rows = db_select(store->writing,
                                 "SELECT EXISTS (SELECT 1 FROM deleted_portfolios)"
                                 " OR (SELECT at FROM operations ORDER BY id LIMIT 1) < ?1"
                                 " OR (SELECT at FROM changes ORDER BY seq LIMIT 1) < ?1"
                                 " OR (SELECT at FROM claims ORDER BY fence LIMIT 1) < ?1"
                                 " OR (SELECT at FROM answers ORDER BY id LIMIT 1) < ?2",
                                 "ii", old, now - store->options.answer_ttl_ms);
    bool wanted = rows_next(&rows) && rows_u64(&rows, 0);
    return !rows_end(&rows) && wanted;
}

static unsigned purge(void *context)
{
    struct sql_store *store = context;
    bool more = false;
    if (!purge_wanted(store)) return PURGE_LATER_MS;
    err_t error = group_begin(store);
    if (error) return PURGE_LATER_MS;
    error =
        purge_rows(store,
                   "DELETE FROM operations WHERE id <= (SELECT max(id) FROM"
                   " (SELECT id FROM operations ORDER BY id LIMIT ?) old) AND at < ? RETURNING id",
                   KEEP_MS, &more);
    if (!error)
        error = purge_rows(
            store,
            "DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM"
            " (SELECT seq FROM changes ORDER BY seq LIMIT ?) old) AND at < ? RETURNING seq",
            KEEP_MS, &more);
    if (!error)
        error = purge_rows(
            store,
            "DELETE FROM claims WHERE fence <= (SELECT max(fence) FROM"
            " (SELECT fence FROM claims ORDER BY fence LIMIT ?) old) AND at < ? RETURNING fence",
            KEEP_MS, &more);
    if (!error)
        error =
            purge_rows(store,
                       "DELETE FROM answers WHERE id <= (SELECT max(id) FROM"
                       " (SELECT id FROM answers ORDER BY id LIMIT ?) old) AND at < ? RETURNING id",
                       store->options.answer_ttl_ms, &more);
    if (!error) error = purge_portfolio(store, &more);
    error = db_end(store->writing, error);
    return error || !more ? PURGE_LATER_MS : PURGE_AGAIN_MS;
}

static void on_done(void *context, struct mail *write)
{
    (void)context;
    work_done((struct work *)write);
}

const struct writer_work sql_writer_work = {write_small, sets_write, purge, on_done};
