/* What any process changed, looked for every 25 ms where anything was committed: new versions are
 * announced, and every half second chunks that wait for vectors. Also notices that the file has
 * been taken away: what is written to it then would be lost, so nothing is. */
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/retriever/sqlite_store.h"

#define WATCH_MS      25
#define PENDING_TURNS 20 /* of WATCH_MS */

static err_t newest_change(struct sqlite_store *store, uint64_t *seq)
{
    struct rows rows = db_select(&store->reading, "SELECT ifnull(max(seq), 0) FROM changes", "");
    if (rows_next(&rows)) *seq = rows_u64(&rows, 0);
    return rows_end(&rows);
}

/* The name that outlives the row. */
static const char *kind_of(struct slice name)
{
    static const char *const kinds[] = {"portfolio", "agent", "embedder"};
    size_t i = ARRAY_LEN(kinds) - 1;
    while (i && !slice_equal(name, slice_of(kinds[i]))) i--;
    return kinds[i];
}

static void announce_versions(struct sqlite_store *store)
{
    const struct store_listener *listener = store->options.listener;
    struct rows rows = db_select(&store->reading,
                                 "SELECT kind, object_id, max(version), max(seq) FROM changes"
                                 " WHERE seq > ? GROUP BY kind, object_id",
                                 "i", store->watch_seq);
    while (rows_next(&rows)) {
        store->watch_seq = MAX(store->watch_seq, rows_u64(&rows, 3));
        listener->on_version(store->options.listener_context, kind_of(rows_text(&rows, 0)),
                             rows_u64(&rows, 1), rows_u64(&rows, 2));
    }
    if (rows_end(&rows)) log_warn("store could not be watched");
}

static void announce_pending(struct sqlite_store *store)
{
    const struct store_listener *listener = store->options.listener;
    struct rows rows =
        db_select(&store->reading,
                  "SELECT DISTINCT p.id FROM portfolios p, (SELECT 0 AS side UNION ALL SELECT 1) s"
                  " WHERE EXISTS (SELECT 1 FROM unindexed) AND EXISTS (SELECT 1 FROM unindexed u"
                  " WHERE u.portfolio_id = p.id AND u.side = s.side AND u.expires <= ?1)"
                  " AND NOT EXISTS (SELECT 1 FROM embedding_troubles t"
                  " WHERE t.portfolio_id = p.id AND t.side = s.side AND t.retry_at > ?1)",
                  "i", (uint64_t)clock_wall_ms());
    while (rows_next(&rows))
        listener->on_pending(store->options.listener_context, rows_u64(&rows, 0));
    if (rows_end(&rows)) log_warn("store could not be watched");
}

static bool same_file(const struct sqlite_store *store)
{
    struct stat now;
    return !stat(store->path, &now) && now.st_dev == store->device && now.st_ino == store->inode;
}

static void check_file(struct sqlite_store *store)
{
    bool gone = !same_file(store);
    if (gone == store->gone) return;
    __atomic_store_n(&store->gone, gone, __ATOMIC_RELAXED); /* the helper looks too */
    if (gone)
        log_error("store: the file at %s has gone or is another one: put it back, or restart",
                  store->path);
    else
        log_info("store: the file is back");
}

static void on_watch(evutil_socket_t fd, short what, void *context)
{
    struct sqlite_store *store = context;
    (void)fd, (void)what;
    check_file(store);
    if (!store->options.listener || store->gone) return;
    uint64_t mark = db_data_version(&store->reading);
    if (mark != store->watch_mark) announce_versions(store);
    store->watch_mark = mark;
    if (store->watch_turn++ % PENDING_TURNS == 0) announce_pending(store);
}

err_t sqlite_watch_open(struct sqlite_store *store)
{
    static const struct timeval interval = {.tv_usec = WATCH_MS * 1000};
    struct stat file;
    if (stat(store->path, &file)) return ERR_STORE_UNAVAILABLE;
    store->device = file.st_dev;
    store->inode = file.st_ino;
    store->watch = event_new(store->loop, -1, EV_PERSIST, on_watch, store);
    event_add(store->watch, &interval);
    return newest_change(store, &store->watch_seq);
}

void sqlite_watch_close(struct sqlite_store *store)
{
    if (store->watch) event_free(store->watch);
}
