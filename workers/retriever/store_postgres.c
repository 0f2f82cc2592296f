/* The store in PostgreSQL, which retrievers on many hosts share. The loop only asks: a helper
 * writes, in groups, and a crew reads. */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "workers/retriever/postgres_store.h"

#define PASSAGE_BYTES_MAX (8 << 20) /* remembered texts */

/* --- reading --- */

struct reading {
    struct task task; /* first */
    struct work *work;
};

static void reading_run(struct task *task, struct db *db)
{
    struct work *work = ((struct reading *)task)->work;
    work->db = db;
    operation_read(work);
}

static void reading_done(struct task *task)
{
    struct work *work = ((struct reading *)task)->work;
    free(task);
    work_done(work);
}

static void read_by_crew(struct sql_store *base, struct work *work)
{
    struct reading *reading = xcalloc(1, sizeof(*reading));
    reading->task = (struct task){.run = reading_run, .done = reading_done};
    reading->work = work;
    crew_push(((struct postgres_store *)base)->crew, &reading->task);
}

/* --- passages --- */

struct passing {
    struct task task; /* first */
    struct postgres_store *store;
    struct passage_set set;
    struct arena arena; /* the thread's, until the caller has heard */
    err_t error;
};

static void passing_run(struct task *task, struct db *db)
{
    struct passing *passing = (struct passing *)task;
    passing->error = passages_read(db, &passing->set, &passing->arena);
}

static void passing_done(struct task *task)
{
    struct passing *passing = (struct passing *)task;
    passages_finish(passing->store->sql.passages, &passing->set, passing->error);
    arena_free(&passing->arena);
    free(passing);
}

/* What was remembered may be swept before the rest has been read: it is copied. */
static void keep_remembered(struct passage_set *set)
{
    struct arena *arena = set->wanted->arena;
    for (size_t i = 0; i < set->wanted->count; i++) {
        struct passage *passage = &set->passages[i];
        if (set->states[i] != REMEMBERED) continue;
        passage->title = arena_slice(arena, passage->title);
        passage->heading = arena_slice(arena, passage->heading);
        passage->source = arena_slice(arena, passage->source);
        passage->text = arena_slice(arena, passage->text);
    }
}

static void postgres_passages(struct store *base, struct store_passages *wanted)
{
    struct postgres_store *store = (struct postgres_store *)base;
    struct passage_set set = {.wanted = wanted};
    if (passages_recall(store->sql.passages, &set)) {
        passages_finish(store->sql.passages, &set, OK);
        return;
    }
    struct passing *passing = xcalloc(1, sizeof(*passing));
    keep_remembered(&set);
    passing->task = (struct task){.run = passing_run, .done = passing_done};
    passing->store = store;
    passing->set = set;
    crew_push(store->crew, &passing->task);
}

/* --- open, migrate, close --- */

/* The server tells by itself when it is away; nothing else has to be looked at before. */
static err_t always(struct sql_store *store)
{
    (void)store;
    return OK;
}

static char *url_of(const char *rest)
{
    char *url;
    if (asprintf(&url, "postgresql:%s", rest) < 0) abort();
    return url;
}

/* What libpq says of it may hold the password. */
static bool url_is_readable(const char *url)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    PQconninfoFree(options);
    if (!options)
        log_error(
            "DATABASE_URL cannot be read: what is special in a password is written as %%40 for"
            " @, %%2F for /, %%25 for %%");
    return options;
}

static err_t connect_once(struct postgres_db *db, char *url)
{
    postgres_db_init(db, url);
    return url_is_readable(url) ? postgres_db_connect(db) : ERR_BAD_SETTING;
}

static err_t postgres_store_migrate(const char *rest, unsigned *from, unsigned *to)
{
    struct postgres_db db;
    char *url = url_of(rest);
    err_t error = connect_once(&db, url);
    if (!error) {
        *from = db.schema_was;
        *to = db.schema;
    }
    postgres_db_close(&db);
    free(url);
    return error;
}

static err_t postgres_reseal(const char *rest, const struct store_resealer *resealer,
                             uint64_t *agents)
{
    struct postgres_db db;
    char *url = url_of(rest);
    err_t error = connect_once(&db, url);
    if (!error) error = agents_reseal(&db.db, resealer, agents);
    postgres_db_close(&db);
    free(url);
    return error;
}

static void postgres_close(struct store *base)
{
    struct postgres_store *store = (struct postgres_store *)base;
    writer_destroy(&store->sql.writer);
    postgres_watch_close(store);
    crew_destroy(&store->crew);
    postgres_db_stop(&store->building); /* what it makes can be made again */
    crew_destroy(&store->builders);
    postgres_refresh_close(store);
    passage_cache_destroy(&store->sql.passages);
    for (size_t i = 0; i < store->readers; i++) postgres_db_close(&store->reading[i]);
    postgres_db_close(&store->writing);
    postgres_db_close(&store->building);
    free(store->reading);
    free(store->crew_dbs);
    free(store->sql.why);
    free(store->url);
    free(store);
}

static void open_crew(struct postgres_store *store, size_t readers)
{
    store->readers = readers;
    store->reading = xcalloc(readers, sizeof(*store->reading));
    store->crew_dbs = xcalloc(readers, sizeof(*store->crew_dbs));
    for (size_t i = 0; i < readers; i++) {
        postgres_db_init(&store->reading[i], store->url);
        store->reading[i].quiet = true;
        store->reading[i].ef_search = store->sql.options.index.ef_search;
        store->crew_dbs[i] = &store->reading[i].db;
    }
    store->crew = crew_new(store->sql.loop, store->crew_dbs, readers);
    postgres_db_init(&store->building, store->url);
    store->building.quiet = true;
    store->building_db = &store->building.db;
    store->builders = crew_new(store->sql.loop, &store->building_db, 1);
}

static struct postgres_store *store_new(struct event_base *base,
                                        const struct store_options *options, const char *rest)
{
    struct postgres_store *store = xcalloc(1, sizeof(*store));
    store->sql = (struct sql_store){
        .base = {&store_postgres},
        .loop = base,
        .options = *options,
        .passages = passage_cache_new(PASSAGE_BYTES_MAX),
        .writing = &store->writing.db,
        .available = always,
        .read = read_by_crew,
        .before_write = always,
    };
    store->url = url_of(rest);
    postgres_db_init(&store->writing, store->url);
    return store;
}

/* A server that is away may come, and a database that is not ours to use be given to us: that is
 * waited for, call by call. A newer schema is another retriever's. */
static err_t postgres_open(struct event_base *base, const struct store_options *options,
                           const char *rest, struct store **out)
{
    struct postgres_store *store = store_new(base, options, rest);
    bool readable = url_is_readable(store->url);
    err_t error = readable ? postgres_db_connect(&store->writing) : ERR_BAD_SETTING;
    if (!readable || error == ERR_STORE_SCHEMA) {
        postgres_close(&store->sql.base);
        return error;
    }
    if (error) sql_usable(&store->sql, error, store->writing.why);
    open_crew(store, options->connections_max - CONNECTIONS_FIXED);
    postgres_watch_open(store);
    if (options->index.chunks_max) postgres_settle(store, (struct slice){0}, 0);
    store->sql.writer = writer_new(base, &sql_writer_work, store);
    writer_start(store->sql.writer);
    *out = &store->sql.base;
    return OK;
}

const struct store_backend store_postgres = {
    .open = postgres_open,
    .close = postgres_close,
    .migrate = postgres_store_migrate,
    .reseal = postgres_reseal,
    .call = sql_call,
    .refresh = postgres_refresh,
    .search = postgres_search,
    .passages = postgres_passages,
};
