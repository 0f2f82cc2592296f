/* The store in tables, whichever database has them: the operations, written once over db.h.
 *
 *     sql_store.c             the table of operations, calls
 *     sql_group.c             the helper's side: groups, results remembered, purging
 *     sql_sets.c              the helper's side: documents, a set at a time
 *     sql_agents.c  sql_portfolios.c  sql_documents.c  sql_batch.c  sql_conversations.c
 *     sql_claims.c  sql_index.c  sql_answers.c
 *                             the operations themselves
 *     sql_embedders.c         the embedders of a portfolio, and changing them
 *     sql_refresh.c           portfolios into memory: what to read
 *     sql_passages.c          texts of hits
 *     sql_watch.c             what other processes changed
 *
 * A backend (store_sqlite.c, store_postgres.c) opens the connections, and says on which thread is
 * read. */
#ifndef MILLRACE_RETRIEVER_SQL_STORE_H
#define MILLRACE_RETRIEVER_SQL_STORE_H

#include "workers/retriever/db.h"
#include "workers/retriever/ingest.h"
#include "workers/retriever/passage_cache.h"
#include "workers/retriever/store_backend.h"
#include "workers/retriever/writer.h"

struct operation;

/* One call at work, on the loop or on the helper. */
struct work {
    struct mail write; /* first: the writer's handle on it */
    struct sql_store *store;
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
    READS,
    WRITES,  /* short, on the helper, committed in groups */
    IN_BULK, /* documents: on the helper, a set at a time between the groups */
};

struct operation {
    enum operation_place place;
    operation_run *run;
    const struct record_type *(*request)(void), *(*result)(void); /* NULL: the kind's */
    err_t (*finish)(struct work *work); /* adds what is not remembered with a result; may be NULL */
};

/* A backend's own struct starts with this. The helper thread reads what the loop has set up. */
struct sql_store {
    struct store base; /* first */
    struct event_base *loop;
    struct store_options options;
    struct passage_cache *passages;
    struct db *writing; /* the helper's */
    struct writer *writer;
    struct work *bulk; /* the helper's: whose documents are being stored */

    /* The loop's: what the listener was told of. */
    err_t unusable; /* OK: it can be used */
    char *why;      /* it is not; NULL where it can */
    bool full;      /* a write found no room of late */
    uint64_t full_at_ms;

    /* The backend's: */
    err_t (*available)(struct sql_store *store);              /* on both threads */
    void (*read)(struct sql_store *store, struct work *work); /* operation_read, then work_done */
    err_t (*before_write)(struct sql_store *store); /* on the helper, before a transaction */
};

/* --- operations --- */
operation_run agent_read, agent_list, agent_create, agent_update, agent_delete;
operation_run portfolio_read, portfolio_list, portfolio_create, portfolio_update, portfolio_delete;
operation_run portfolio_reembed;
operation_run agent_invalidate;
operation_run portfolio_invalidate;
operation_run document_read, document_list, document_delete;
operation_run history_read, conversation_read, turn_record;
operation_run answer_list;
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
/* Keeps a turn's answer for later questions, if it was whole, and made from what is still newest.
 */
err_t answer_keep(struct work *work, const struct turn *turn) MUST_USE;
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

/* --- documents, in sets (IN_BULK) --- */

/* One document of a call on its way into the store. */
struct unit {
    struct work *work;
    size_t index; /* in the request */
    struct document given;
    uint8_t hash[SHA256_BYTES]; /* of what was given */
    struct ready_document ready;
    bool prepared;  /* `ready` holds something */
    bool unchanged; /* it is in the store already */
    bool settled;   /* nothing left to do: failed, answered from before, or stored */
    bool stored;    /* by unit_store, in a transaction that may yet fail */
};

err_t batch_open(struct work *work) MUST_USE;
/* What is left of the call to begin, before documents are prepared. */
struct batch_rest {
    size_t documents, bytes; /* of what was given */
    size_t next_bytes;       /* of the next one */
};
struct batch_rest batch_rest(const struct work *work);
/* The call's next document; false when none is left to begin. */
bool batch_next(struct work *work, struct unit *unit);
/* Outside of a transaction: parses, cuts, counts terms. */
void unit_prepare(struct unit *unit);
/* Inside one, before the call's documents from `first` on are stored in it: looks at what somebody
 * else may have changed since. */
err_t batch_begin(struct work *work, size_t first) MUST_USE;
/* Stores. What fails is to be undone by the caller; then unit_fail. */
err_t unit_store(struct unit *unit) MUST_USE;
/* Returns the call's error; OK where the error is the document's own, and told in its place. May
 * come after unit_store, when the commit failed. */
