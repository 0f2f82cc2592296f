/* Starting a program as a child that ends with its parent. */
#ifndef MILLRACE_CLI_LAUNCH_H
#define MILLRACE_CLI_LAUNCH_H

#include <sys/types.h>

#include "common/base.h"

struct launch {
    const char *program; /* path */
    char *const *argv;
    char *const *environment;
    int output; /* its standard output and error go here; -1: where ours go */
};

/* The child reads nothing from standard input, has a session of its own (so that Ctrl-C reaches the
 * supervisor alone) and gets SIGTERM when this process dies. A program that cannot be run is a
 * child that ends with 127. -1 when there can be no child at all. */
pid_t launch(const struct launch *launch) MUST_USE;
/* The path of a program that lies beside this one. Caller owns the return value. */
char *launch_sibling(const char *name) MUST_USE;
/* "was killed by signal 9", "ended with status 1"; valid until the next call. */
const char *launch_describe(int status);

#endif
