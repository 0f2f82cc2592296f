/* The operations of a store in tables, and how a call comes to one of them. */
#include <stdlib.h>

#include "common/clock.h"
#include "workers/retriever/sql_store.h"

#define FULL_MS 5000

/* clang-format off */
static const struct operation operations[KIND_COUNT] = {
    [KIND_INDEX]            = {WRITES, index_lease, NULL, index_request_type, index_passages},
    [KIND_INDEX_RELEASE]    = {WRITES, index_release},
    [KIND_HISTORY]          = {READS, history_read},
    [KIND_CLAIM_TAKE]       = {WRITES, claim_take, NULL, NULL, claim_finish},
    [KIND_CLAIM_RENEW]      = {WRITES, claim_renew},
    [KIND_RECORD]           = {WRITES, turn_record},
    [KIND_ANSWER_LIST]      = {READS, answer_list},
    [KIND_CONVERSATION_GET] = {READS, conversation_read},
    [KIND_AGENT_GET]        = {READS, agent_read},
    [KIND_AGENT_LIST]       = {READS, agent_list},
    [KIND_AGENT_CREATE]     = {WRITES, agent_create},
    [KIND_AGENT_UPDATE]     = {WRITES, agent_update},
    [KIND_AGENT_DELETE]     = {WRITES, agent_delete},
    [KIND_PORTFOLIO_GET]    = {READS, portfolio_read},
    [KIND_PORTFOLIO_LIST]   = {READS, portfolio_list},
    [KIND_PORTFOLIO_CREATE] = {WRITES, portfolio_create},
    [KIND_PORTFOLIO_UPDATE] = {WRITES, portfolio_update},
    [KIND_PORTFOLIO_REEMBED] = {WRITES, portfolio_reembed},
    [KIND_AGENT_INVALIDATE] = {WRITES, agent_invalidate},
    [KIND_PORTFOLIO_INVALIDATE] = {WRITES, portfolio_invalidate},
    [KIND_PORTFOLIO_DELETE] = {WRITES, portfolio_delete},
    [KIND_DOCUMENT_GET]     = {READS, document_read},
    [KIND_DOCUMENT_LIST]    = {READS, document_list},
    [KIND_DOCUMENT_PUT]     = {IN_BULK},
    [KIND_DOCUMENT_UPDATE]  = {IN_BULK},
    [KIND_DOCUMENT_DELETE]  = {WRITES, document_delete},
};
static const struct operation index_last_stage = {WRITES, index_store, index_request_type};
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
                  "siiiii", kind, id, version, first_chunk, last_chunk, db_now_ms(work->db));
}

/* --- calls --- */

static const struct operation *operation_of(const struct store_call *call)
{
    const struct operation *operation = &operations[call->kind];
    if (call->kind == KIND_INDEX && call->stage) return &index_last_stage;
    return operation->run || operation->place == IN_BULK ? operation : NULL;
}

/* --- what keeps the store from its work --- */

static const char no_room[] = "writes find no room, or are not allowed; make some on the disk of "
                              "the database. The log says where";

static void tell_trouble(const struct sql_store *store)
{
    const struct store_listener *listener = store->options.listener;
    err_t error = store->unusable ? store->unusable : store->full ? ERR_STORE_FULL : OK;
    const char *why = store->unusable ? store->why : store->full ? no_room : "";
    if (listener && listener->on_trouble)
        listener->on_trouble(store->options.listener_context, error, why);
}

void sql_usable(struct sql_store *store, err_t unusable, const char *why)
{
    free(store->why);
    store->unusable = unusable;
    store->why = unusable ? xstrdup(why) : NULL;
    tell_trouble(store);
}

/* Where one write finds no room a smaller one may: it takes a while until one that succeeds says
 * that there is some again. One that failed for another reason says nothing of it. */
static void note_room(struct sql_store *store, const struct work *work)
{
    err_t error = work->call->error;
    bool full = error == ERR_STORE_FULL;
    if (!work->operation || work->operation->place == READS || (error && !full)) return;
    if (full) store->full_at_ms = clock_ms();
    if (full == store->full || (!full && clock_ms() - store->full_at_ms < FULL_MS)) return;
    store->full = full;
    tell_trouble(store);
}

/* --- ends --- */

void work_done(struct work *work)
{
    struct store_call *call = work->call;
    struct sql_store *store = work->store;
    uint64_t pending = call->error ? 0 : call->pending;
    const struct store_listener *listener = store->options.listener;
    note_room(store, work);
    arena_free(&work->arena);
    free(work);
    call->work = NULL;
    call->done(call);
    if (pending && listener) listener->on_pending(store->options.listener_context, pending);
}

void operation_read(struct work *work)
{
    work->call->error = operation_perform(work);
    if (work->call->error) store_call_free(work->call);
}

static struct work *work_new(struct sql_store *store, struct store_call *call)
{
    struct work *work = call->work = xcalloc(1, sizeof(*work));
    work->store = store;
    work->db = store->writing;
    work->options = &store->options;
    work->call = call;
    work->operation = operation_of(call);
    return work;
}

void sql_call(struct store *base, struct store_call *call)
{
    struct sql_store *store = (struct sql_store *)base;
    struct work *work = work_new(store, call);
    call->error = work->operation ? store->available(store) : ERR_UNKNOWN_KIND;
    if (call->error)
        work_done(work);
    else if (work->operation->place == READS)
        store->read(store, work);
    else
        writer_push(store->writer, &work->write, work->operation->place == IN_BULK);
}
