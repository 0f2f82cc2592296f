#include "deploy/cli/sse.h"

/* A line of the stream, without its end. Comments and fields other than data are not ours. */
static void take_line(struct sse_reader *reader, struct slice line)
{
    static const char field[] = "data:";
    size_t len = sizeof(field) - 1;
    if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
    if (!line.len) {
        if (reader->data.len) reader->on_data(reader->context, buffer_slice(&reader->data));
        reader->data.len = 0;
        return;
    }
    if (line.len < len || memcmp(line.ptr, field, len) != 0) return;
    if (line.len > len && line.ptr[len] == ' ') len++;
    if (reader->data.len) buffer_append_char(&reader->data, '\n');
    buffer_append(&reader->data, line.ptr + len, line.len - len);
}

void sse_feed(struct sse_reader *reader, struct slice bytes)
{
    buffer_append_slice(&reader->line, bytes);
    size_t begin = 0;
    for (size_t i = reader->line.len - bytes.len; i < reader->line.len; i++) {
        if (reader->line.data[i] != '\n') continue;
        take_line(reader, (struct slice){reader->line.data + begin, i - begin});
        begin = i + 1;
    }
    buffer_consume(&reader->line, begin);
}

void sse_free(struct sse_reader *reader)
{
    buffer_free(&reader->line);
    buffer_free(&reader->data);
}
