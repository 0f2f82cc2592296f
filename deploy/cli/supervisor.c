/* The supervisor: one loop that starts the processes of a system, starts again what dies, and stops
 * all in order.
 *
 *     migrate ──▶ start all, prepare ──▶ ready ─┐
 *        │              │                       │ SIGTERM, SIGINT
 *        └── failed ────┴── failed ─────────────┴──▶ stop gateway ──▶ stop workers ──▶ end
 *
 * Where the store's server is away there is nothing to migrate yet: the retrievers do it when it
 * comes, and the demo waits for another start.
 *
 * `migrate` and `prepare` are subcommands of this program, run as helpers, so that the loop itself
 * never waits. The gateway goes first: it finishes its requests while the workers are still there.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/environment.h"
#include "deploy/cli/launch.h"
#include "deploy/cli/restart.h"
#include "deploy/cli/supervise.h"

#define STOP_GRACE_MS 2000 /* beyond DRAIN_TIMEOUT_MS, before a process is killed */
#define OWN_MAX       16

static const struct program {
    enum settings_of process;
    const char *file;
    const char *name;
} programs[] = {
    {OF_GATEWAY, "millrace-gateway", "gateway"},
    {OF_EMBEDDER, "millrace-embedder", "embedder"},
    {OF_RETRIEVER, "millrace-retriever", "retriever"},
    {OF_GENERATOR, "millrace-generator", "generator"},
};

static const unsigned stop_order[] = {OF_GATEWAY, OF_WORKERS};

struct process {
    struct supervisor *supervisor;
    const struct program *program;
    char name[32]; /* "generator-1" */
    char *path;
    pid_t pid; /* 0: not running */
    struct restart restart;
    struct event *start_timer;
};

struct supervisor {
    const struct supervise_options *options;
    const struct settings *settings;
    const struct data_folder *folder;
    struct event_base *base;
    struct process *processes;
    size_t count;
    char *own[OWN_MAX]; /* what the processes are told by us: "HTTP_PORT=8000" ... */
    const char *helper; /* "migrate" or "prepare" while it runs */
    pid_t helper_pid;
    bool store_away; /* when it was to be migrated */
    bool ready;
    bool stopping;
    size_t stop_step;
    struct event *stop_deadline;
    int status;
};

static void stop_begin(struct supervisor *s, int status);

/* --- what the processes are told --- */

static void tell(struct supervisor *s, const char *format, ...) PRINTF(2, 3);
static void tell(struct supervisor *s, const char *format, ...)
{
    va_list args;
    size_t count = 0;
    while (s->own[count]) count++;
    va_start(args, format);
    if (count + 1 < OWN_MAX && vasprintf(&s->own[count], format, args) < 0) abort();
    va_end(args);
}

static void tell_all(struct supervisor *s)
{
    uint64_t port = s->options->port;
    const char *store = getenv("DATABASE_URL");
    tell(s, "HTTP_ADDRESS=127.0.0.1");
    tell(s, "HTTP_PORT=%" PRIu64, port);
    tell(s, "LANES_ADDRESS=127.0.0.1");
    tell(s, "LANES_PORT=%" PRIu64, port + 1);
    tell(s, "GATEWAYS=127.0.0.1:%" PRIu64, port + 1);
    if (!getenv("FLAGS_FILE")) tell(s, "FLAGS_FILE=%s", data_folder_path(s->folder, "flags.json"));
    if (!store || !*store)
        tell(s, "DATABASE_URL=sqlite:%s", data_folder_path(s->folder, "millrace.db"));
    if (*s->options->kms_key) tell(s, "AGENT_KMS_KEY=%s", s->options->kms_key);
    if (*s->options->kms_key_previous)
        tell(s, "AGENT_KMS_KEY_PREVIOUS=%s", s->options->kms_key_previous);
}

/* --- processes --- */

static void start_later(struct process *process)
{
    uint64_t delay = restart_delay_ms(&process->restart, clock_ms());
    struct timeval after = clock_timeval_ms(delay);
    if (delay) complain("%s starts again in %" PRIu64 " ms", process->name, delay);
    evtimer_add(process->start_timer, &after);
}

static void process_start(struct process *process)
{
    struct supervisor *s = process->supervisor;
    char *argv[] = {process->path, "--name", process->name, NULL};
    char **environment = environment_for(process->program->process, s->own, environ);
    int log = data_folder_open_log(s->folder, process->name);
    process->pid = launch(&(struct launch){process->path, argv, environment, log});
    if (log >= 0) close(log);
    free(environment);
    if (process->pid > 0) data_folder_write_pid(s->folder, process->name, process->pid);
    if (process->pid < 0) start_later(process);
}

