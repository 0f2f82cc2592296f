/* The digest of what was said before: names a history in the keys of answers, so that a follow-up
 * is never answered from one that did not see it. Pure. */
#ifndef MILLRACE_PROTO_HISTORY_H
#define MILLRACE_PROTO_HISTORY_H

#include "common/sha256.h"
#include "proto/records.h"

/* SHA-256 over role and content of each message, in order. Writes lower-case hex and a NUL. */
void history_digest(const struct list *messages, char hex[SHA256_HEX + 1]);

#endif
