#include "common/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char *buffer_reserve(struct buffer *buffer, size_t len)
{
    buffer->data = xgrow(buffer->data, &buffer->capacity, buffer->len + len, 1);
    return buffer->data + buffer->len;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t len)
{
    if (!len) return;
    memcpy(buffer_reserve(buffer, len), bytes, len);
    buffer->len += len;
}

void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
    buffer_append(buffer, slice.ptr, slice.len);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c)
{
    buffer_append(buffer, &c, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len <= 0) return;
    char *to = buffer_reserve(buffer, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(to, (size_t)len + 1, format, args);
    va_end(args);
    buffer->len += (size_t)len;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    buffer->len -= len;
    if (buffer->len) memmove(buffer->data, buffer->data + len, buffer->len);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