static void on_start_timer(evutil_socket_t fd, short what, void *context)
{
    struct process *process = context;
    (void)fd, (void)what;
    process_start(process);
    if (process->pid > 0) complain("%s started again (pid %d)", process->name, (int)process->pid);
}

static void process_add(struct supervisor *s, const struct program *program, const char *name)
{
    struct process *process = &s->processes[s->count++];
    *process = (struct process){.supervisor = s, .program = program};
    snprintf(process->name, sizeof(process->name), "%s", name);
    process->path = launch_sibling(program->file);
    process->start_timer = evtimer_new(s->base, on_start_timer, process);
}

static void add_all(struct supervisor *s)
{
    const uint64_t *counts = s->options->counts;
    s->processes = xcalloc(1 + counts[0] + counts[1] + counts[2], sizeof(*s->processes));
    process_add(s, &programs[0], programs[0].name);
    for (size_t pool = 0; pool < POOL_PROGRAMS; pool++) {
        for (uint64_t i = 1; i <= counts[pool]; i++) {
            char name[32];
            snprintf(name, sizeof(name), "%s-%" PRIu64, programs[pool + 1].name, i);
            process_add(s, &programs[pool + 1], name);
        }
    }
}

/* One that ends by itself before the system was ever ready has told its log why, and would do so
 * again; one that was killed is started again like any other. */
static void process_ended(struct process *process, int status)
{
    struct supervisor *s = process->supervisor;
    process->pid = 0;
    if (s->stopping) return;
    complain("%s %s", process->name, launch_describe(status));
    if (!s->ready && WIFEXITED(status)) {
        data_folder_show_log(s->folder, process->name);
        stop_begin(s, 1);
        return;
    }
    start_later(process);
}

static bool signal_all(struct supervisor *s, unsigned processes, int number)
{
    bool any = false;
    for (size_t i = 0; i < s->count; i++) {
        struct process *process = &s->processes[i];
        if (process->pid <= 0 || !(process->program->process & processes)) continue;
        any = true;
        if (number) kill(process->pid, number);
    }
    return any;
}

/* --- helpers --- */

/* A helper talks to the store or to the gateway, as the operator would. */
static void helper_start(struct supervisor *s, char *const *argv)
{
    char *path = launch_sibling("millrace");
    char **environment = environment_for(OF_RETRIEVER | OF_CLI, s->own, environ);
    s->helper = argv[1];
    s->helper_pid = launch(&(struct launch){path, argv, environment, -1});
    free(environment);
    free(path);
    if (s->helper_pid < 0) {
        s->helper_pid = 0;
        stop_begin(s, 1);
    }
}

static void migrate(struct supervisor *s)
{
    helper_start(s, (char *[]){"millrace", "migrate", "--quiet", NULL});
}

static void prepare(struct supervisor *s)
{
    char url[64];
    const uint64_t *counts = s->options->counts;
    bool every_pool = counts[0] && counts[1] && counts[2];
    char *argv[10] = {"millrace", "prepare", "--url", url};
    size_t count = 4;
    snprintf(url, sizeof(url), "http://127.0.0.1:%" PRIu64, s->options->port);
    if (!every_pool) argv[count++] = "--without-workers";
    if (s->options->demo && every_pool && !s->store_away) {
        argv[count++] = "--demo";
        argv[count++] = (char *)s->options->demo;
        argv[count++] = "--mark";
        argv[count++] = (char *)data_folder_path(s->folder, "demo.loaded");
    }
    helper_start(s, argv);
}

static void redirect_to_log(const struct supervisor *s)
{
    int log = data_folder_open_log(s->folder, "up");
    if (log < 0) return;
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(log);
}

static void announce(struct supervisor *s)
{
    s->ready = true;
    printf("ready: http://127.0.0.1:%" PRIu64 " (embedder %s)\n", s->options->port,
           s->settings->embedder);
    fflush(stdout);
    if (s->options->detach) redirect_to_log(s);
}

