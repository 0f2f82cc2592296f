/* millrace health: is the gateway alive, or the worker that touches a file? For health checks: one
 * look, no waiting, the exit status says it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "deploy/cli/cli.h"
#include "deploy/cli/client.h"

#define FRESH_S 5 /* workers touch their file every second */

static const char usage[] =
    "usage: millrace health [--url URL | --file FILE]\n"
    "\nEnds with status 0 if the server answers /healthz, or the worker whose ALIVE_FILE it is\n"
    "touched it just now; else with 1.\n";

static const struct option flags[] = {
    {"file", required_argument, NULL, 'f'},
    {"url", required_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool read_options(int argc, char **argv, const char **url, const char **file)
{
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'f': *file = optarg; break;
        case 'u': *url = optarg; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    if (optind < argc) complain("unexpected argument %s", argv[optind]);
    return optind == argc;
}

static bool worker_is_heard(const char *file)
{
    struct stat status;
    if (stat(file, &status)) {
        complain("there is no %s: no gateway has heard the worker yet", file);
        return false;
    }
    long long age_s = (long long)(time(NULL) - status.st_mtime);
    if (age_s > FRESH_S) complain("no gateway has heard the worker for %lld s", age_s);
    return age_s <= FRESH_S;
}

static bool server_is_alive(const char *url)
{
    struct reply reply;
    struct client *client = client_new(url);
    bool alive = client_call(client, "GET", "/healthz", NULL, &reply);
    if (!alive) complain("%s", reply.error);
    reply_free(&reply);
    client_destroy(&client);
    return alive;
}

int health_main(int argc, char **argv)
{
    const char *url = NULL, *file = NULL;
    if (!read_options(argc, argv, &url, &file)) return EXIT_USAGE;
    return (file ? worker_is_heard(file) : server_is_alive(url)) ? 0 : 1;
}
