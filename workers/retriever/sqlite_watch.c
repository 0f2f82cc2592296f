/* What any process changed, looked for every 25 ms where anything was committed: new versions are
 * announced, and every half second chunks that wait for vectors. Also notices that the file has
 * been taken away: what is written to it then would be lost, so nothing is. */
#include <sys/stat.h>

#include "common/log.h"
#include "workers/retriever/sqlite_store.h"

#define WATCH_MS      25
#define PENDING_TURNS 20 /* of WATCH_MS */

static void tell_version(void *context, const struct announcement *announcement)
{
    const struct store_options *options = context;
    options->listener->on_version(options->listener_context, announcement->kind, announcement->id,
                                  announcement->version);
}

static void tell_pending(void *context, const struct announcement *announcement)
{
    const struct store_options *options = context;
    options->listener->on_pending(options->listener_context, announcement->id);
}

static void announce_versions(struct sqlite_store *store)
{
    if (watch_versions(&store->reading.db, &store->watch_seq, tell_version, &store->sql.options))
        log_warn("store could not be watched");
}

static void announce_pending(struct sqlite_store *store)
{
    if (watch_pending(&store->reading.db, tell_pending, &store->sql.options))
        log_warn("store could not be watched");
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
    if (!store->sql.options.listener || store->gone) return;
    uint64_t mark = sqlite_data_version(&store->reading);
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
    store->watch = event_new(store->sql.loop, -1, EV_PERSIST, on_watch, store);
    event_add(store->watch, &interval);
    return watch_versions(&store->reading.db, &store->watch_seq, NULL, NULL);
}

void sqlite_watch_close(struct sqlite_store *store)
{
    if (store->watch) event_free(store->watch);
}
