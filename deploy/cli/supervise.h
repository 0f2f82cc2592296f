/* What `millrace supervise` was asked for. */
#ifndef MILLRACE_CLI_SUPERVISE_H
#define MILLRACE_CLI_SUPERVISE_H

#include "common/settings.h"
#include "deploy/cli/data_folder.h"
#include "deploy/cli/secrets.h"

#define POOL_PROGRAMS 3

struct supervise_options {
    uint64_t port;                  /* of HTTP; the four after it serve the workers */
    uint64_t counts[POOL_PROGRAMS]; /* embedders, retrievers, generators */
    const char *data;
    const char *demo; /* folder of the demo's documents; NULL: none */
    bool no_demo;
    bool detach;
    char kms_key[SECRET_SIZE]; /* of the data folder; "" where the environment gives one */
    char kms_key_previous[SECRET_SIZE];
};

/* Runs the system until it is told to stop. Returns the exit status. */
int supervisor_run(const struct supervise_options *options, const struct settings *settings,
                   struct data_folder *folder);

#endif
