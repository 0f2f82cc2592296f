/* What the files of the SQLite backend share.
 *
 *     store_sqlite.c          open, migrate, the table of operations
 *     sqlite_group.c          the helper's side: groups, bulk pieces, results remembered, purging
 *     sqlite_agents.c  sqlite_portfolios.c  sqlite_documents.c  sqlite_conversations.c
 *     sqlite_claims.c  sqlite_index.c
 *                             the operations themselves
 *     sqlite_embedders.c      the embedders of a portfolio, and changing them
 *     sqlite_refresh.c        portfolios into memory
 *     sqlite_passages.c       texts of hits
 *     sqlite_watch.c          what other processes changed */
#ifndef MILLRACE_RETRIEVER_SQLITE_STORE_H
#define MILLRACE_RETRIEVER_SQLITE_STORE_H

#include "workers/retriever/ingest.h"
#include "workers/retriever/passage_cache.h"
#include "workers/retriever/sqlite_db.h"
#include "workers/retriever/store_backend.h"
#include "workers/retriever/writer.h"

struct operation;

/* One call at work, on the loop or on the helper. */
struct work {
    struct write write; /* first: the writer's handle on it */
    struct sqlite_store *store;
    struct db *db; /* of the thread that it runs on */
    const struct store_options *options;
    const struct operation *operation;
    struct store_call *call;
    struct arena arena;  /* as long as the call */
    struct batch *batch; /* of documents: what document.put and document.update are doing */
};

/* Reads or writes; `request` and `result` (zeroed) are the records that the table names. A write
 * runs inside a transaction that is undone when it fails. */
typedef err_t operation_run(struct work *work, const void *request, void *result);

enum operation_place {
    ON_LOOP,   /* reads */
    ON_HELPER, /* short writes, committed in groups */
    IN_BULK,   /* documents, a piece at a time between the groups */
};

struct operation {
    enum operation_place place;
    operation_run *run;
    const struct record_type *(*request)(void), *(*result)(void); /* NULL: the kind's */
    err_t (*finish)(struct work *work); /* adds what is not remembered with a result; may be NULL */
};

struct sqlite_store {
    struct store base; /* first */
    struct event_base *loop;
    struct store_options options;
    const char *path;
    uint64_t device, inode; /* of the file that is open */
    bool gone;              /* that file is no longer at `path` */
    struct db reading;      /* the loop's */
    struct db writing;      /* the helper's */
    struct writer *writer;
    struct work *bulk;     /* the helper's: whose documents are being stored */
    uint64_t writing_mark; /* the helper's: commits of others that it has seen */
    uint64_t polite_until_ms;
    struct loader *loaders; /* idle ones first */
    struct passage_cache *passages;
    struct event *watch;
    uint64_t watch_mark, watch_seq, watch_turn;
};

/* --- operations --- */
operation_run agent_read, agent_list, agent_create, agent_update, agent_delete;
operation_run portfolio_read, portfolio_list, portfolio_create, portfolio_update, portfolio_delete;
operation_run portfolio_reembed;
operation_run agent_invalidate;
operation_run portfolio_invalidate;
operation_run document_read, document_list, document_delete;
operation_run history_read, conversation_read, turn_record;
operation_run claim_take, claim_renew;
operation_run index_lease, index_store, index_release;
err_t claim_finish(struct work *work);   /* adds history or answer to a claim */
err_t index_passages(struct work *work); /* finishes a lease */

/* --- what operations share --- */

/* Returns `error`, having left `message` for people. */
err_t work_fail(struct work *work, err_t error, const char *message) MUST_USE;
/* The tenant of a request; "default" where it names none. */
struct slice tenant_of(struct slice tenant);
/* How many of a list to answer, 1..1000. */
uint64_t page_limit(uint64_t limit);
/* The result remembered of this operation's part, appended to `out`; false if there is none. */
bool operation_replay(struct work *work, uint64_t part, struct buffer *out, err_t *error);
err_t operation_remember(struct work *work, uint64_t part, struct slice result) MUST_USE;
/* Writes down that something has a new version and which chunks it touched (0, 0: none). */
err_t change_log(struct work *work, const char *kind, uint64_t id, uint64_t version,
                 uint64_t first_chunk, uint64_t last_chunk) MUST_USE;
/* OK if the tenant has that conversation, whose head is then told unless `found` is NULL. */
err_t conversation_check(struct work *work, struct slice tenant, uint64_t id,
                         struct conversation *found) MUST_USE;
/* What a follow-up question sees, without the turn that its answer will replace (0: none). */
err_t history_fill(struct work *work, uint64_t conversation_id, uint64_t replaced,
                   struct history *history) MUST_USE;
