/* One answer of a scripted provider, from the request to its end.
 *
 *          head_ms         first_ms            gap_ms
 *     start ──▶ head (stream) ──▶ piece ────────────▶ piece … ─▶ done
 *          head_ms + first_ms + all the gaps        │
 *     start ───────────────────────▶ whole answer   └ fault: cut, stall, …
 */
#ifndef MILLRACE_TESTS_FAKES_PROVIDER_ANSWER_H
#define MILLRACE_TESTS_FAKES_PROVIDER_ANSWER_H

#include "gateway/http_server.h"
#include "tests/fakes/provider_dialect.h"
#include "tests/fakes/provider_script.h"

struct event_base;

/* In the request's arena. */
struct answer {
    struct event_base *base;
    struct http_request *request;
    const struct provider_dialect *dialect;
    struct provider_script script;
    struct answer_facts facts;
    struct slice text; /* of echo and text=; else what the seed says */
    bool streams;
    bool faulty; /* fault is to happen, and has not */
    struct event *timer;
    void (*then)(struct answer *answer); /* when the timer is due */
    uint64_t due_ns;
    uint64_t given; /* characters */
    bool opened;    /* the events before the text were written */
    bool over;      /* no step follows */
    bool is_out;    /* the first byte was taken */
    ssize_t end;    /* what is told once `out` is empty; 0: wait */
    struct buffer out;
    size_t taken; /* of out */
};

/* Everything above `timer` is filled in, and what is given already. */
void answer_start(struct answer *answer);

/* A line of the log: event, monotonic nanoseconds, number of the request, characters given (or
 * texts to be embedded), model. */
void provider_note(const char *event, uint64_t id, uint64_t given, const char *model);

#endif
