/* What a call of a provider costs this side: processor time a call, memory an open stream. It asks
 * a scripted provider, which must be running.
 *
 *     bench_http_client PORT CALLS AT_ONCE [MODEL]     calls, one after another in so many lines
 *     bench_http_client PORT open STREAMS              streams that stand still */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "workers/http_client.h"

#define STALLED "script+fault=stall+at=24"

static struct {
    struct event_base *base;
    struct http_client *client;
    char url[64], body[512];
    uint64_t left, open, heads, failed;
    bool standing; /* streams that stand still: the loop ends once all have begun */
} bench;

static void on_end(void *context, err_t error);

static void on_head(void *context, int status, uint64_t retry_after_ms)
{
    (void)context, (void)retry_after_ms;
    if (status != 200) bench.failed++;
    if (++bench.heads == bench.open && bench.standing) event_base_loopbreak(bench.base);
}

static bool on_body(void *context, struct slice bytes)
{
    (void)context, (void)bytes;
    return true;
}

static void ask(void)
{
    static const char *const headers[] = {"Authorization: Bearer sk-of-nobody", NULL};
    static const struct http_call_handler handler = {on_head, on_body, on_end};
    struct http_call_spec spec = {bench.url, headers, slice_of(bench.body)};
    http_call_start(bench.client, &spec, &handler, NULL);
}

static void on_end(void *context, err_t error)
{
    (void)context;
    if (error) bench.failed++;
    if (bench.left) {
        bench.left--;
        ask();
    } else if (!--bench.open)
        event_base_loopbreak(bench.base);
}

static uint64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t resident_bytes(void)
{
    unsigned long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2) abort();
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void ask_at_once(uint64_t count)
{
    bench.open = count;
    for (uint64_t i = 0; i < count; i++) ask();
    event_base_dispatch(bench.base);
}

static void set_model(const char *model, bool streams)
{
    snprintf(
        bench.body, sizeof(bench.body),
        "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
        model, streams ? "true" : "false");
}

static void measure_calls(uint64_t calls, uint64_t at_once, const char *model)
{
    set_model(model, true);
    ask_at_once(at_once); /* connections are there, memory is warm */
    uint64_t cpu = cpu_us(), start = clock_us();
    bench.left = calls - at_once;
    ask_at_once(at_once);
    printf("calls=%" PRIu64 " at_once=%" PRIu64 " failed=%" PRIu64
           " cpu_us_a_call=%.1f calls_s=%.0f\n",
           calls, at_once, bench.failed, (double)(cpu_us() - cpu) / (double)calls,
           (double)calls * 1e6 / (double)(clock_us() - start));
}

static void measure_open(uint64_t streams)
{
    set_model("script+length=12", true);
    ask_at_once(8);
    malloc_trim(0);
    uint64_t resident = resident_bytes();
    set_model(STALLED, true);
    bench.heads = 0;
    bench.standing = true;
    ask_at_once(streams);
    printf("streams=%" PRIu64 " failed=%" PRIu64 " bytes_a_stream=%" PRIu64 "\n", streams,
           bench.failed, (resident_bytes() - resident) / streams);
}

int main(int argc, char **argv)
{
    struct settings settings = {.provider_connect_timeout_ms = 10000,
                                .provider_link_local = "refuse"};
    if (argc < 4) return 2;
    bench.base = event_base_new();
    bench.client = http_client_new(bench.base, &settings);
    snprintf(bench.url, sizeof(bench.url), "http://127.0.0.1:%s/v1/chat/completions", argv[1]);
    if (!strcmp(argv[2], "open"))
        measure_open(strtoull(argv[3], NULL, 10));
    else
        measure_calls(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
                      argc > 4 ? argv[4] : "script+length=12");
    return bench.failed ? 1 : 0;
}
