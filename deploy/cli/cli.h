/* The operator command: what its subcommands share. */
#ifndef MILLRACE_CLI_CLI_H
#define MILLRACE_CLI_CLI_H

#include "common/base.h"

/* Subcommands. argv[0] is the subcommand's name; the result is the exit status: 0, 1 when it
 * failed, EXIT_USAGE when it was called wrongly. */
#define EXIT_USAGE 2

int ask_main(int argc, char **argv);
int health_main(int argc, char **argv);
int ingest_main(int argc, char **argv);
int migrate_main(int argc, char **argv);
int prepare_main(int argc, char **argv);
int rekey_main(int argc, char **argv);
int reembed_main(int argc, char **argv);
int supervise_main(int argc, char **argv);
int token_main(int argc, char **argv);

/* A line to standard error, with the program's name in front. */
void complain(const char *format, ...) PRINTF(1, 2);
/* A whole number in least..most, or false (said to standard error, naming `what`). */
bool parse_whole(const char *what, const char *text, uint64_t least, uint64_t most,
                 uint64_t *number) MUST_USE;

#endif
