/* Times as clients read them. */
#ifndef MILLRACE_RETRIEVER_TIMESTAMP_H
#define MILLRACE_RETRIEVER_TIMESTAMP_H

#include "common/arena.h"

/* Milliseconds since 1970 as RFC 3339 in UTC: "2026-01-31T12:00:00.000Z". */
struct slice timestamp_text(struct arena *arena, uint64_t ms);

#endif
