/* The gateway's table of contents: settings, log, parts in their order, loop, drain. */
#include <signal.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/language.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/scheduling.h"
#include "gateway/claims.h"
#include "gateway/classified.h"
#include "gateway/directory.h"
#include "gateway/flags.h"
#include "gateway/gateway.h"
#include "gateway/generation.h"
#include "gateway/ingest_pump.h"
#include "gateway/lane_io.h"
#include "gateway/rate_limit.h"
#include "gateway/recorder.h"
#include "gateway/redis_link.h"
#include "gateway/request_flow.h"

#define DRAIN_CHECK_MS 10
#define GIVE_UP_MS     500 /* before the time is over: clients are told, not cut off */

static struct settings settings;
static struct gateway gateway = {.settings = &settings};
static struct event *stop_signals[2], *drain_timer;
static uint64_t drain_until_ms;

/* --- what the lanes tell --- */

static void on_version(void *context, const struct version_of *version)
{
    (void)context;
    directory_changed(gateway.directory, version);
}

static void on_pending(void *context, struct slice kind, uint64_t portfolio_id)
{
    (void)context;
    if (slice_equal(kind, SLICE("index"))) ingest_pump_pending(gateway.pump, portfolio_id);
}

static const struct lane_listener listener = {on_version, on_pending};

/* --- stopping --- */

static bool clients_are_served(void)
{
    return !http_server_requests(gateway.http) && !http_server_awaits(gateway.http) &&
           !recorder_waiting(gateway.recorder);
}

static bool is_drained(void)
{
    return clients_are_served() && !claims_releasing(gateway.claims) &&
           !lane_io_jobs(gateway.lanes);
}

/* First what clients wait for, and the turns that come of it; only then the lanes close. */
static void on_drain_check(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
    if (clients_are_served()) lane_io_drain(gateway.lanes);
    if (clock_ms() + MIN((uint64_t)GIVE_UP_MS, settings.drain_timeout_ms / 2) >= drain_until_ms)
        chats_give_up(&gateway);
    bool late = clock_ms() >= drain_until_ms;
    if (!is_drained() && !late) return;
    log_info("stopped requests=%zu turns=%zu jobs=%zu", http_server_requests(gateway.http),
             recorder_waiting(gateway.recorder), lane_io_jobs(gateway.lanes));
    event_base_loopbreak(gateway.base);
}

static void on_stop(evutil_socket_t signal_number, short what, void *context)
{
    static const struct timeval interval = {0, DRAIN_CHECK_MS * 1000};
    (void)what, (void)context;
    if (gateway.draining) _Exit(128 + (int)signal_number);
    log_info("stopping signal=%d requests=%zu", (int)signal_number,
             http_server_requests(gateway.http));
    gateway.draining = true;
    drain_until_ms = clock_ms() + settings.drain_timeout_ms;
    http_server_drain(gateway.http);
    ingest_pump_stop(gateway.pump);
    event_add(drain_timer, &interval);
}

static void signals_setup(void)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        stop_signals[i] = evsignal_new(gateway.base, numbers[i], on_stop, NULL);
        event_add(stop_signals[i], NULL);
    }
    drain_timer = event_new(gateway.base, -1, EV_PERSIST, on_drain_check, NULL);
}

/* --- parts --- */

static err_t parts_setup(void)
{
    err_t error = auth_new(&settings, &gateway.auth);
    if (!error) error = redis_link_new(gateway.base, &settings, &gateway.redis);
    if (error) return error;
    gateway.rate_limit = rate_limit_new(&settings, gateway.redis);
    gateway.flags = flags_new(gateway.base, &settings, gateway.redis);
    gateway.lanes = lane_io_new(gateway.base, &settings);
    gateway.directory = directory_new(&settings, gateway.lanes, gateway.redis);
    gateway.claims = claims_new(gateway.base, &settings, gateway.lanes);
    gateway.recorder = recorder_new(gateway.base, &settings, gateway.lanes, gateway.claims);
    gateway.cache = cache_new(&settings, gateway.redis);
    gateway.generations = generations_new(gateway.lanes, gateway.cache, gateway.flags);
    gateway.classified = classified_new();
    gateway.pump = ingest_pump_new(gateway.base, gateway.lanes);
    gateway.http = http_server_new(gateway.base, &settings, &gateway_app, &gateway);
    lane_io_listen(gateway.lanes, &listener, NULL);
    error = lane_io_open(gateway.lanes);
    return error ? error : http_server_open(gateway.http);
}

/* Clients first, for they hold jobs. Jobs that end may ask Redis, and who hears from Redis may ask
 * for a job, which is refused by then; both before those whom they call back. */
static void parts_destroy(void)
{
    http_server_destroy(&gateway.http);
    lane_io_close(gateway.lanes);
    redis_link_destroy(&gateway.redis);
    lane_io_destroy(&gateway.lanes);
    flags_destroy(&gateway.flags);
    classified_destroy(&gateway.classified);
    generations_destroy(&gateway.generations);
    cache_destroy(&gateway.cache);
    ingest_pump_destroy(&gateway.pump);
    recorder_destroy(&gateway.recorder);
    claims_destroy(&gateway.claims);
    directory_destroy(&gateway.directory);
    rate_limit_destroy(&gateway.rate_limit);
    auth_destroy(&gateway.auth);
    for (size_t i = 0; i < ARRAY_LEN(stop_signals); i++) event_free(stop_signals[i]);
    event_free(drain_timer);
    event_base_free(gateway.base);
}

int main(int argc, char **argv)
{
    if (settings_load(OF_GATEWAY, "millrace-gateway", argc, argv, &settings, NULL))
        return EXIT_FAILURE;
    log_open(*settings.name ? settings.name : "gateway", settings.log_level);
    metric_set(METRIC_BUILD_INFO, 1, MILLRACE_VERSION, NULL);
    metric_set(METRIC_START_TIME, (double)clock_wall_ms() / 1e3, NULL, NULL);
    scheduling_set(settings.scheduling);
    gateway.base = event_base_new();
    signals_setup();
    (void)language_at(0); /* the language files are read now, not with the first question */
    err_t error = parts_setup();
    if (!error) {
        log_info("ready http=%s:%u lanes=%s:%u version=" MILLRACE_VERSION, settings.http_address,
                 http_server_port(gateway.http), settings.lanes_address,
                 (unsigned)settings.lanes_port);
        event_base_dispatch(gateway.base);
    }
    parts_destroy();
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
