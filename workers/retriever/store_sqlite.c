/* The store in one SQLite file that several retrievers share (WAL: readers never wait, writers wait
 * for each other on their helper threads). Which operation runs where stands in the table below. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/retriever/sqlite_store.h"

#define PASSAGE_BYTES_MAX (8 << 20) /* remembered texts */

/* clang-format off */
static const struct operation operations[KIND_COUNT] = {
    [KIND_INDEX]            = {ON_HELPER, index_lease, NULL, index_request_type, index_passages},
    [KIND_INDEX_RELEASE]    = {ON_HELPER, index_release},
    [KIND_HISTORY]          = {ON_LOOP,   history_read},
    [KIND_CLAIM_TAKE]       = {ON_HELPER, claim_take, NULL, NULL, claim_finish},
    [KIND_CLAIM_RENEW]      = {ON_HELPER, claim_renew},
    [KIND_RECORD]           = {ON_HELPER, turn_record},
    [KIND_CONVERSATION_GET] = {ON_LOOP,   conversation_read},
    [KIND_AGENT_GET]        = {ON_LOOP,   agent_read},
    [KIND_AGENT_LIST]       = {ON_LOOP,   agent_list},
    [KIND_AGENT_CREATE]     = {ON_HELPER, agent_create},
    [KIND_AGENT_UPDATE]     = {ON_HELPER, agent_update},
    [KIND_AGENT_DELETE]     = {ON_HELPER, agent_delete},
    [KIND_PORTFOLIO_GET]    = {ON_LOOP,   portfolio_read},
    [KIND_PORTFOLIO_LIST]   = {ON_LOOP,   portfolio_list},
    [KIND_PORTFOLIO_CREATE] = {ON_HELPER, portfolio_create},
    [KIND_PORTFOLIO_UPDATE] = {ON_HELPER, portfolio_update},
    [KIND_PORTFOLIO_REEMBED] = {ON_HELPER, portfolio_reembed},
    [KIND_AGENT_INVALIDATE] = {ON_HELPER, agent_invalidate},
    [KIND_PORTFOLIO_INVALIDATE] = {ON_HELPER, portfolio_invalidate},
    [KIND_PORTFOLIO_DELETE] = {ON_HELPER, portfolio_delete},
    [KIND_DOCUMENT_GET]     = {ON_LOOP,   document_read},
    [KIND_DOCUMENT_LIST]    = {ON_LOOP,   document_list},
    [KIND_DOCUMENT_PUT]     = {IN_BULK},
    [KIND_DOCUMENT_UPDATE]  = {IN_BULK},
    [KIND_DOCUMENT_DELETE]  = {ON_HELPER, document_delete},
};
static const struct operation index_last_stage = {ON_HELPER, index_store, index_request_type};
/* clang-format on */

/* --- what operations share --- */

err_t work_fail(struct work *work, err_t error, const char *message)
{
    work->call->message = message;
    return error;
}

struct slice tenant_of(struct slice tenant)
{
    return tenant.len ? tenant : SLICE("default");
}

uint64_t page_limit(uint64_t limit)
{
    return limit ? MIN(limit, 1000) : 100;
}

err_t change_log(struct work *work, const char *kind, uint64_t id, uint64_t version,
                 uint64_t first_chunk, uint64_t last_chunk)
{
    return db_run(work->db,
                  "INSERT INTO changes (kind, object_id, version, first_chunk, last_chunk, at)"
                  " VALUES (?, ?, ?, ?, ?, ?)",
                  "siiiii", kind, id, version, first_chunk, last_chunk, (uint64_t)clock_wall_ms());
}

/* --- calls --- */

static const struct operation *operation_of(const struct store_call *call)
{
    const struct operation *operation = &operations[call->kind];
    if (call->kind == KIND_INDEX && call->stage) return &index_last_stage;
    return operation->run || operation->place == IN_BULK ? operation : NULL;
}

