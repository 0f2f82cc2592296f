/* millrace supervise: checks what was asked for, takes the data folder, steps into the background
 * if it is to, and runs the supervisor. */
#include "deploy/cli/supervise.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/cli/cli.h"

#define PORTS         5 /* HTTP, a lane for each pool, tokens */
#define PROCESSES_MAX 64

static const char usage[] =
    "usage: millrace supervise [--port N] [--data DIR] [--demo DIR] [--no-demo] [--detach]\n"
    "                          [--embedders N] [--retrievers N] [--generators N]\n"
    "\nRuns gateway and workers on 127.0.0.1 until SIGTERM or Ctrl-C, and starts again what dies.\n"
    "deploy/up, which builds first and knows the demo, is what people call.\n";

static const struct option flags[] = {
    {"embedders", required_argument, NULL, 0},  {"retrievers", required_argument, NULL, 1},
    {"generators", required_argument, NULL, 2}, {"port", required_argument, NULL, 'p'},
    {"data", required_argument, NULL, 'd'},     {"demo", required_argument, NULL, 'm'},
    {"no-demo", no_argument, NULL, 'n'},        {"detach", no_argument, NULL, 'b'},
    {"help", no_argument, NULL, 'h'},           {0},
};

static bool read_flag(int flag, struct supervise_options *options)
{
    static const char *const counted[] = {"--embedders", "--retrievers", "--generators"};
    switch (flag) {
    case 0:
    case 1:
    case 2: return parse_whole(counted[flag], optarg, 0, PROCESSES_MAX, &options->counts[flag]);
    case 'p': return parse_whole("--port", optarg, 1, 65536 - PORTS, &options->port);
    case 'd': options->data = optarg; return true;
    case 'm': options->demo = optarg; return true;
    case 'n': options->no_demo = true; return true;
    case 'b': options->detach = true; return true;
    case 'h': fputs(usage, stdout); exit(0);
    default: return false; /* getopt has told */
    }
}

static bool read_options(int argc, char **argv, struct supervise_options *options)
{
    int flag;
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
        if (!read_flag(flag, options)) return false;
    }
    if (options->no_demo) options->demo = NULL;
    if (optind < argc) complain("unexpected argument %s (--help lists the options)", argv[optind]);
    return optind == argc;
}

static bool port_is_free(uint64_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    bool is_free = !bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 1);
    int why = errno;
    close(fd);
    if (!is_free && why == EADDRINUSE)
        complain("port %" PRIu64 " is taken by another program; choose others with --port", port);
    else if (!is_free)
        complain("port %" PRIu64 " cannot be used: %s", port, strerror(why));
    return is_free;
}

static bool ports_are_free(uint64_t first)
{
    for (uint64_t port = first; port < first + PORTS; port++)
        if (!port_is_free(port)) return false;
    return true;
}

static pid_t background;

static void on_stop_signal(int number)
{
    kill(background, number);
}

/* Passes on what the background process says until it is ready, which it says with one line on the
 * same pipe. Returns the exit status. */
static int watch_background(int from)
{
    char line[4096];
    FILE *said = fdopen(from, "r");
    signal(SIGINT, on_stop_signal);
    signal(SIGTERM, on_stop_signal);
    while (said && fgets(line, sizeof(line), said)) {
        bool ready = !strncmp(line, "ready:", 6);
        fputs(line, ready ? stdout : stderr);
        if (ready) return fflush(stdout) != 0;
    }
    waitpid(background, NULL, 0);
    return 1;
}

/* The caller's process ends here with the outcome; the rest goes on in a process that no terminal
 * reaches, with standard output and error on a pipe to the caller. */
static void step_into_background(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) exit(1);
    background = fork();
    if (background < 0) exit(1);
    if (background > 0) {
        close(ends[1]);
        _exit(watch_background(ends[0]));
    }
    close(ends[0]);
    setsid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
}

/* A key that the environment gives goes to the generators as it is; else the folder has one. */
static bool find_keys(const struct settings *settings, const struct data_folder *folder,
                      struct supervise_options *options)
{
    bool found = true;
    if (!*settings->agent_kms_key)
        found = secret_read_or_make(folder->path, SECRET_KMS, options->kms_key);
    if (found && !*settings->agent_kms_key_previous)
        found = secret_read(folder->path, SECRET_KMS_PREVIOUS, options->kms_key_previous);
    return found;
}

int supervise_main(int argc, char **argv)
{
    struct supervise_options options = {.data = "var", .counts = {1, 1, 1}};
    struct settings settings;
    struct data_folder folder;
    char *no_flags[] = {argv[0], NULL};
    /* Every process would refuse a wrong setting; here it is said before anything starts. */
    if (settings_load(OF_ALL, "millrace supervise", 1, no_flags, &settings, NULL)) return 1;
    options.port = MIN(settings.http_port, (uint64_t)65536 - PORTS);
    if (!read_options(argc, argv, &options)) return EXIT_USAGE;
    if (!data_folder_open(options.data, &folder)) return 1;
    if (!ports_are_free(options.port) || !find_keys(&settings, &folder, &options)) {
        data_folder_close(&folder);
        return 1;
    }
    if (options.detach) step_into_background();
    data_folder_claim(&folder, getpid());
    int status = supervisor_run(&options, &settings, &folder);
    data_folder_close(&folder);
    return status;
}
