#include "common/base.h"

#include <stdlib.h>
#include <unistd.h>

static void *checked(void *memory)
{
    static const char message[] = "fatal: out of memory\n";
    if (memory) return memory;
    if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0) _exit(71);
    _exit(71);
}

void *xmalloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1));
}

void *xgrow(void *old, size_t *capacity, size_t need, size_t size)
{
    size_t grown = *capacity ? *capacity : 8;
    if (need <= *capacity) return old;
    while (grown < need) grown *= 2;
    old = checked(reallocarray(old, grown, size));
    *capacity = grown;
    return old;
}

void *xaligned(size_t size)
{
    enum { ALIGNMENT = 64 };
    size_t whole = (MAX(size, 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return memset(checked(aligned_alloc(ALIGNMENT, whole)), 0, whole);
}

char *xstrdup(const char *text)
{
    return checked(strdup(text));
}

char *xstrndup(const char *text, size_t len)
{
    char *copy = xmalloc(len + 1);
    if (len) memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}
