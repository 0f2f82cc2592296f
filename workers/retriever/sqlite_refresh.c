/* Portfolios into memory. A refresh that finds nothing new is two cheap reads; one that does gets a
 * loader: a connection of its own that holds one snapshot, read in steps of a millisecond or two so
 * that the loop keeps serving.
 *
 *     nothing committed since `mark` ─▶ end          the version as it was
 *     same version                   ─▶ end
 *     every version since is logged  ─▶ the chunks that those versions touched
 *     else                           ─▶ the whole portfolio */
#include <stdlib.h>

#include "common/clock.h"
#include "common/language.h"
#include "workers/embedder/embedder.h"
#include "workers/retriever/sqlite_store.h"

#define STEP_US     2000
#define STEP_CHUNKS 16 /* between two looks at the clock */

struct range {
    uint64_t first, last;
};

struct loader {
    struct loader *next;
    struct sqlite_store *store;
    struct db db;
    struct event *turn;
    struct store_refresh *refresh; /* NULL: idle */
    uint64_t version, side;        /* of the snapshot; of the embedder that answers */
    bool whole;
    struct range *ranges; /* what changed; without `whole` */
    size_t count, capacity, at;
    uint64_t next_id; /* of the range under way: the first id not dealt with yet */
    struct rows rows; /* the statement under way */
    bool reading;
    float *vector;
    size_t dimensions;
};

#define CHUNK_COLUMNS \
    "SELECT c.id, c.document_id, c.position, c.start, c.end, c.language, c.terms, v.vector"

/* --- one chunk --- */

static const char *language_of(struct slice code)
{
    const struct language *language = language_find(code);
    return language ? language_code(language) : "en";
}

/* The row's vector, or NULL where it has none. */
static const float *unpack_vector(struct loader *loader, struct slice packed)
{
    float scale;
    if (!packed.len || packed.len != sizeof(scale) + loader->dimensions) return NULL;
    memcpy(&scale, packed.ptr, sizeof(scale));
    for (size_t i = 0; i < loader->dimensions; i++)
        loader->vector[i] = scale * (float)(int8_t)packed.ptr[sizeof(scale) + i];
    return loader->vector;
}

static void put_chunk(struct loader *loader)
{
    const struct rows *rows = &loader->rows;
    struct resident_chunk chunk = {
        .id = rows_u64(rows, 0),
        .document_id = rows_u64(rows, 1),
        .position = (uint32_t)rows_u64(rows, 2),
        .start = rows_u64(rows, 3),
        .end = rows_u64(rows, 4),
        .language = language_of(rows_text(rows, 5)),
        .terms = rows_blob(rows, 6),
        .vector = unpack_vector(loader, rows_blob(rows, 7)),
    };
    loader->refresh->sink->put(loader->refresh->context, &chunk);
}

/* --- reading in steps --- */

static struct rows select_whole(struct loader *loader)
{
    return db_select(&loader->db,
                     CHUNK_COLUMNS " FROM documents d JOIN chunks c ON c.id BETWEEN d.first_chunk"
                                   " AND d.first_chunk + d.chunks - 1"
                                   " LEFT JOIN vectors v ON v.slot = 2 * c.id + ?"
                                   " WHERE d.portfolio_id = ? ORDER BY d.id, c.id",
                     "ii", loader->side, loader->refresh->portfolio_id);
}

static struct rows select_range(struct loader *loader, const struct range *range)
{
    return db_select(&loader->db,
                     CHUNK_COLUMNS " FROM chunks c LEFT JOIN vectors v ON v.slot = 2 * c.id + ?"
                                   " WHERE c.id BETWEEN ? AND ? ORDER BY c.id",
                     "iii", loader->side, range->first, range->last);
}

/* Ids below `id` that the range names and the store no longer has. */
static void remove_below(struct loader *loader, uint64_t id)
{
    struct store_refresh *refresh = loader->refresh;
    for (; loader->next_id < id; loader->next_id++)
        refresh->sink->remove(refresh->context, loader->next_id);
}