/* A turn as it was recorded, under its fence 0. ERR_CONVERSATION_NOT_FOUND if it is gone. */
err_t turn_load(struct work *work, uint64_t id, struct turn *turn) MUST_USE;
/* ERR_CLAIM_LOST unless that claim is still held. *turn_id is the turn of an earlier try that did
 * not complete, 0 if there is none. */
err_t claim_check(struct work *work, uint64_t fence, uint64_t *turn_id) MUST_USE;
/* Frees a claim whose turn has been recorded. */
err_t claim_settle(struct work *work, uint64_t fence, uint64_t turn_id) MUST_USE;
/* OK if the tenant has that portfolio. */
err_t portfolio_check(struct work *work, struct slice tenant, uint64_t id) MUST_USE;
/* Gives a portfolio its next version, which it leaves in the call, and changes its counts. Every
 * call is followed by at least one change_log. */
err_t portfolio_bump(struct work *work, uint64_t id, int64_t documents, int64_t chunks) MUST_USE;
/* Deletes a document's chunks and what hangs on them, but not itself. */
err_t chunks_delete(struct work *work, uint64_t first, uint64_t count) MUST_USE;

/* --- a portfolio's embedders --- */

enum { SIDES = 2 };

struct embedders {
    uint64_t portfolio_id; /* 0: it is gone */
    struct slice tenant;
    uint64_t side;             /* of the one that answers */
    struct slice names[SIDES]; /* by side; empty: none */
};

/* Where a chunk's vector of that side is, or waits for. */
static inline uint64_t slot_of(uint64_t chunk_id, uint64_t side)
{
    return SIDES * chunk_id + side;
}
err_t embedders_read(struct work *work, uint64_t portfolio_id,
                     struct embedders *embedders) MUST_USE;
/* The side of the embedder of that name; SIDES if it is neither. */
uint64_t embedders_side(const struct embedders *embedders, struct slice name);
/* From now on vectors of that embedder are made, which answers once all are there. The one that
 * answers already: a rebuild under way ends, and documents that have failed are tried again. */
err_t rebuild_want(struct work *work, uint64_t portfolio_id, struct slice embedder) MUST_USE;
/* Lets the next embedder answer if no chunk waits for it. To be called wherever the last one may
 * have ceased to. */
err_t rebuild_settle(struct work *work, uint64_t portfolio_id) MUST_USE;
/* An embedder has failed: until *retry_ms have passed nothing is leased for it. */
err_t trouble_note(struct work *work, uint64_t portfolio_id, uint64_t side, struct slice code,
                   uint64_t *retry_ms) MUST_USE;
err_t trouble_clear(struct work *work, uint64_t portfolio_id, uint64_t side) MUST_USE;
err_t trouble_holds(struct work *work, uint64_t portfolio_id, uint64_t side, bool *holds) MUST_USE;

/* --- documents, in pieces (IN_BULK) --- */

/* One document of a call on its way into the store. */
struct unit {
    struct work *work;
    size_t index; /* in the request */
    struct document given;
    uint8_t hash[SHA256_BYTES]; /* of what was given */
    struct ready_document ready;
    bool prepared;  /* `ready` holds something */
    bool unchanged; /* it is in the store already */
    bool settled;   /* nothing left to do: failed, or answered from before */
};

err_t batch_open(struct work *work) MUST_USE;
/* The call's next document; false when none is left to begin. */
bool batch_next(struct work *work, struct unit *unit);
/* Outside of a transaction: parses, cuts, counts terms. */
void unit_prepare(struct unit *unit);
/* Inside one: stores. What fails is to be undone by the caller; then unit_fail. */
err_t unit_store(struct unit *unit) MUST_USE;
void unit_fail(struct unit *unit, err_t error);
void unit_free(struct unit *unit);
/* True when nothing of the call is under way or left: the result is then encoded, or the error set.
 */
bool batch_close(struct work *work);

/* --- the helper's side --- */
extern const struct writer_work sqlite_writer_work;
/* Runs one operation on `work->db`: decode, run, encode into the call. */
err_t operation_perform(struct work *work) MUST_USE;
/* Ends a call on the loop: frees the work, tells the caller. */
void work_done(struct work *work);

/* --- refresh, passages, watch --- */
void sqlite_refresh(struct store *store, struct store_refresh *refresh);
void sqlite_refresh_close(struct sqlite_store *store);
void sqlite_passages(struct store *store, struct store_passages *passages);
err_t sqlite_watch_open(struct sqlite_store *store) MUST_USE;
void sqlite_watch_close(struct sqlite_store *store);

/* --- sealed keys --- */
err_t agents_reseal(struct db *db, const struct store_resealer *resealer,
                    uint64_t *agents) MUST_USE;

/* --- the schema --- */
/* Brings it to this program's version; *to is set also where a newer one is refused. */
err_t sqlite_migrate(struct db *db, unsigned *from, unsigned *to) MUST_USE;

#endif
