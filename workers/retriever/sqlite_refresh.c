/* Portfolios into memory. A refresh that finds nothing new is two cheap reads; one that does gets a
 * loader: a connection of its own that holds one snapshot, read in steps of a millisecond or two so
 * that the loop keeps serving.
 *
 *     nothing committed since `mark` ─▶ end          the version as it was
 *     else                           ─▶ a plan (sql_refresh.c), and what it says is read */
#include <stdlib.h>

#include "common/clock.h"
#include "workers/retriever/sqlite_store.h"

#define STEP_US     2000
#define STEP_CHUNKS 16 /* between two looks at the clock */

struct loader {
    struct loader *next;
    struct sqlite_db db;
    struct event *turn;
    struct store_refresh *refresh; /* NULL: idle */
    struct refresh_plan plan;
    struct refresh_feed feed;
    size_t at;        /* of the plan's parts */
    struct rows rows; /* the part under way */
    bool reading;
};

/* --- reading in steps --- */

static void part_open(struct loader *loader)
{
    if (loader->reading) return;
    loader->rows = refresh_select(&loader->db.db, loader->refresh, &loader->plan, loader->at);
    refresh_feed_part(&loader->feed, loader->at);
    loader->reading = true;
}

static err_t part_close(struct loader *loader)
{
    refresh_feed_part_end(&loader->feed, loader->at);
    loader->at++;
    loader->reading = false;
    return rows_end(&loader->rows);
}

/* One chunk, or the end of a part. */
static err_t advance(struct loader *loader)
{
    part_open(loader);
    if (!rows_next(&loader->rows))
        return loader->rows.error ? loader->rows.error : part_close(loader);
    refresh_feed_row(&loader->feed, &loader->rows);
    return OK;
}

static bool complete(const struct loader *loader)
{
    return loader->at == refresh_parts(&loader->plan);
}

/* Gives the loader back before the caller hears: it may ask again at once. */
static void finish(struct loader *loader, err_t error)
{
    struct store_refresh *refresh = loader->refresh;
    if (loader->reading) rows_end(&loader->rows);
    loader->reading = false;
    loader->refresh = NULL;
    if (db_in_transaction(&loader->db.db)) {
        err_t ended = db_commit(&loader->db.db);
        if (!error) error = ended;
    }
    refresh->sink->end(refresh->context, error, loader->plan.version);
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

/* --- loaders --- */

static struct loader *loader_open(struct sqlite_store *store, err_t *error)
{
    struct loader *loader = xcalloc(1, sizeof(*loader));
    *error = sqlite_db_open(&loader->db, store->path, SQLITE_READS);
    if (*error) {
        free(loader);
        return NULL;
    }
    loader->turn = evtimer_new(store->sql.loop, on_turn, loader);
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

/* Opens the snapshot and plans what to read from it. */
static err_t plan(struct loader *loader)
{
    err_t error = db_run(&loader->db.db, "BEGIN", "");
    if (!error) error = refresh_plan_read(&loader->db.db, loader->refresh, &loader->plan);
    if (!error && loader->plan.changed)
        refresh_feed_begin(&loader->feed, &loader->plan, loader->refresh);
    return error;
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
    loader->plan.version = refresh->since;
    loader->at = 0;
    error = plan(loader);
    if (error || !loader->plan.changed)
        finish(loader, error);
    else
        step(loader);
}

/* Whether the portfolio is as it was: then there is nothing to load. */
static err_t unchanged(struct sqlite_store *store, struct store_refresh *refresh, bool *same)
{
    struct refresh_plan head = {0};
    err_t error = refresh_plan_read(&store->reading.db, refresh, &head);
    *same = !error && !head.changed;
    refresh_plan_free(&head);
    return error;
}

void sqlite_refresh(struct store *base, struct store_refresh *refresh)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    uint64_t mark;
    struct rows snapshot = sqlite_snapshot(&store->reading, &mark);
    bool same = refresh->since && mark && mark == refresh->mark;
    err_t error = OK;
    if (!same) {
        error = unchanged(store, refresh, &same);
        refresh->mark = error ? 0 : mark;
    }
    if (rows_end(&snapshot)) refresh->mark = 0;
    if (error || same)
        refresh->sink->end(refresh->context, error, refresh->since);
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
        sqlite_db_close(&loader->db);
        refresh_plan_free(&loader->plan);
        refresh_feed_free(&loader->feed);
        free(loader);
    }
}
