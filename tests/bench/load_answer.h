/* One HTTP/1.1 response while it arrives, and whether it is a whole answer: the benchmark must not
 * count refusals, cut streams or empty texts as speed. Reads Millrace's own answers and those of
 * OpenAI's chat completions, whole and as events. Pure: bytes in, a verdict out. */
#ifndef MILLRACE_BENCH_LOAD_ANSWER_H
#define MILLRACE_BENCH_LOAD_ANSWER_H

#include "common/buffer.h"

enum answer_part {
    PART_STATUS, /* status line */
    PART_HEADERS,
    PART_BODY,       /* of known length */
    PART_CHUNK_SIZE, /* or chunked */
    PART_CHUNK,
    PART_CHUNK_END,
    PART_TRAILER,
    PART_ENDED,
    PART_BROKEN, /* not HTTP as this client speaks it */
};

struct answer {
    enum answer_part part;
    int status;
    bool chunked, events; /* how the body comes */
    size_t left;          /* of the body, or of its current chunk */
    struct buffer line;   /* of status, headers and chunk sizes, while incomplete */
    struct buffer body;   /* JSON: all of it; events: what is not read yet */
    struct slice want;    /* the text that it must have, to the byte; empty: any */
    struct buffer piece;  /* of the text, as it was before JSON escaped it */
    size_t told;          /* bytes of text so far */
    bool differs;         /* what came is not what was wanted there */
    size_t tokens;        /* events with text so far */
    bool finished;        /* told why it ended */
    bool done;            /* the last event, or an answer's own JSON */
    bool error;           /* an `error` event */
    bool recorded;        /* the turn has a message id */
    bool cached;
};

/* Ready for the next response; memory and the wanted text are kept. */
void answer_reset(struct answer *answer);
void answer_feed(struct answer *answer, const char *bytes, size_t len);
/* NULL for a whole answer with text in it, else why it is none; a fixed text. With `plain`, any
 * whole response of status 200 will do. */
const char *answer_fault(const struct answer *answer, bool plain);
void answer_free(struct answer *answer);

#endif
