/* Documents on the helper, a set at a time: what is committed together, so that a crash leaves all
 * of it or none.
 *
 *     gather ─▶ BEGIN ─▶ a call ─▶ ... ─▶ COMMIT
 *     no transaction;     └ SAVEPOINT  document, document, ...  RELEASE, or ROLLBACK TO
 *     turns go between                 └ SAVEPOINT ... each, so that one at fault is left out
 *
 * A set is a call's documents; one that is larger than a set goes in several, in its order, and a
 * document is never cut. Small calls share a set, and its commit. The bounds are there for the
 * turns: theirs wait for a set's commit. */
#include "workers/retriever/sql_store.h"

#define SET_DOCUMENTS 64
#define SET_BYTES     (512 * 1024) /* of what was given */
#define SHARED_BYTES  (128 * 1024) /* of calls together */

struct set {
    struct unit units[SET_DOCUMENTS];
    size_t count, bytes;
};

/* Documents of one call, beside each other in the set. */
struct share {
    struct db *db;
    struct unit *units;
    size_t count;
};

static void finish(struct work *work)
{
    if (work->call->error) work_fail_with(work, work->call->error);
    writer_finish(work->store->writer, &work->write);
}

/* --- gathering --- */

/* The call whose documents are next; NULL when none waits. */
static struct work *next_call(struct sql_store *store)
{
    while (!store->bulk) {
        struct work *work = (struct work *)writer_next_bulk(store->writer);
        if (!work) return NULL;
        work->call->error = batch_open(work);
        if (work->call->error)
            finish(work);
        else
            store->bulk = work;
    }
    return store->bulk;
}

static bool in_set(const struct set *set, const struct work *work)
{
    return set->count && set->units[set->count - 1].work == work;
}

/* Whether the call's next document goes into this set: because it is the first, or the call has
 * begun here and there is room for one more, or all that is left of the call shares the set with
 * others. */
static bool fits(const struct set *set, const struct work *work)
{
    struct batch_rest rest = batch_rest(work);
    if (!set->count || !rest.documents) return true;
    if (in_set(set, work)) return set->bytes + rest.next_bytes <= SET_BYTES;
    return set->count + rest.documents <= SET_DOCUMENTS && set->bytes + rest.bytes <= SHARED_BYTES;
}

/* The next document, of whatever call. A call that has none left goes out of sight: it is closed
 * here, or with the set. */
static bool next_unit(struct sql_store *store, const struct set *set, struct unit *unit)
{
    struct work *work;
    while ((work = next_call(store)) && fits(set, work)) {
        if (batch_next(work, unit)) return true;
        store->bulk = NULL;
        if (!in_set(set, work) && batch_close(work)) finish(work);
    }
    return false;
}

/* Takes documents until the set is full, and prepares them. */
static void gather(struct sql_store *store, struct set *set)
{
    while (set->count < SET_DOCUMENTS && next_unit(store, set, &set->units[set->count])) {
        struct unit *unit = &set->units[set->count++];
        set->bytes += unit->given.content.len;
        unit_prepare(unit);
        writer_serve_small(store->writer);
    }
}

/* --- storing --- */

static struct share share_at(struct sql_store *store, struct set *set, size_t first)
{
    struct share share = {store->writing, &set->units[first], 1};
    while (first + share.count < set->count && share.units[share.count].work == share.units->work)
        share.count++;
    return share;
}

static err_t store_unit(void *unit)
{
    return unit_store(unit);
}

/* An error that is not a document's own is the call's: nothing of the share stays. */
static err_t store_share(void *context)
{
    const struct share *share = context;
    err_t error = batch_begin(share->units->work, share->units->index);
    for (size_t i = 0; !error && i < share->count; i++) {
        struct unit *unit = &share->units[i];
        err_t failed = unit->settled ? OK : db_savepoint(share->db, store_unit, unit);
        if (failed) error = db_in_transaction(share->db) ? unit_fail(unit, failed) : failed;
    }
    return error;
}

static void fail_share(const struct share *share, err_t error)
{
    for (size_t i = 0; i < share->count; i++) (void)unit_fail(&share->units[i], error);
}

static bool all_settled(const struct set *set)
{
    size_t i = 0;
    while (i < set->count && set->units[i].settled) i++;
    return i == set->count;
}

static err_t store_set(struct sql_store *store, struct set *set)
{
    err_t error = all_settled(set) ? OK : group_begin(store);
    if (error || !db_in_transaction(store->writing)) return error;
    for (size_t at = 0; at < set->count;) {
        struct share share = share_at(store, set, at);
        error = db_savepoint(store->writing, store_share, &share);
        if (!db_in_transaction(store->writing)) return error;
        if (error) fail_share(&share, error);
        at += share.count;
    }
    return db_commit(store->writing);
}

/* As with groups of small writes: nothing of the set was committed, or all of its calls know what
 * they have stored. */
static bool repeatable(const struct sql_store *store, const struct set *set)
{
    bool repeatable = true;
    for (size_t i = 0; i < set->count; i++) repeatable &= set->units[i].work->call->op.len > 0;
    return repeatable || !db_doubtful(store->writing);
}

/* Where the database went away the set is written again, once. */
static err_t write_set(struct sql_store *store, struct set *set)
{
    err_t error = store_set(store, set);
    if (error) group_roll_back(store);
    if (error != ERR_STORE_UNAVAILABLE || !repeatable(store, set)) return error;
    for (size_t i = 0; i < set->count; i++) unit_again(&set->units[i]);
    error = store_set(store, set);
    if (error) group_roll_back(store);
    return error;
}

/* The last set of a call ends it. */
static void end_share(struct sql_store *store, const struct share *share, err_t error)
{
    struct work *work = share->units->work;
    if (error) fail_share(share, error);
    for (size_t i = 0; i < share->count; i++) unit_free(&share->units[i]);
    if (work != store->bulk && batch_close(work)) finish(work);
}

bool sets_write(void *context)
{
    struct sql_store *store = context;
    struct set set;
    set.count = set.bytes = 0;
    gather(store, &set);
    err_t error = write_set(store, &set);
    for (size_t at = 0; at < set.count;) {
        struct share share = share_at(store, &set, at);
        end_share(store, &share, error);
        at += share.count;
    }
    return store->bulk;
}
