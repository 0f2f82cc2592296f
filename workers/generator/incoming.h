/* An answer's text between the provider, who sends it cut anywhere, and the client's window: made
 * whole code points, without what a provider repeats, in pieces of a bounded size. Pure. */
#ifndef MILLRACE_GENERATOR_INCOMING_H
#define MILLRACE_GENERATOR_INCOMING_H

#include "workers/generator/repetition.h"
#include "workers/generator/text_join.h"

enum { INCOMING_PIECE_MAX = 4096 };

/* Zero-initialised is ready. */
struct incoming {
    struct text_join join;
    struct repetition repetition; /* what is expected to be repeated */
    struct buffer text;           /* whole code points; those before `given` have gone on */
    size_t given;
    size_t bytes; /* that have come, what was repeated apart */
    bool ended;
};

void incoming_free(struct incoming *incoming);
/* Text has come, or with `last` the end. Returns how many malformed bytes and NULs it replaced. */
size_t incoming_add(struct incoming *incoming, struct slice text, bool last);
/* Takes the next piece to give; it is valid until the next incoming_add. False where there is none
 * now. */
bool incoming_next(struct incoming *incoming, struct slice *piece);
/* True when nothing waits to be given. */
bool incoming_is_empty(const struct incoming *incoming);

#endif
