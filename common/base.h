/* The few words that every file speaks: slices, sizes, attributes, and allocation that cannot fail.
 *
 * Out of memory ends the process with one log line. A worker that ends is replaced and its jobs go
 * again elsewhere, so carrying on with half an allocation would only hide the trouble; sizes that a
 * client can choose are limited before anything is allocated for them. */
#ifndef MILLRACE_COMMON_BASE_H
#define MILLRACE_COMMON_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

/* Bytes that somebody else owns. Not NUL-terminated. A missing value has ptr NULL and len 0. */
struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* malloc and friends that end the process when memory runs out. Caller owns the return value and
 * frees it with free(). xcalloc zeroes; xgrow doubles an array's capacity until it holds `need`
 * items of `size` bytes and updates *capacity. */
void *xmalloc(size_t size) MUST_USE;
void *xcalloc(size_t count, size_t size) MUST_USE;
void *xrealloc(void *old, size_t size) MUST_USE;
void *xgrow(void *old, size_t *capacity, size_t need, size_t size) MUST_USE;
void *xaligned(size_t size) MUST_USE; /* zeroed, aligned to 64 bytes: for vectors */
char *xstrdup(const char *text) MUST_USE;
char *xstrndup(const char *text, size_t len) MUST_USE; /* adds the NUL */

#endif
