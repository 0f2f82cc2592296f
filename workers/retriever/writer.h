/* The helper thread that writes, so that no commit and no parse ever holds the loop.
 *
 *      loop                               helper thread
 *      writer_push ──▶ small queue ──▶ small(): all that wait, as one group
 *                 └──▶ bulk queue  ──▶ bulk(): a bounded piece of work, small ones served in
 * between done() ◀── eventfd ◀── writer_finish
 *
 * Small writes go first: what waits while one group commits is the next group. */
#ifndef MILLRACE_RETRIEVER_WRITER_H
#define MILLRACE_RETRIEVER_WRITER_H

#include "common/mailbox.h"

struct writer;

/* What is to be written is mail: part of the caller's own struct, which owns it. */
struct writer_work {
    /* On the helper: writes a whole list and gives every one of it to writer_finish. */
    void (*small)(void *context, struct mail *list);
    /* On the helper: does a piece of bulk work, taking writes with writer_next_bulk as it goes.
     * True while it has more without taking another. */
    bool (*bulk)(void *context);
    /* On the helper, now and then: housekeeping. Returns when it wants to come again, in ms. */
    unsigned (*idle)(void *context);
    /* On the loop: a write that was finished. */
    void (*done)(void *context, struct mail *write);
};

/* `work` must live on. Nothing runs before writer_start, so that the caller can put the writer
 * where its `work` looks for it. */
struct writer *writer_new(struct event_base *base, const struct writer_work *work,
                          void *context) MUST_USE;
void writer_start(struct writer *writer);
/* Finishes what was pushed (done() comes from here), then ends the thread. */
void writer_destroy(struct writer **writer);
void writer_push(struct writer *writer, struct mail *write, bool bulk);

/* --- on the helper --- */

/* The next bulk write, or NULL. */
struct mail *writer_next_bulk(struct writer *writer);
/* Serves the small writes that wait, now. Call it between steps of bulk work, outside of any
 * transaction. */
void writer_serve_small(struct writer *writer);
/* Hands a write back to the loop. */
void writer_finish(struct writer *writer, struct mail *write);

#endif
