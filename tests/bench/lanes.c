/* The lanes alone: jobs through their real sockets to three worker processes that do no work. What
 * a question costs beyond this is HTTP, retrieval and writing; what this costs beyond the bare
 * round trips (bench_floor) is the protocol.
 *
 *     bench_lanes [seconds a measurement]     prints one JSON line
 *
 * Measured: the time from job_submit to the first text, one job at a time, for an itinerary of one
 * stage (G) and of three (ERG); then jobs a second of each with 64 in flight. */
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/lane_io.h"
#include "tests/bench/samples.h"

#define IN_FLIGHT   64
#define JOB_MS      10000
#define READY_MS    10000
#define FIRST_PORT  12000 /* below those that the kernel gives to clients */
#define PORTS_TRIED 100
#define REQUEST                                                               \
    "as many bytes as the gateway packs for a question of the usual length: " \
    "the message, its language and level, the agent and its portfolio"

struct bench {
    struct event_base *base;
    struct lane_io *lanes;
    const char *stages;
    uint64_t stop_ns;
    size_t running, ended, failed;
    struct samples first;
};

struct question {
    struct bench *bench;
    uint64_t asked_ns;
    bool told;
};

static void require(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench_lanes: %s\n", what);
    exit(1);
}

/* --- jobs --- */

static void ask(struct bench *bench);

static void on_text(void *context, size_t at, struct slice text)
{
    (void)at;
    struct question *question = context;
    (void)text;
    if (question->told) return;
    question->told = true;
    samples_add(&question->bench->first, clock_ns() - question->asked_ns);
}

static void on_end(void *context, const struct job_end *end)
{
    struct question *question = context;
    struct bench *bench = question->bench;
    bench->running--;
    bench->ended++;
    bench->failed += end->error != OK || !question->told;
    free(question);
    if (clock_ns() < bench->stop_ns)
        ask(bench);
    else if (!bench->running)
        event_base_loopbreak(bench->base);
}

static void ask(struct bench *bench)
{
    static const struct job_handler handler = {.on_text = on_text, .on_end = on_end};
    struct question *question = xcalloc(1, sizeof(*question));
    struct job_spec spec = {
        .kind = KIND_CHAT,
        .stages = bench->stages,
        .body = body_new(),
        .timeout_ms = JOB_MS,
        .trace = "bench",
    };
    uint64_t job;
    body_set(spec.body, FRAME_REQUEST, SLICE(REQUEST));
    question->bench = bench;
    question->asked_ns = clock_ns();
    bench->running++;
    require(!job_submit(bench->lanes, &spec, &handler, question, &job), "a job was refused");
}

/* Jobs a second; the times to the first text are in `bench->first`. */
static double measure(struct bench *bench, const char *stages, size_t in_flight, double seconds)
{
    uint64_t start = clock_ns();
    bench->stages = stages;
    bench->ended = bench->failed = 0;
    bench->first.count = 0;
    bench->stop_ns = start + (uint64_t)(seconds * 1e9);
    for (size_t i = 0; i < in_flight; i++) ask(bench);
    event_base_dispatch(bench->base);
    require(!bench->failed, "a job failed");
    return (double)bench->ended * 1e9 / (double)(clock_ns() - start);
}

/* --- processes --- */

static pid_t start_worker(enum pool pool, unsigned port)
{
    char program[PATH_MAX] = {0}, gateways[32], path[PATH_MAX + 32];
    pid_t child = fork();
    if (child) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it must not outlive the benchmark */
    require(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0, "own path");
    snprintf(path, sizeof(path), "%s/bench_idle_worker", dirname(program));
    snprintf(gateways, sizeof(gateways), "127.0.0.1:%u", port);
    execl(path, "bench_idle_worker", pool_name(pool), "--gateways", gateways, "--log-level", "warn",
          NULL);
    _exit(127);
}

/* Opens the lanes on the first four ports in a row that nobody has. */
static void open_lanes(struct bench *bench, struct settings *settings)
{
    uint64_t first = FIRST_PORT + (uint64_t)getpid() % 4000 * 4;
    err_t error = ERR_BAD_SETTING;
    bench->base = event_base_new();
    for (uint64_t i = 0; error && i < PORTS_TRIED; i++) {
        settings->lanes_port = first + 4 * i;
        bench->lanes = lane_io_new(bench->base, settings);
        error = lane_io_open(bench->lanes);
        if (error) lane_io_destroy(&bench->lanes);
    }
    require(!error, "no free ports");
}

static bool all_ready(const struct bench *bench)
{
    for (int pool = 0; pool < POOL_COUNT; pool++)
        if (!lane_io_ready(bench->lanes, (enum pool)pool)) return false;
    return true;
}

static void wait_for_workers(struct bench *bench)
{
    uint64_t until = clock_ms() + READY_MS;
    while (!all_ready(bench) && clock_ms() < until) event_base_loop(bench->base, EVLOOP_ONCE);
    require(all_ready(bench), "the workers did not come");
}

static double own_cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void report(struct bench *bench, const char *name, const char *stages, double seconds)
{
    measure(bench, stages, 1, seconds);
    printf("\"%s_first_p50_us\": %.1f, ", name,
           (double)samples_quantile(&bench->first, 0.5) / 1000);
    double cpu = own_cpu_us();
    double rate = measure(bench, stages, IN_FLIGHT, seconds);
    printf("\"%s_per_s\": %.0f, \"%s_gateway_cpu_us\": %.1f, ", name, rate, name,
           (own_cpu_us() - cpu) / (double)bench->ended);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    struct settings settings;
    pid_t workers[POOL_COUNT];
    char *no_flags[] = {argv[0], NULL};
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    require(!settings_load(OF_GATEWAY, "bench_lanes", 1, no_flags, &settings, NULL), "settings");
    log_open("bench_lanes", "error");
    open_lanes(&bench, &settings);
    for (int pool = 0; pool < POOL_COUNT; pool++)
        workers[pool] = start_worker((enum pool)pool, (unsigned)settings.lanes_port);
    wait_for_workers(&bench);
    printf("{");
    report(&bench, "trivial", "G", seconds);
    report(&bench, "full", "ERG", seconds);
    printf("\"seconds\": %g}\n", seconds);
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        kill(workers[pool], SIGKILL);
        waitpid(workers[pool], NULL, 0);
    }
    lane_io_destroy(&bench.lanes);
    event_base_free(bench.base);
    samples_free(&bench.first);
    return 0;
}
