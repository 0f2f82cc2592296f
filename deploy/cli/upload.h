/* Files on their way into a portfolio: several at a time, bounded in number and bytes. */
#ifndef MILLRACE_CLI_UPLOAD_H
#define MILLRACE_CLI_UPLOAD_H

#include "deploy/cli/client.h"
#include "deploy/cli/files.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/tally.h"

/* Sends every file and notes what becomes of it. One that meets a server that is busy or away for a
 * moment is sent again. */
void upload_files(struct client *client, uint64_t portfolio, const struct file_list *files,
                  struct tally *tally, struct progress *progress);
/* Waits until the documents in tally->waiting have their vectors, and counts those that failed.
 * False (said) when the server stops answering. */
bool upload_await(struct client *client, uint64_t portfolio, struct tally *tally,
                  struct progress *progress) MUST_USE;

#endif
