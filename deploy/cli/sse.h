/* Reads a text/event-stream as it arrives, in pieces of any size. Pure. */
#ifndef MILLRACE_CLI_SSE_H
#define MILLRACE_CLI_SSE_H

#include "common/buffer.h"

/* Zero-initialised but for the callback is a stream's beginning. */
struct sse_reader {
    void (*on_data)(void *context, struct slice data); /* an event's data, valid during the call */
    void *context;
    struct buffer line; /* unfinished */
    struct buffer data; /* of the unfinished event */
};

void sse_feed(struct sse_reader *reader, struct slice bytes);
void sse_free(struct sse_reader *reader);

#endif
