/* One HTTP/1.1 response while it arrives, and whether it is a whole answer: the benchmark must not
 * count refusals, cut streams or empty texts as speed. Pure: bytes in, a verdict out. */
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
    size_t tokens;        /* token events so far */
    bool text;            /* some text was there */
    bool done;            /* the `done` event, or an answer's own JSON */
    bool error;           /* an `error` event */
    bool recorded;        /* the turn has a message id */
    bool cached;
};

/* Ready for the next response; memory is kept. */
void answer_reset(struct answer *answer);
void answer_feed(struct answer *answer, const char *bytes, size_t len);
/* NULL for a whole answer with text in it, else why it is none; a fixed text. With `plain`, any
 * whole response of status 200 will do. */
const char *answer_fault(const struct answer *answer, bool plain);
void answer_free(struct answer *answer);

#endif
