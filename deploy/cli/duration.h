/* Spans of time as operators write them. Pure. */
#ifndef MILLRACE_CLI_DURATION_H
#define MILLRACE_CLI_DURATION_H

#include "common/base.h"

/* A whole number with s, m, h or d behind it: "90s", "15m", "1h", "30d". Below 1,000,000,000 of
 * them. */
bool duration_read(struct slice text, uint64_t *seconds) MUST_USE;

#endif
