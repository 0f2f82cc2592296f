/* The folder of one local system:
 *
 *   DIR/.millrace      made by us, so that `deploy/down --purge` may remove it
 *   DIR/up.pid         the supervisor's pid; locked for as long as anything runs on this folder
 *   DIR/run/NAME.pid   the processes' own pids, rewritten when one is started again
 *   DIR/log/NAME.log   what they say; NAME.log.1 the part before
 *   DIR/millrace.db    the store, unless DATABASE_URL says another
 *   DIR/secrets/       what nobody else may read: agent_kms_key, made on first start unless given
 *   DIR/demo.loaded    the demo was loaded once; it is not loaded again */
#ifndef MILLRACE_CLI_DATA_FOLDER_H
#define MILLRACE_CLI_DATA_FOLDER_H

#include <sys/types.h>

#include "common/base.h"

struct data_folder {
    char *path; /* absolute */
    int lock;   /* the open, locked up.pid */
};

/* Makes the folder where it is missing and locks it. False (said to standard error) when it cannot
 * be used or something runs on it already. */
bool data_folder_open(const char *path, struct data_folder *folder) MUST_USE;
/* Writes `pid` as the supervisor's. */
void data_folder_claim(const struct data_folder *folder, pid_t pid);
/* Removes the pids and frees the lock. */
void data_folder_close(struct data_folder *folder);

void data_folder_write_pid(const struct data_folder *folder, const char *name, pid_t pid);
/* The log of that name, to append to; a long one is moved aside first. -1 (said) on failure. */
int data_folder_open_log(const struct data_folder *folder, const char *name);
/* Copies the end of a log to standard error, to explain why its process did not start. */
void data_folder_show_log(const struct data_folder *folder, const char *name);
/* "DIR/name", valid until the next call. */
const char *data_folder_path(const struct data_folder *folder, const char *name);

#endif
