/* Memory that lives as long as one request: allocate freely, free once. */
#ifndef MILLRACE_COMMON_ARENA_H
#define MILLRACE_COMMON_ARENA_H

#include "common/base.h"

/* Zero-initialised is empty. */
struct arena {
    struct arena_block *block;
    size_t used;
    size_t size;
};

/* Zeroed memory, aligned for any type, valid until the arena is freed. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;
/* A copy, with a NUL behind it. */
char *arena_copy(struct arena *arena, struct slice text) MUST_USE;
struct slice arena_slice(struct arena *arena, struct slice text) MUST_USE;
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF(2, 3) MUST_USE;
/* Frees everything; the arena is empty and can be used again. */
void arena_free(struct arena *arena);

#endif
