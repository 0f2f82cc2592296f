#include "gateway/ops_api.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json_text.h"
#include "common/metrics.h"
#include "gateway/cache.h"
#include "gateway/embedders.h"
#include "gateway/ingest_pump.h"
#include "gateway/lane_io.h"
#include "gateway/recorder.h"

#define WORKERS_SHOWN_MAX 10000

void ops_healthz(struct gateway *gateway, struct http_request *request)
{
    struct buffer body = {0};
    (void)gateway;
    buffer_append_text(&body, "{\"status\":\"ok\",\"version\":\"" MILLRACE_VERSION "\"}\n");
    http_reply(request, 200, "application/json", &body);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

/* "ok", or the code of what requests that need the store are told. Open to everybody: the words of
 * the retriever are not. */
static const char *store_state(const struct lane_io *lanes)
{
    const char *trouble = lane_io_trouble(lanes, POOL_RETRIEVE);
    if (!trouble) return error_code(ERR_NO_WORKER);
    if (!*trouble) return "ok";
    return error_code(error_from_code((struct slice){trouble, strcspn(trouble, ":")}));
}

/* Ready is who can serve anything. With the store away, questions that need none are answered: a
 * gateway that said 503 would be taken out of the balancer's list with all the others. */
void ops_readyz(struct gateway *gateway, struct http_request *request)
{
    struct buffer pools = {0}, body = {0};
    bool ready = !gateway->draining;
    for (enum pool pool = 0; pool < POOL_COUNT; pool++) {
        bool serves = lane_io_ready(gateway->lanes, pool);
        ready = ready && serves;
        buffer_printf(&pools, "%s\"%s\":%s", pool ? "," : "", pool_name(pool), truth(serves));
    }
    buffer_printf(&body,
                  "{\"ready\":%s,\"pools\":{%.*s},\"store\":\"%s\",\"embedder\":", truth(ready),
                  (int)pools.len, pools.data, store_state(gateway->lanes));
    json_append_string(&body, embedder_default(gateway->lanes));
    buffer_append_text(&body, "}\n");
    buffer_free(&pools);
    if (!ready) http_add_header(request, "Retry-After", "1");
    http_reply(request, ready ? 200 : 503, "application/json", &body);
}

/* --- lanes and workers: each number of the views once, with its place and its metric --- */

struct shown {
    const char *name;
    size_t offset;
    enum metric metric;
    double unit; /* of the metric */
};

#define SHOWN(member, metric, unit)                               \
    {                                                             \
#member, offsetof(struct lane_view, member), metric, unit \
    }
static const struct shown lane_numbers[] = {
    SHOWN(queued, METRIC_LANE_QUEUED, 1),       SHOWN(queued_bytes, METRIC_LANE_QUEUED_BYTES, 1),
    SHOWN(oldest_ms, METRIC_LANE_OLDEST, 1e-3), SHOWN(in_flight, METRIC_LANE_IN_FLIGHT, 1),
    SHOWN(credits, METRIC_LANE_CREDITS, 1),     SHOWN(submitted, METRIC_LANE_SUBMITTED, 1),
    SHOWN(finished, METRIC_LANE_FINISHED, 1),   SHOWN(failed, METRIC_LANE_FAILED, 1),
    SHOWN(cancelled, METRIC_LANE_CANCELLED, 1), SHOWN(redelivered, METRIC_LANE_REDELIVERED, 1),
    SHOWN(refused, METRIC_LANE_REFUSED, 1),     SHOWN(deaths, METRIC_LANE_DEATHS, 1),
    SHOWN(stale_dropped, METRIC_LANE_STALE, 1), SHOWN(garbage, METRIC_LANE_GARBAGE, 1),
    SHOWN(replays, METRIC_LANE_REPLAYS, 1),     SHOWN(resets, METRIC_LANE_RESETS, 1),
    SHOWN(troubled, METRIC_WORKER_TROUBLE, 1),
};
#undef SHOWN

static uint64_t shown_value(const struct lane_view *view, const struct shown *shown)
{
    return *(const uint64_t *)((const char *)view + shown->offset);
}

static void write_text_member(struct buffer *out, const char *name, const char *value)
{
    buffer_printf(out, "\"%s\":", name);
    json_append_string(out, slice_of(value ? value : ""));
    buffer_append_char(out, ',');
}

static void write_worker(struct buffer *out, const struct worker_view *worker)
{
    buffer_append_char(out, '{');
    write_text_member(out, "name", worker->name);
    write_text_member(out, "boot_id", worker->boot_id);
    write_text_member(out, "build", worker->build);
    write_text_member(out, "serves", worker->serves);
    write_text_member(out, "state", worker->state);
    write_text_member(out, "trouble", worker->trouble);
    buffer_printf(out,
                  "\"slots\":%ju,\"credits\":%ju,\"in_flight\":%ju,\"progress\":%ju,"
                  "\"last_seen_ms\":%ju}",
                  (uintmax_t)worker->slots, (uintmax_t)worker->credits,
                  (uintmax_t)worker->in_flight, (uintmax_t)worker->progress,
                  (uintmax_t)worker->last_seen_ms);
}

static void write_workers(struct buffer *out, const struct lane_io *lanes, enum pool pool)
{
    struct worker_view worker;
    buffer_append_text(out, "\"workers\":[");
    for (size_t i = 0; i < WORKERS_SHOWN_MAX && lane_io_worker(lanes, pool, i, &worker); i++) {
        if (i) buffer_append_char(out, ',');
        write_worker(out, &worker);
    }
    buffer_append_char(out, ']');
}

/* Workers that speak another version of the protocol. */
static void write_refused(struct buffer *out, const struct lane_io *lanes, enum pool pool)
{
    struct refused_worker worker;
    buffer_append_text(out, ",\"refused_workers\":[");
    for (size_t i = 0; lane_io_refused(lanes, pool, i, &worker); i++) {
        buffer_append_text(out, i ? ",{" : "{");
        write_text_member(out, "address", worker.address);
        buffer_printf(out, "\"protocol\":%ju,\"times\":%ju,\"last_seen_ms\":%ju}",
                      (uintmax_t)worker.protocol, (uintmax_t)worker.times,
                      (uintmax_t)(clock_ms() - worker.last_ms));
    }
    buffer_append_char(out, ']');
}

static void write_pool(struct buffer *out, const struct lane_io *lanes, enum pool pool)
{
    struct lane_view view = {0};
    lane_io_view(lanes, pool, &view);
    buffer_append_char(out, '{');
    write_text_member(out, "pool", pool_name(pool));
    for (size_t i = 0; i < ARRAY_LEN(lane_numbers); i++)
        buffer_printf(out, "\"%s\":%ju,", lane_numbers[i].name,
                      (uintmax_t)shown_value(&view, &lane_numbers[i]));
    write_workers(out, lanes, pool);
    write_refused(out, lanes, pool);
    buffer_append_char(out, '}');
}

/* Vectors that follow documents: jobs at work, and embedders that fail. */
static void write_index(struct buffer *out, struct ingest_pump *pump)
{
    struct index_troubles *troubles = ingest_pump_troubles(pump);
    struct index_trouble trouble;
    uint64_t now_ms = clock_ms();
    size_t count = index_troubles_count(troubles, now_ms);
    buffer_printf(out, "{\"running\":%zu,\"failing\":[", ingest_pump_running(pump));
    for (size_t i = 0; i < count && index_troubles_at(troubles, i, &trouble); i++) {
        buffer_append_text(out, i ? ",{" : "{");
        write_text_member(out, "embedder", trouble.embedder);
        write_text_member(out, "error", error_code(trouble.error));
        buffer_printf(out, "\"portfolio_id\":%ju,\"retry_ms\":%ju}",
                      (uintmax_t)trouble.portfolio_id,
                      (uintmax_t)(trouble.retry_at_ms > now_ms ? trouble.retry_at_ms - now_ms : 0));
    }
    buffer_append_text(out, "]}");
}

void ops_pools(struct gateway *gateway, struct http_request *request)
{
    struct buffer body = {0};
    buffer_append_text(&body, "{\"pools\":[");
    for (enum pool pool = 0; pool < POOL_COUNT; pool++) {
        if (pool) buffer_append_char(&body, ',');
        write_pool(&body, gateway->lanes, pool);
    }
    buffer_append_text(&body, "],\"index\":");
    write_index(&body, gateway->pump);
    buffer_append_text(&body, "}\n");
    http_reply(request, 200, "application/json", &body);
}

/* --- metrics --- */

static void set_lane_metrics(const struct lane_io *lanes, enum pool pool)
{
    struct lane_view view = {0};
    lane_io_view(lanes, pool, &view);
    metric_set(METRIC_LANE_WORKERS, (double)view.workers, pool_name(pool), NULL);
    metric_set(METRIC_WORKERS_REFUSED, (double)view.refused_workers, pool_name(pool), NULL);
    for (size_t i = 0; i < ARRAY_LEN(lane_numbers); i++)
        metric_set(lane_numbers[i].metric,
                   (double)shown_value(&view, &lane_numbers[i]) * lane_numbers[i].unit,
                   pool_name(pool), NULL);
}

static double resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void set_process_metrics(const struct gateway *gateway)
{
    metric_set(METRIC_RESIDENT_BYTES, resident_bytes(), NULL, NULL);
    metric_set(METRIC_CPU_SECONDS, cpu_seconds(), NULL, NULL);
    metric_set(METRIC_HTTP_CONNECTIONS, (double)http_server_connections(gateway->http), NULL, NULL);
    metric_set(METRIC_HTTP_IN_FLIGHT, (double)http_server_requests(gateway->http), NULL, NULL);
    metric_set(METRIC_CACHE_BYTES, (double)cache_bytes(gateway->cache), NULL, NULL);
    metric_set(METRIC_CACHE_ENTRIES, (double)cache_entries(gateway->cache), NULL, NULL);
    metric_set(METRIC_RECORDS_WAITING, (double)recorder_waiting(gateway->recorder), NULL, NULL);
}

void ops_metrics(struct gateway *gateway, struct http_request *request)
{
    struct buffer body = {0};
    set_process_metrics(gateway);
    for (enum pool pool = 0; pool < POOL_COUNT; pool++) set_lane_metrics(gateway->lanes, pool);
    metrics_write(&body);
    http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}
