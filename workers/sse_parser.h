/* Server-sent events out of a byte stream that is cut anywhere (WHATWG HTML, "Server-sent events"):
 * LF, CR and CRLF line ends, comments, several data lines an event, a byte-order mark at the front.
 * One parser for all providers. Pure. */
#ifndef MILLRACE_WORKERS_SSE_PARSER_H
#define MILLRACE_WORKERS_SSE_PARSER_H

#include "common/buffer.h"
#include "common/errors.h"

struct sse_event {
    struct slice name; /* of `event:`; empty: none */
    struct slice data; /* data lines joined by LF */
};

struct sse_parser;

/* An event of more than `event_bytes_max` bytes is an error. */
struct sse_parser *sse_parser_new(size_t event_bytes_max);
void sse_parser_destroy(struct sse_parser **parser);
/* Takes the next whole event out of *bytes, which is advanced past what was read. False when there
 * is none yet (all bytes are taken then), or on an error. The event's texts are valid until the
 * next call. */
bool sse_parser_next(struct sse_parser *parser, struct slice *bytes, struct sse_event *event);
/* ERR_PROVIDER_BAD_RESPONSE once an event was too large; the parser reads nothing more then. */
err_t sse_parser_error(const struct sse_parser *parser);

#endif
