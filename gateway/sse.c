#include "gateway/sse.h"

#include "common/json_text.h"

static const struct slice token_head = SLICE("data: {\"type\":\"token\",\"content\":\"");
static const struct slice token_tail = SLICE("\"}\n\n");

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

size_t sse_token(struct slice *text, char *out, size_t max)
{
    struct slice rest = *text;
    size_t used = token_head.len;
    max = MIN(max, (size_t)SSE_EVENT_BYTES_MAX);
    if (max < token_head.len + token_tail.len) return 0;
    memcpy(out, token_head.ptr, token_head.len);
    while (rest.len) {
        size_t len = code_point_length(rest);
        if (used + escaped_length(rest, len) + token_tail.len > max) break;
        used += write_code_point(rest, len, out + used);
        rest.ptr += len;
        rest.len -= len;
    }
    if (rest.len == text->len) return 0;
    memcpy(out + used, token_tail.ptr, token_tail.len);
    *text = rest;
    return used + token_tail.len;
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
