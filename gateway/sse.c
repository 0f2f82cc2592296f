#include "gateway/sse.h"

#include "common/json_text.h"

static const struct sse_frame token_frame = {
    SLICE("data: {\"type\":\"token\",\"content\":\""),
    SLICE("\"}\n\n"),
};

static bool is_continuation(char c)
{
    return (c & 0xC0) == 0x80;
}

/* The length of the code point at the front of non-empty text, at most four bytes; a stray
 * continuation byte counts alone. */
static size_t code_point_length(struct slice text)
{
    size_t len = 1;
    while (len < text.len && len < 4 && is_continuation(text.ptr[len])) len++;
    return is_continuation(text.ptr[0]) ? 1 : len;
}

/* Only ASCII is ever escaped, and ASCII is a code point of its own. */
static size_t escaped_length(struct slice text, size_t len)
{
    return len > 1 ? len : json_escaped_size((unsigned char)text.ptr[0]);
}

static size_t write_code_point(struct slice text, size_t len, char *out)
{
    if (len == 1) return json_escape((unsigned char)text.ptr[0], out);
    memcpy(out, text.ptr, len);
    return len;
}

size_t sse_text(const struct sse_frame *frame, struct slice *text, char *out, size_t max)
{
    struct slice rest = *text;
    size_t used = frame->head.len, tail_len = frame->tail.len;
    max = MIN(max, (size_t)SSE_EVENT_BYTES_MAX);
    if (max < used + tail_len) return 0;
    memcpy(out, frame->head.ptr, used);
    while (rest.len) {
        size_t len = code_point_length(rest);
        if (used + escaped_length(rest, len) + tail_len > max) break;
        used += write_code_point(rest, len, out + used);
        rest.ptr += len;
        rest.len -= len;
    }
    if (rest.len == text->len) return 0;
    memcpy(out + used, frame->tail.ptr, tail_len);
    *text = rest;
    return used + tail_len;
}

size_t sse_token(struct slice *text, char *out, size_t max)
{
    return sse_text(&token_frame, text, out, max);
}

void sse_done(struct slice members, struct buffer *out)
{
    buffer_append_text(out, "data: {\"type\":\"done\",");
    buffer_append_slice(out, members);
    buffer_append_text(out, "}\n\n");
}

void sse_error(err_t error, bool retryable, const char *message, struct buffer *out)
{
    buffer_append_text(out, "data: {\"type\":\"error\",\"message\":");
    json_append_string(out, slice_of(message));
    buffer_append_text(out, ",\"code\":");
    json_append_string(out, slice_of(error_code(error)));
    buffer_printf(out, ",\"retryable\":%s}\n\n", retryable ? "true" : "false");
}
