#include "workers/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/language.h"
#include "common/log.h"
#include "common/scheduling.h"
#include "workers/worker_state.h"

#define WORKER_TICK_MS 20
#define SLOTS_DEFAULT  64

/* --- what pools may ask --- */

struct event_base *worker_base(const struct worker *worker)
{
    return worker->base;
}

const struct settings *worker_settings(const struct worker *worker)
{
    return &worker->settings;
}

void worker_serves(struct worker *worker, const char *serves)
{
    free(worker->serves);
    worker->serves = xstrdup(serves);
}

/* Kept for the heartbeats, so that a lost announcement is made good; the oldest is overwritten. */
static void remember_version(struct worker *worker, const char *kind, uint64_t id, uint64_t version)
{
    size_t i = 0;
    while (i < worker->version_count &&
           (worker->versions[i].id != id || strcmp(worker->version_kinds[i], kind)))
        i++;
    if (i == VERSIONS_KEPT)
        i = (size_t)(version % VERSIONS_KEPT);
    else if (i == worker->version_count)
        worker->version_count++;
    snprintf(worker->version_kinds[i], sizeof(worker->version_kinds[i]), "%s", kind);
    worker->versions[i] = (struct version_of){
        .kind = slice_of(worker->version_kinds[i]), .id = id, .version = version};
}

void worker_announce(struct worker *worker, const char *kind, uint64_t id, uint64_t version)
{
    struct message message = {.type = MESSAGE_VERSION};
    remember_version(worker, kind, id, version);
    message.version =
        (struct version_message){.kind = slice_of(kind), .id = id, .version = version};
    for (struct session *session = worker->sessions; session; session = session->next)
        if (session->state == SESSION_SERVING) session_send(session, &message, NULL, 0);
}

void worker_pending(struct worker *worker, const char *kind, uint64_t portfolio_id)
{
    struct message message = {.type = MESSAGE_PENDING};
    message.pending = (struct pending_message){.kind = slice_of(kind), .portfolio = portfolio_id};
    for (struct session *session = worker->sessions; session; session = session->next)
        if (session->state == SESSION_SERVING) session_send(session, &message, NULL, 0);
}

/* --- what the operator is told --- */

void worker_count(struct worker *worker, const char *name, uint64_t by)
{
    size_t i = 0;
    while (i < worker->count_count && !slice_equal(worker->counts[i].name, slice_of(name))) i++;
    assert(i < WORKER_COUNTS_MAX);
    if (i == worker->count_count)
        worker->counts[worker->count_count++] = (struct count_of){.name = slice_of(name)};
    worker->counts[i].value += by;
}

void worker_trouble(struct worker *worker, const char *trouble)
{
    if (!strcmp(worker->trouble, trouble ? trouble : "")) return;
    snprintf(worker->trouble, sizeof(worker->trouble), "%s", trouble ? trouble : "");
    for (struct session *session = worker->sessions; session; session = session->next)
        session->beat_ms = 0; /* with the next tick */
}

/* --- the loop's turn --- */

static void on_flush(evutil_socket_t fd, short what, void *context)
{
    struct worker *worker = context;
    struct credit_account *accounts[GATEWAYS_MAX];
    size_t count = 0;
    (void)fd, (void)what;
    jobs_start(worker);
    jobs_pump(worker);
    for (struct session *session = worker->sessions; session && count < GATEWAYS_MAX;
         session = session->next)
        accounts[count++] = &session->credit;
    if (!worker->draining) credits_share(accounts, count, worker->settings.slots);
    for (struct session *session = worker->sessions; session; session = session->next)
        session_flush(session);
}

void worker_flush_soon(struct worker *worker)
{
    event_active(worker->flush, 0, 0);
}

static struct session **session_at(struct worker *worker, const struct gateway_address *address)
{
    struct session **at = &worker->sessions;
    while (*at && (strcmp((*at)->host, address->host) || (*at)->port != address->port))
        at = &(*at)->next;
    return at;
}

/* New addresses get a session; one that is listed no more is not opened again once it has ended. */
static void on_gateways(void *context, const struct gateway_address *addresses, size_t count)
{
    struct worker *worker = context;
    for (struct session *session = worker->sessions; session; session = session->next)
        session->listed = false;
    for (size_t i = 0; i < count; i++) {
        struct session **at = session_at(worker, &addresses[i]);
        if (!*at) *at = session_new(worker, addresses[i].host, addresses[i].port);
        (*at)->listed = true;
    }
}

/* Sessions that have ended and are listed no more. */
static void forget_sessions(struct worker *worker)
{
    struct session **at = &worker->sessions;
    while (*at) {
        struct session *session = *at;
        bool gone = !session->listed &&
                    (session->state == SESSION_CLOSED || session->state == SESSION_OPENING);
        if (!gone) {
            at = &session->next;
            continue;
        }
        *at = session->next;
        session_free(&session);
    }
}

/* --- drain --- */

static bool drained(const struct worker *worker)
{
    return !worker->starting.count && !worker->stirred.count && !worker->active.count &&
           !worker->lingering.count;
}

