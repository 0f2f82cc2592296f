/* Server-sent events, byte for byte what chat clients read. Pure.
 *
 *     data: {"type":"token","content":"The projects in"}
 *     data: {"type":"done","citations":[...],"cached":false, ...}
 *     data: {"type":"error","message":"...","code":"provider_timeout","retryable":true}
 *     : keepalive
 *
 * each with an empty line behind it. */
#ifndef MILLRACE_GATEWAY_SSE_H
#define MILLRACE_GATEWAY_SSE_H

#include "common/buffer.h"
#include "common/errors.h"

#define SSE_EVENT_BYTES_MAX 1024 /* of a token event, empty line included */
#define SSE_KEEPALIVE       ": keepalive\n\n"

/* What stands around the text of an event, the empty line included. */
struct sse_frame {
    struct slice head, tail;
};

/* Writes one event of at most `max` bytes (never above SSE_EVENT_BYTES_MAX) with as much as fits
 * from the front of *text, escaped for JSON, which is cut between two code points and advanced.
 * Returns the event's length; 0, with nothing taken, when not even one code point fits or *text is
 * empty. */
size_t sse_text(const struct sse_frame *frame, struct slice *text, char *out, size_t max);
/* A token event. */
size_t sse_token(struct slice *text, char *out, size_t max);

/* Appends the event that ends a whole answer. `members` is JSON members without braces. */
void sse_done(struct slice members, struct buffer *out);
/* Appends the event that ends any other. `message` is for people. */
void sse_error(err_t error, bool retryable, const char *message, struct buffer *out);

#endif