static void helper_ended(struct supervisor *s, int status)
{
    bool migrated = !strcmp(s->helper, "migrate");
    s->helper_pid = 0;
    if (s->stopping) return;
    s->store_away = migrated && WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL;
    if (s->store_away) {
        complain("starting without the store, which is used as soon as it is there%s",
                 s->options->demo ? "; the demo is loaded by the next start" : "");
    } else if (status) {
        complain("%s %s", s->helper, launch_describe(status));
        stop_begin(s, 1);
        return;
    }
    if (migrated) {
        for (size_t i = 0; i < s->count; i++) process_start(&s->processes[i]);
        prepare(s);
    } else {
        announce(s);
    }
}

/* --- stopping --- */

static void stop_step(struct supervisor *s)
{
    while (s->stop_step < ARRAY_LEN(stop_order)) {
        if (signal_all(s, stop_order[s->stop_step], 0)) return;
        s->stop_step++;
        if (s->stop_step == ARRAY_LEN(stop_order)) break;
        struct timeval limit = clock_timeval_ms(s->settings->drain_timeout_ms + STOP_GRACE_MS);
        evtimer_add(s->stop_deadline, &limit);
        signal_all(s, stop_order[s->stop_step], SIGTERM);
    }
    if (!s->helper_pid) event_base_loopbreak(s->base);
}

static void stop_begin(struct supervisor *s, int status)
{
    struct timeval limit = clock_timeval_ms(s->settings->drain_timeout_ms + STOP_GRACE_MS);
    s->stopping = true;
    s->status = status;
    for (size_t i = 0; i < s->count; i++) evtimer_del(s->processes[i].start_timer);
    if (s->helper_pid > 0) kill(s->helper_pid, SIGTERM);
    evtimer_add(s->stop_deadline, &limit);
    signal_all(s, stop_order[0], SIGTERM);
    stop_step(s);
}

static void on_stop_deadline(evutil_socket_t fd, short what, void *context)
{
    struct supervisor *s = context;
    (void)fd, (void)what;
    complain("some processes have not stopped in time and are killed");
    signal_all(s, stop_order[s->stop_step], SIGKILL);
}

/* The first asks, the second insists. */
static void on_stop_signal(evutil_socket_t number, short what, void *context)
{
    struct supervisor *s = context;
    (void)number, (void)what;
    if (s->stopping) {
        signal_all(s, OF_ALL, SIGKILL);
        return;
    }
    complain("stopping ...");
    stop_begin(s, s->ready ? 0 : 1);
}

/* --- the loop --- */

static struct process *process_of(struct supervisor *s, pid_t pid)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->processes[i].pid == pid) return &s->processes[i];
    return NULL;
}

static void on_child(evutil_socket_t number, short what, void *context)
{
    struct supervisor *s = context;
    int status;
    pid_t pid;
    (void)number, (void)what;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct process *process = process_of(s, pid);
        if (process)
            process_ended(process, status);
        else if (pid == s->helper_pid)
            helper_ended(s, status);
    }
    if (s->stopping) stop_step(s);
}

#define SIGNALS 4

static void watch_signals(struct supervisor *s, struct event **signals)
{
    static const struct {
        int number;
        event_callback_fn call;
    } watched[SIGNALS] = {{SIGCHLD, on_child},
                          {SIGINT, on_stop_signal},
                          {SIGTERM, on_stop_signal},
                          {SIGHUP, on_stop_signal}};
    bool stays_after_logout = signal(SIGHUP, SIG_IGN) == SIG_IGN; /* nohup deploy/up */
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIGNALS; i++) {
        signals[i] = evsignal_new(s->base, watched[i].number, watched[i].call, s);
        if (watched[i].number != SIGHUP || !stays_after_logout) event_add(signals[i], NULL);
    }
}

static void supervisor_free(struct supervisor *s)
{
    for (size_t i = 0; i < s->count; i++) {
        event_free(s->processes[i].start_timer);
        free(s->processes[i].path);
    }
    for (size_t i = 0; i < OWN_MAX; i++) free(s->own[i]);
    free(s->processes);
    event_free(s->stop_deadline);
    event_base_free(s->base);
}

int supervisor_run(const struct supervise_options *options, const struct settings *settings,
                   struct data_folder *folder)
{
    struct supervisor s = {.options = options, .settings = settings, .folder = folder};
    struct event *signals[SIGNALS];
    s.base = event_base_new();
    s.stop_deadline = evtimer_new(s.base, on_stop_deadline, &s);
    watch_signals(&s, signals);
    tell_all(&s);
    add_all(&s);
    migrate(&s);
    event_base_dispatch(s.base);
    for (size_t i = 0; i < SIGNALS; i++) event_free(signals[i]);
    supervisor_free(&s);
    return s.status;
}
