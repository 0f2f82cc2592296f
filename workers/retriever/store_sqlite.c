/* The store in one SQLite file that several retrievers share (WAL: readers never wait, writers wait
 * for each other on their helper threads). The loop reads; the helper writes. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/retriever/sqlite_store.h"

#define PASSAGE_BYTES_MAX (8 << 20) /* remembered texts */
#define POLITE_US         300

/* --- the two threads --- */

static err_t available(struct sql_store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    return __atomic_load_n(&store->gone, __ATOMIC_RELAXED) ? ERR_STORE_UNAVAILABLE : OK;
}

static void read_now(struct sql_store *base, struct work *work)
{
    work->db = &((struct sqlite_store *)base)->reading.db;
    operation_read(work);
    work_done(work);
}

/* Where another process writes too, it gets a chance between two groups of ours: SQLite's lock
 * knows no queue. */
static err_t let_others_write(struct sql_store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    uint64_t seen = sqlite_data_version(&store->writing);
    if (seen != store->writing_mark) store->polite_until_ms = clock_ms() + 1000;
    store->writing_mark = seen;
    if (clock_ms() < store->polite_until_ms) usleep(POLITE_US);
    return OK;
}

static void sqlite_passages(struct store *base, struct store_passages *wanted)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct passage_set set = {.wanted = wanted};
    err_t error = OK;
    if (!passages_recall(store->sql.passages, &set))
        error = passages_read(&store->reading.db, &set, wanted->arena);
    passages_finish(store->sql.passages, &set, error);
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
static err_t open_current(const char *path, struct sqlite_db *db, unsigned *from, unsigned *to)
{
    make_folders(path);
    err_t error = sqlite_db_open(db, path, SQLITE_WRITES);
    if (!error) {
        error = sqlite_migrate(db, from, to);
        if (error) sqlite_db_close(db);
    }
    if (error) log_error("the store at %s cannot be used: %s", path, error_text(error));
    return error;
}

static err_t sqlite_store_migrate(const char *path, unsigned *from, unsigned *to)
{
    struct sqlite_db db;
    unsigned was = 0, is = 0;
    err_t error = open_current(path, &db, &was, &is);
    if (error) return error;
    sqlite_db_close(&db);
    *from = was;
    *to = is;
    return OK;
}

static err_t sqlite_reseal(const char *path, const struct store_resealer *resealer,
                           uint64_t *agents)
{
    struct sqlite_db db;
    unsigned from, to;
    err_t error = open_current(path, &db, &from, &to);
    if (error) return error;
    error = agents_reseal(&db.db, resealer, agents);
    sqlite_db_close(&db);
    return error;
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    writer_destroy(&store->sql.writer);
    sqlite_watch_close(store);
    sqlite_refresh_close(store);
    passage_cache_destroy(&store->sql.passages);
    sqlite_db_close(&store->reading);
    sqlite_db_close(&store->writing);
    free(store);
}

static err_t sqlite_open(struct event_base *base, const struct store_options *options,
                         const char *path, struct store **out)
{
    struct sqlite_store *store = xcalloc(1, sizeof(*store));
    unsigned from, to;
    store->sql = (struct sql_store){
        .base = {&store_sqlite},
        .loop = base,
        .options = *options,
        .passages = passage_cache_new(PASSAGE_BYTES_MAX),
        .writing = &store->writing.db,
        .available = available,
        .read = read_now,
        .before_write = let_others_write,
    };
    store->path = path;
    err_t error = open_current(path, &store->writing, &from, &to);
    if (!error) error = sqlite_db_open(&store->reading, path, SQLITE_READS);
    if (!error) error = sqlite_watch_open(store);
    if (error) {
        sqlite_close(&store->sql.base);
        return error;
    }
    store->sql.writer = writer_new(base, &sql_writer_work, store);
    writer_start(store->sql.writer);
    *out = &store->sql.base;
    return OK;
}

const struct store_backend store_sqlite = {
    .open = sqlite_open,
    .close = sqlite_close,
    .migrate = sqlite_store_migrate,
    .reseal = sqlite_reseal,
    .call = sql_call,
    .refresh = sqlite_refresh,
    .passages = sqlite_passages,
};
