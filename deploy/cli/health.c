/* millrace health: is the gateway alive? For health checks: one look, no waiting, the exit status
 * says it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "deploy/cli/cli.h"
#include "deploy/cli/client.h"

static const char usage[] = "usage: millrace health [--url URL]\n"
                            "\nEnds with status 0 if the server answers /healthz, else with 1.\n";

static const struct option flags[] = {
    {"url", required_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool read_options(int argc, char **argv, const char **url)
{
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'u': *url = optarg; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    if (optind < argc) complain("unexpected argument %s", argv[optind]);
    return optind == argc;
}

int health_main(int argc, char **argv)
{
    const char *url = NULL;
    struct reply reply;
    if (!read_options(argc, argv, &url)) return EXIT_USAGE;
    struct client *client = client_new(url);
    bool alive = client_call(client, "GET", "/healthz", NULL, &reply);
    if (!alive) complain("%s", reply.error);
    reply_free(&reply);
    client_destroy(&client);
    return alive ? 0 : 1;
}