void work_done(struct work *work)
{
    struct store_call *call = work->call;
    struct sqlite_store *store = work->store;
    uint64_t pending = call->error ? 0 : call->pending;
    const struct store_listener *listener = store->options.listener;
    arena_free(&work->arena);
    free(work);
    call->work = NULL;
    call->done(call);
    if (pending && listener) listener->on_pending(store->options.listener_context, pending);
}

static err_t read_now(struct work *work)
{
    work->db = &work->store->reading;
    err_t error = operation_perform(work);
    if (error) store_call_free(work->call);
    return error;
}

static void sqlite_call(struct store *base, struct store_call *call)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct work *work = call->work = xcalloc(1, sizeof(*work));
    work->store = store;
    work->db = &store->writing;
    work->options = &store->options;
    work->call = call;
    work->operation = operation_of(call);
    bool queued = false;
    if (!work->operation)
        call->error = ERR_UNKNOWN_KIND;
    else if (store->gone)
        call->error = ERR_STORE_UNAVAILABLE;
    else if (work->operation->place == ON_LOOP)
        call->error = read_now(work);
    else
        queued = true;
    if (queued)
        writer_push(store->writer, &work->write, work->operation->place == IN_BULK);
    else
        work_done(work);
}

/* --- open, migrate, close --- */

/* The folders above the file. */
static void make_folders(const char *path)
{
    char *copy = xstrdup(path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0777) && errno != EEXIST)
            log_error("cannot make the folder %s: %s", copy, strerror(errno));
        *slash = '/';
    }
    free(copy);
}

/* The connection that writes, at this program's schema. */
static err_t open_current(const char *path, struct db *db, unsigned *from, unsigned *to)
{
    make_folders(path);
    err_t error = db_open(db, path, DB_WRITES);
    if (!error) {
        error = sqlite_migrate(db, from, to);
        if (error) db_close(db);
    }
    if (error) log_error("the store at %s cannot be used: %s", path, error_text(error));
    return error;
}

static err_t sqlite_store_migrate(const char *path, unsigned *from, unsigned *to)
{
    struct db db;
    unsigned was = 0, is = 0;
    err_t error = open_current(path, &db, &was, &is);
    if (error) return error;
    db_close(&db);
    *from = was;
    *to = is;
    return OK;
}

static err_t sqlite_reseal(const char *path, const struct store_resealer *resealer,
                           uint64_t *agents)
{
    struct db db;
    unsigned from, to;
    err_t error = open_current(path, &db, &from, &to);
    if (error) return error;
    error = agents_reseal(&db, resealer, agents);
    db_close(&db);
    return error;
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    writer_destroy(&store->writer);
    sqlite_watch_close(store);
    sqlite_refresh_close(store);
    passage_cache_destroy(&store->passages);
    db_close(&store->reading);
    db_close(&store->writing);
    free(store);
}

static err_t sqlite_open(struct event_base *base, const struct store_options *options,
                         const char *path, struct store **out)
{
    struct sqlite_store *store = xcalloc(1, sizeof(*store));
    unsigned from, to;
    store->base.backend = &store_sqlite;
    store->loop = base;
    store->options = *options;
    store->path = path;
    store->passages = passage_cache_new(PASSAGE_BYTES_MAX);
    err_t error = open_current(path, &store->writing, &from, &to);
    if (!error) error = db_open(&store->reading, path, DB_READS);
    if (!error) error = sqlite_watch_open(store);
    if (error) {
        sqlite_close(&store->base);
        return error;
    }
    store->writer = writer_new(base, &sqlite_writer_work, store);
    writer_start(store->writer);
    *out = &store->base;
    return OK;
}

const struct store_backend store_sqlite = {
    .scheme = "sqlite:",
    .open = sqlite_open,
    .close = sqlite_close,
    .migrate = sqlite_store_migrate,
    .reseal = sqlite_reseal,
    .call = sqlite_call,
    .refresh = sqlite_refresh,
    .passages = sqlite_passages,
};
