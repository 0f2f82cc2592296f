/* Hears what other processes changed: a thread that listens on a connection of its own, and looks
 * for work that is left over every half second.
 *
 *     connected (again), or notified
 *          └▶ versions since the last one that was seen ─▶ loop: on_version
 *     every half second
 *          ├▶ portfolios with chunks that wait          ─▶ loop: on_pending
 *          └▶ tables of portfolios that are gone        ─▶ loop: the builder drops them
 *
 * Since that connection is always wanted, it also tells whether the database can be used. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/thread.h"
#include "workers/retriever/postgres_index.h"

#define PENDING_MS 500
#define ORPHANS_MS 5000 /* who found some gives the builder so long before he looks again */
#define LOST_MS    100  /* a new connection may have to wait so long itself */
#define FAILED_MS  2000 /* what is wrong with the database takes a person to mend */

/* Told to the loop. */
struct verdict {
    struct task task; /* first */
    struct sql_store *store;
    err_t unusable;
    char why[POSTGRES_WHY_MAX];
};

struct watch {
    struct postgres_store *store;
    struct postgres_db db;
    pthread_t thread;
    int stop_fd;        /* readable: the thread is to end */
    uint64_t listening; /* number of the connection that listens */
    uint64_t seq;       /* newest change seen */
    bool began;         /* seq is known */
    uint64_t pending_at_ms, orphans_at_ms;
    struct verdict told; /* the last one */
};

struct news {
    struct task task; /* first */
    const struct store_options *options;
    struct announcement what;
};

/* --- to the loop --- */

static void news_done(struct task *task)
{
    struct news *news = (struct news *)task;
    const struct store_options *options = news->options;
    const struct announcement *what = &news->what;
    if (what->version)
        options->listener->on_version(options->listener_context, what->kind, what->id,
                                      what->version);
    else
        options->listener->on_pending(options->listener_context, what->id);
    free(news);
}

static void hand(void *context, const struct announcement *announcement)
{
    struct watch *watch = context;
    struct news *news = xcalloc(1, sizeof(*news));
    news->task.done = news_done;
    news->options = &watch->store->sql.options;
    news->what = *announcement;
    crew_hand(watch->store->crew, &news->task);
}

struct cleaning {
    struct task task; /* first */
    struct postgres_store *store;
};

static void cleaning_done(struct task *task)
{
    struct cleaning *cleaning = (struct cleaning *)task;
    postgres_settle(cleaning->store, (struct slice){0}, 0);
    free(cleaning);
}

static void hand_cleaning(struct watch *watch)
{
    struct cleaning *cleaning = xcalloc(1, sizeof(*cleaning));
    cleaning->task.done = cleaning_done;
    cleaning->store = watch->store;
    crew_hand(watch->store->crew, &cleaning->task);
}

static void verdict_done(struct task *task)
{
    struct verdict *verdict = (struct verdict *)task;
    sql_usable(verdict->store, verdict->unusable, verdict->why);
    free(verdict);
}

/* For all connections. */
static void tell_trouble(struct watch *watch, err_t error)
{
    const struct postgres_db *db = &watch->db;
    struct verdict *told = &watch->told;
    err_t unusable = db->trouble ? db->trouble : error == ERR_STORE_FAILED ? error : OK;
    const char *why = db->trouble ? db->why : unusable ? db->said : "";
    if (unusable == told->unusable && !strcmp(why, told->why)) return;
    told->unusable = unusable;
    snprintf(told->why, sizeof(told->why), "%s", why);
    struct verdict *verdict = xcalloc(1, sizeof(*verdict));
    *verdict = *told;
    verdict->task.done = verdict_done;
    verdict->store = &watch->store->sql;
    crew_hand(watch->store->crew, &verdict->task);
}

/* --- the thread --- */

/* What was committed before the first look is nobody's news. */
static err_t look(struct watch *watch)
{
    err_t error = watch_versions(&watch->db.db, &watch->seq, watch->began ? hand : NULL, watch);
    if (!error) watch->began = true;
    return error;
}

/* Listens before it looks: between the two nothing is missed. */
static err_t ensure_listening(struct watch *watch)
{
    err_t error = postgres_db_connect(&watch->db);
    if (error || watch->listening == watch->db.connections) return error;
    error = db_script(&watch->db.db, "LISTEN " POSTGRES_CHANNEL);
    if (!error) error = look(watch);
    if (!error) watch->listening = watch->db.connections;
    return error;
}

static err_t look_for_pending(struct watch *watch)
{
    if (clock_ms() < watch->pending_at_ms) return OK;
    watch->pending_at_ms = clock_ms() + PENDING_MS;
    return watch_pending(&watch->db.db, hand, watch);
}

/* Tables of portfolios that are gone. */
static err_t look_for_orphans(struct watch *watch)
{
    uint64_t orphans = 0;
    if (!watch->store->sql.options.index.chunks_max || clock_ms() < watch->orphans_at_ms) return OK;
    err_t error = postgres_index_orphans(&watch->db.db, &orphans);
    watch->orphans_at_ms = clock_ms() + (orphans ? ORPHANS_MS : PENDING_MS);
    if (orphans) hand_cleaning(watch);
    return error;
}

static err_t turn(struct watch *watch)
{
    bool heard = false;
    err_t error = ensure_listening(watch);
    if (!error) error = look_for_pending(watch);
    if (!error) error = look_for_orphans(watch);
    if (!error) error = postgres_db_listen(&watch->db, watch->stop_fd, PENDING_MS, &heard);
    return !error && heard ? look(watch) : error;
}

static bool stopping(const struct watch *watch, int wait_ms)
{
    struct pollfd stop = {watch->stop_fd, POLLIN, 0};
    return poll(&stop, 1, wait_ms) > 0;
}

static void *listen_on(void *context)
{
    struct watch *watch = context;
    int pause_ms = 0;
    while (!stopping(watch, pause_ms)) {
        err_t error = turn(watch);
        tell_trouble(watch, error);
        pause_ms = !error ? 0 : error == ERR_STORE_UNAVAILABLE ? LOST_MS : FAILED_MS;
    }
    return NULL;
}

/* --- the loop --- */

void postgres_watch_open(struct postgres_store *store)
{
    if (!store->sql.options.listener) return;
    struct watch *watch = store->watch = xcalloc(1, sizeof(*watch));
    watch->store = store;
    postgres_db_init(&watch->db, store->url);
    watch->db.trouble = watch->told.unusable = store->writing.trouble;
    memcpy(watch->db.why, store->writing.why, sizeof(watch->db.why));
    memcpy(watch->told.why, store->writing.why, sizeof(watch->told.why));
    store->writing.quiet = true;
    watch->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->stop_fd < 0) abort();
    if (store->writing.connection)
        watch->began = !watch_versions(&store->writing.db, &watch->seq, NULL, NULL);
    if (!thread_start(&watch->thread, listen_on, watch)) abort();
}

void postgres_watch_close(struct postgres_store *store)
{
    struct watch *watch = store->watch;
    if (!watch) return;
    if (eventfd_write(watch->stop_fd, 1)) abort();
    pthread_join(watch->thread, NULL);
    postgres_db_close(&watch->db);
    close(watch->stop_fd);
    free(watch);
    store->watch = NULL;
}