static void range_open(struct loader *loader)
{
    if (loader->reading) return;
    loader->rows =
        loader->whole ? select_whole(loader) : select_range(loader, &loader->ranges[loader->at]);
    loader->next_id = loader->whole ? 0 : loader->ranges[loader->at].first;
    loader->reading = true;
}

static err_t range_close(struct loader *loader)
{
    if (!loader->whole) remove_below(loader, loader->ranges[loader->at].last + 1);
    loader->at++;
    loader->reading = false;
    return rows_end(&loader->rows);
}

/* One chunk, or the end of a range. */
static err_t advance(struct loader *loader)
{
    range_open(loader);
    if (!rows_next(&loader->rows))
        return loader->rows.error ? loader->rows.error : range_close(loader);
    if (!loader->whole) {
        remove_below(loader, rows_u64(&loader->rows, 0));
        loader->next_id++;
    }
    put_chunk(loader);
    return OK;
}

static bool complete(const struct loader *loader)
{
    return loader->at == (loader->whole ? 1 : loader->count);
}

/* Gives the loader back before the caller hears: it may ask again at once. */
static void finish(struct loader *loader, err_t error)
{
    struct store_refresh *refresh = loader->refresh;
    if (loader->reading) rows_end(&loader->rows);
    loader->reading = false;
    loader->refresh = NULL;
    if (!sqlite3_get_autocommit(loader->db.sqlite)) {
        err_t ended = db_run(&loader->db, "COMMIT", "");
        if (!error) error = ended;
    }
    refresh->sink->end(refresh->context, error, loader->version);
}

static void step(struct loader *loader)
{
    static const struct timeval at_once = {0};
    uint64_t until = clock_us() + STEP_US;
    err_t error = OK;
    while (!error && !complete(loader)) {
        for (int i = 0; !error && i < STEP_CHUNKS && !complete(loader); i++)
            error = advance(loader);
        if (clock_us() < until) continue;
        if (!error && !complete(loader)) {
            event_add(loader->turn, &at_once);
            return;
        }
    }
    finish(loader, error);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    step(context);
}

/* --- what to read --- */

/* What the store says of a portfolio itself. */
struct head {
    uint64_t version, side;
    const struct embedder_info *embedder; /* the one that answers */
    bool same_embedder;                   /* as in memory */
};

static err_t read_portfolio(struct db *db, const struct store_refresh *refresh, struct head *head)
{
    struct rows rows =
        db_select(db, "SELECT version, embedder, side FROM portfolios WHERE id = ? AND tenant = ?",
                  "it", refresh->portfolio_id, tenant_of(refresh->tenant));
    bool found = rows_next(&rows);
    if (found) {
        struct slice name = rows_text(&rows, 1);
        head->version = rows_u64(&rows, 0);
        head->embedder = embedder_find(name);
        head->same_embedder = slice_equal(name, refresh->embedder);
        head->side = rows_u64(&rows, 2);
    }
    err_t error = rows_end(&rows);
    return error ? error : found ? OK : ERR_PORTFOLIO_NOT_FOUND;
}

static void add_range(struct loader *loader, struct range range)
{
    struct range *last = loader->count ? &loader->ranges[loader->count - 1] : NULL;
    if (last && range.first <= last->last + 1) {
        last->last = MAX(last->last, range.last);
        return;
    }
    loader->ranges =
        xgrow(loader->ranges, &loader->capacity, loader->count + 1, sizeof(*loader->ranges));
    loader->ranges[loader->count++] = range;
}

