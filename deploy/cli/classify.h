/* millrace classify: what the classifiers say of messages, without a server. */
#ifndef MILLRACE_DEPLOY_CLI_CLASSIFY_H
#define MILLRACE_DEPLOY_CLI_CLASSIFY_H

/* Reads lines of {"id": any, "text": "…"} from standard input and writes a line of {"id", "lang",
 * "level", "top_k", "max_tokens"} for each to standard output. A malformed line is told on standard
 * error by its number and the others go on. Returns the exit status: 1 after a malformed line, 2
 * for arguments it does not know. */
int classify_main(int argc, char **argv);

#endif
