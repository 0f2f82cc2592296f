/* Which variables a process of a local system sees: those that every program needs, the settings
 * that name it, and the secrets and addresses of the one outside party it talks to. Nothing else,
 * so that a key given to the whole system reaches one process only. */
#ifndef MILLRACE_CLI_ENVIRONMENT_H
#define MILLRACE_CLI_ENVIRONMENT_H

#include "common/settings.h"

/* `own` is what the supervisor decides ("HTTP_PORT=8000"), NULL-terminated; it is filtered like the
 * rest, and goes before `all`, the environment to choose from. Caller frees the array; the strings
 * stay their owners'. */
char **environment_for(enum settings_of process, char *const *own, char *const *all) MUST_USE;

#endif