static void say_bye(struct worker *worker)
{
    for (struct session *session = worker->sessions; session; session = session->next)
        if (session->state == SESSION_SERVING) session_send_simple(session, MESSAGE_BYE);
    event_base_loopbreak(worker->base);
}

static void drain_tick(struct worker *worker, uint64_t now_ms)
{
    bool late = now_ms - worker->drain_ms > worker->settings.drain_timeout_ms;
    if (late && !drained(worker))
        log_warn("drain timed out with jobs=%zu streams=%zu", worker->active.count,
                 worker->lingering.count);
    if (late || drained(worker)) say_bye(worker);
}

void worker_leave(struct worker *worker)
{
    if (worker->draining) return;
    log_info("draining jobs=%zu", worker->active.count);
    jobs_accept(worker); /* or the gateways would take them back */
    worker->draining = true;
    worker->drain_ms = clock_ms();
    for (struct session *session = worker->sessions; session; session = session->next)
        if (session->state == SESSION_SERVING) session_send_simple(session, MESSAGE_DRAIN);
}

static void on_signal(evutil_socket_t signal, short what, void *context)
{
    struct worker *worker = context;
    (void)signal, (void)what;
    if (worker->draining) _exit(1); /* asked twice: at once */
    worker_leave(worker);
}

/* A process that stood still must not take the gateways' silence for death. */
static uint64_t lateness_ms(struct worker *worker, uint64_t now_ms)
{
    uint64_t since = worker->tick_ms ? now_ms - worker->tick_ms : 0;
    worker->tick_ms = now_ms;
    return since > 5 * WORKER_TICK_MS ? since - WORKER_TICK_MS : 0;
}

static bool is_heard(const struct worker *worker)
{
    const struct session *session = worker->sessions;
    while (session && session->state != SESSION_SERVING) session = session->next;
    return session;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct worker *worker = context;
    uint64_t now_ms = clock_ms();
    uint64_t late_ms = lateness_ms(worker, now_ms);
    (void)fd, (void)what;
    jobs_accept(worker);
    for (struct session *session = worker->sessions; session; session = session->next)
        session_tick(session, late_ms, now_ms);
    forget_sessions(worker);
    if (is_heard(worker)) alive_show(&worker->alive, now_ms);
    if (worker->draining) drain_tick(worker, now_ms);
}

/* --- the process --- */

static void watch_signals(struct worker *worker)
{
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        event_add(event_new(worker->base, signals[i], EV_SIGNAL | EV_PERSIST, on_signal, worker),
                  NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void start_tick(struct worker *worker)
{
    const struct timeval interval = {.tv_usec = WORKER_TICK_MS * 1000};
    worker->tick = event_new(worker->base, -1, EV_PERSIST, on_tick, worker);
    worker->flush = event_new(worker->base, -1, 0, on_flush, worker);
    event_add(worker->tick, &interval);
}

static void worker_close(struct worker *worker)
{
    gateways_destroy(&worker->gateways);
    if (worker->pool->close) worker->pool->close(worker->pool_context);
    while (worker->sessions) {
        struct session *session = worker->sessions;
        worker->sessions = session->next;
        session_free(&session);
    }
    zmq_ctx_term(worker->zmq);
    log_info("stopped");
}

/* What libcurl asks to be watched and not to be watched, many times for each of its calls, goes to
 * the kernel once a turn, and not at all where it cancels out. */
static struct event_base *loop_new(void)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

int worker_main(const struct worker_pool *pool, int argc, char **argv)
{
    static const char *const programs[POOL_COUNT] = {
        [POOL_EMBED] = "millrace-embedder",
        [POOL_RETRIEVE] = "millrace-retriever",
        [POOL_GENERATE] = "millrace-generator",
    };
    static struct worker worker;
    const char *program = programs[pool->pool];
    if (settings_load(pool->settings, program, argc, argv, &worker.settings, NULL)) return 2;
    if (!*worker.settings.name) worker.settings.name = program + strlen("millrace-");
    log_open(worker.settings.name, worker.settings.log_level);
    worker.pool = pool;
    worker.alive.path = worker.settings.alive_file;
    if (!worker.settings.slots) worker.settings.slots = pool->slots ? pool->slots : SLOTS_DEFAULT;
    scheduling_set(worker.settings.scheduling);
    worker.base = loop_new();
    worker.zmq = zmq_ctx_new();
    worker.serves = xstrdup("");
    id_random(worker.boot_id, sizeof(worker.boot_id) - 1);
    (void)language_at(0); /* the language files are read now, not with the first question */
    watch_signals(&worker);
    start_tick(&worker);
    if (pool->open(&worker, &worker.pool_context)) return 1;
    if (gateways_new(worker.base, worker.settings.gateways, on_gateways, &worker, &worker.gateways))
        return 2;
    log_info("up pool=%s slots=%llu gateways=%s", pool_name(pool->pool),
             (unsigned long long)worker.settings.slots, worker.settings.gateways);
    event_base_dispatch(worker.base);
    worker_close(&worker);
    return 0;
}
