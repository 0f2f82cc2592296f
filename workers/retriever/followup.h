/* What to search for when a question leans on the one before it: "and its licence?" alone finds
 * nothing. Pure. */
#ifndef MILLRACE_RETRIEVER_FOLLOWUP_H
#define MILLRACE_RETRIEVER_FOLLOWUP_H

#include "common/arena.h"
#include "common/language.h"
#include "proto/records.h"

/* The question itself where it stands on its own feet; else, in the arena, with the user's latest
 * question that does behind it. */
struct slice followup_query(const struct language *language, struct slice message,
                            const struct history *history, struct arena *arena);

#endif
