/* A byte buffer that grows. `data` is not NUL-terminated. */
#ifndef MILLRACE_COMMON_BUFFER_H
#define MILLRACE_COMMON_BUFFER_H

#include "common/base.h"

struct buffer {
    char *data;
    size_t len;
    size_t capacity;
};

void buffer_append(struct buffer *buffer, const void *bytes, size_t len);
void buffer_append_slice(struct buffer *buffer, struct slice slice);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_number(struct buffer *buffer, uint64_t number); /* in decimal */
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF(2, 3);
/* Makes room for `len` more bytes and returns where they go; the caller adds to `len` itself. */
char *buffer_reserve(struct buffer *buffer, size_t len);
/* Drops the first `len` bytes. */
void buffer_consume(struct buffer *buffer, size_t len);
void buffer_free(struct buffer *buffer);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->data, buffer->len};
}

#endif
