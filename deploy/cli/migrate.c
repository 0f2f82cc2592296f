/* millrace migrate: brings the schema of the store up to what this program knows. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/settings.h"
#include "deploy/cli/cli.h"
#include "workers/retriever/store.h"

static const char usage[] = "usage: millrace migrate [--quiet] [--database-url URL]\n"
                            "\nCreates or updates the schema of the store that DATABASE_URL names. "
                            "Exit status 75: its server\n"
                            "is away, and may be there later.\n";

static const struct option flags[] = {
    {"quiet", no_argument, NULL, 'q'},
    {"database-url", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool read_options(int argc, char **argv, struct settings *settings, bool *quiet)
{
    char *environment_only[] = {argv[0], NULL};
    if (settings_load(OF_CLI, "millrace migrate", 1, environment_only, settings, NULL))
        return false;
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'q': *quiet = true; break;
        case 'd': settings->database_url = optarg; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    if (optind < argc) complain("unexpected argument %s", argv[optind]);
    return optind == argc;
}

int migrate_main(int argc, char **argv)
{
    struct settings settings;
    bool quiet = false;
    unsigned from, to;
    if (!read_options(argc, argv, &settings, &quiet)) return EXIT_USAGE;
    log_open("migrate", "warn");
    err_t error = store_migrate(settings.database_url, &from, &to);
    if (error) {
        complain("the store cannot be brought up to date: %s: %s", error_code(error),
                 error_text(error));
        return error == ERR_STORE_UNAVAILABLE ? EX_TEMPFAIL : 1;
    }
    if (!quiet && from == to)
        printf("the schema is up to date (version %u)\n", to);
    else if (!quiet)
        printf("the schema went from version %u to %u\n", from, to);
    return 0;
}