err_t unit_fail(struct unit *unit, err_t error);
/* As before unit_store, whose transaction is to be tried again. */
void unit_again(struct unit *unit);
void unit_free(struct unit *unit);
/* True when nothing of the call is under way or left: the result is then encoded, or the error set.
 */
bool batch_close(struct work *work);

/* --- the helper's side --- */
extern const struct writer_work sql_writer_work;
/* The helper's transaction. */
err_t group_begin(struct sql_store *store) MUST_USE;
void group_roll_back(struct sql_store *store);
/* Leaves nothing in the call but its error. */
void work_fail_with(struct work *work, err_t error);
/* Prepares and commits the next set of documents; true while more of the same call waits. */
bool sets_write(void *store);
/* Runs one operation on `work->db`: decode, run, encode into the call. */
err_t operation_perform(struct work *work) MUST_USE;
/* Ends a call on the loop: frees the work, tells the caller. */
void work_done(struct work *work);

/* On the loop: whether the database can be used, and why not. Tells the listener. */
void sql_usable(struct sql_store *store, err_t unusable, const char *why);

/* --- calls --- */
void sql_call(struct store *store, struct store_call *call);
/* Runs an operation that reads, on `work->db`; the error is the call's. Any thread. */
void operation_read(struct work *work);

/* --- passages --- */

/* What one call of store_passages has found so far. */
struct passage_set {
    struct store_passages *wanted;
    struct passage *passages; /* one for each hit */
    enum { UNREAD, REMEMBERED, READ, GONE } * states;
};

/* On the loop: what is remembered. True when nothing is left to read. */
bool passages_recall(struct passage_cache *cache, struct passage_set *set) MUST_USE;
/* On the connection's thread: the rest, into `arena`. */
err_t passages_read(struct db *db, struct passage_set *set, struct arena *arena) MUST_USE;
/* On the loop: remembers what was read, and tells the caller. */
void passages_finish(struct passage_cache *cache, struct passage_set *set, err_t error);

/* --- refresh --- */

struct chunk_range {
    uint64_t first, last;
};

/* What has changed in a portfolio since it was brought into memory. */
struct refresh_plan {
    uint64_t version, side, chunks;       /* now; side: of the embedder that answers */
    const struct embedder_info *embedder; /* that one; NULL: this program doesn't know it */
    bool changed;                         /* there is something to tell */
    bool whole;                           /* everything is to be read; else the ranges */
    struct chunk_range *ranges;
    size_t count, capacity;
};

/* Reads it, in a snapshot. Reuses the plan's memory. */
err_t refresh_plan_read(struct db *db, const struct store_refresh *refresh,
                        struct refresh_plan *plan) MUST_USE;
void refresh_plan_free(struct refresh_plan *plan);
/* The `at`th part of what the plan says is to be read, of refresh_parts. */
size_t refresh_parts(const struct refresh_plan *plan);
struct rows refresh_select(struct db *db, const struct store_refresh *refresh,
                           const struct refresh_plan *plan, size_t at);

/* Tells a sink what the rows of a plan's parts say, a row at a time. Zeroed at first. */
struct refresh_feed {
    const struct refresh_plan *plan;
    struct store_refresh *refresh;
    uint64_t next_id; /* of the range under way: the first id not dealt with yet */
    float *vector;
};

/* Starts: the sink's `begin`. */
void refresh_feed_begin(struct refresh_feed *feed, const struct refresh_plan *plan,
                        struct store_refresh *refresh);
void refresh_feed_part(struct refresh_feed *feed, size_t at); /* before a part's rows */
void refresh_feed_row(struct refresh_feed *feed, const struct rows *rows);
void refresh_feed_part_end(struct refresh_feed *feed, size_t at);
void refresh_feed_free(struct refresh_feed *feed);

/* --- watch --- */

struct announcement {
    const char *kind; /* "pending" too */
    uint64_t id, version;
};

/* Versions that are newer than *seq, which is moved on, or only that where `tell` is NULL. */
err_t watch_versions(struct db *db, uint64_t *seq,
                     void (*tell)(void *context, const struct announcement *announcement),
                     void *context) MUST_USE;
err_t watch_pending(struct db *db,
                    void (*tell)(void *context, const struct announcement *announcement),
                    void *context) MUST_USE;

/* --- sealed keys --- */
err_t agents_reseal(struct db *db, const struct store_resealer *resealer,
                    uint64_t *agents) MUST_USE;

#endif
