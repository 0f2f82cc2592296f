#include "common/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_BYTES_FIRST 208 /* most requests need little, and thousands may be waiting */
#define BLOCK_BYTES_MAX   8000
#define ALIGNMENT         alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    max_align_t data[];
};

static struct arena_block *block_new(size_t size)
{
    return xcalloc(1, sizeof(struct arena_block) + size);
}

static void *take(struct arena *arena, size_t size)
{
    void *memory = (char *)arena->block->data + arena->used;
    arena->used += size;
    return memory;
}

/* Behind the block that is in use, which stays so with the room it has. */
static void *take_alone(struct arena *arena, size_t size)
{
    struct arena_block *block = block_new(size);
    struct arena_block **at = arena->block ? &arena->block->next : &arena->block;
    block->next = *at;
    *at = block;
    return block->data;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t next = arena->size ? arena->size * 3 / 2 : BLOCK_BYTES_FIRST;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    next = MIN(next, (size_t)BLOCK_BYTES_MAX);
    if (arena->block && arena->size - arena->used >= size) return take(arena, size);
    if (size >= next) return take_alone(arena, size);
    struct arena_block *block = block_new(next);
    block->next = arena->block;
    *arena = (struct arena){.block = block, .size = next};
    return take(arena, size);
}

char *arena_copy(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (text.len) memcpy(copy, text.ptr, text.len);
    return copy;
}

struct slice arena_slice(struct arena *arena, struct slice text)
{
    return (struct slice){arena_copy(arena, text), text.len};
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(arena, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

void arena_free(struct arena *arena)
{
    while (arena->block) {
        struct arena_block *next = arena->block->next;
        free(arena->block);
        arena->block = next;
    }
    *arena = (struct arena){0};
}
