#include "common/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_BYTES 64 /* what is written piece by piece is rarely less */

char *buffer_reserve(struct buffer *buffer, size_t len)
{
    size_t need = buffer->len + len;
    if (need > buffer->capacity)
        buffer->data = xgrow(buffer->data, &buffer->capacity, MAX(need, (size_t)FIRST_BYTES), 1);
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

void buffer_append_number(struct buffer *buffer, uint64_t number)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof(digits);
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    buffer_append(buffer, digits + at, sizeof(digits) - at);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args, again;
    char *to = buffer_reserve(buffer, FIRST_BYTES);
    size_t room = buffer->capacity - buffer->len;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(to, room, format, args);
    if (len >= 0 && (size_t)len >= room)
        vsnprintf(buffer_reserve(buffer, (size_t)len + 1), (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    buffer->len += (size_t)MAX(len, 0);
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