/* The ranges that changed since, merged; *known says that the log goes back so far. */
static err_t read_changes(struct loader *loader, uint64_t since, bool *known)
{
    struct rows rows =
        db_select(&loader->db,
                  "SELECT min(version) FROM changes WHERE kind = 'portfolio' AND object_id = ?"
                  " AND version > ?",
                  "ii", loader->refresh->portfolio_id, since);
    *known = rows_next(&rows) && rows_u64(&rows, 0) == since + 1;
    err_t error = rows_end(&rows);
    if (error || !*known) return error;
    rows = db_select(&loader->db,
                     "SELECT first_chunk, last_chunk FROM changes WHERE kind = 'portfolio'"
                     " AND object_id = ? AND version > ? AND first_chunk > 0 ORDER BY first_chunk",
                     "ii", loader->refresh->portfolio_id, since);
    while (rows_next(&rows))
        add_range(loader, (struct range){rows_u64(&rows, 0), rows_u64(&rows, 1)});
    return rows_end(&rows);
}

static void use_embedder(struct loader *loader, const struct embedder_info *embedder)
{
    loader->dimensions = embedder ? embedder->dimensions : 0;
    loader->vector = xrealloc(loader->vector, loader->dimensions * sizeof(float));
}

/* Opens the snapshot and decides what to read from it. */
static err_t plan(struct loader *loader)
{
    struct store_refresh *refresh = loader->refresh;
    struct head head = {0};
    bool known = false;
    err_t error = db_run(&loader->db, "BEGIN", "");
    if (!error) error = read_portfolio(&loader->db, refresh, &head);
    loader->count = loader->at = 0;
    if (!error && refresh->since && head.same_embedder)
        error = read_changes(loader, refresh->since, &known);
    if (error) return error;
    loader->version = head.version;
    loader->side = head.side;
    loader->whole = !known && loader->version != refresh->since;
    use_embedder(loader, head.embedder);
    refresh->sink->begin(refresh->context, loader->whole,
                         head.embedder ? slice_of(head.embedder->name) : (struct slice){0});
    return OK;
}

/* --- loaders --- */

static struct loader *loader_open(struct sqlite_store *store, err_t *error)
{
    struct loader *loader = xcalloc(1, sizeof(*loader));
    *error = db_open(&loader->db, store->path, DB_READS);
    if (*error) {
        free(loader);
        return NULL;
    }
    loader->store = store;
    loader->turn = evtimer_new(store->loop, on_turn, loader);
    loader->next = store->loaders;
    store->loaders = loader;
    return loader;
}

static struct loader *loader_take(struct sqlite_store *store, err_t *error)
{
    struct loader *loader = store->loaders;
    while (loader && loader->refresh) loader = loader->next;
    return loader ? loader : loader_open(store, error);
}

static void load(struct sqlite_store *store, struct store_refresh *refresh)
{
    err_t error = OK;
    struct loader *loader = loader_take(store, &error);
    if (!loader) {
        refresh->sink->end(refresh->context, error, refresh->since);
        return;
    }
    loader->refresh = refresh;
    loader->version = refresh->since;
    error = plan(loader);
    if (error)
        finish(loader, error);
    else
        step(loader);
}

void sqlite_refresh(struct store *base, struct store_refresh *refresh)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct head head = {.version = refresh->since};
    uint64_t mark;
    struct rows snapshot = db_snapshot(&store->reading, &mark);
    bool same = refresh->since && mark && mark == refresh->mark;
    err_t error = OK;
    if (!same) {
        error = read_portfolio(&store->reading, refresh, &head);
        same = head.same_embedder && head.version == refresh->since;
        refresh->mark = error ? 0 : mark;
    }
    if (rows_end(&snapshot)) refresh->mark = 0;
    if (error || same)
        refresh->sink->end(refresh->context, error, head.version);
    else
        load(store, refresh);
}

void sqlite_refresh_close(struct sqlite_store *store)
{
    while (store->loaders) {
        struct loader *loader = store->loaders;
        if (loader->refresh) finish(loader, ERR_STORE_UNAVAILABLE);
        store->loaders = loader->next;
        event_free(loader->turn);
        db_close(&loader->db);
        free(loader->ranges);
        free(loader->vector);
        free(loader);
    }
}
