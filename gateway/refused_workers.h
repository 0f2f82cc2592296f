/* Workers that are refused at their HELLO, because they speak another version of the protocol: for
 * the operator's screen and one line in the log, however often each of them tries. Known by the
 * address they come from, since nothing else of what they say can be read; forgotten when they have
 * not tried for a while. Pure. */
#ifndef MILLRACE_GATEWAY_REFUSED_WORKERS_H
#define MILLRACE_GATEWAY_REFUSED_WORKERS_H

#include "proto/kinds.h"

#define REFUSED_FORGET_MS 30000 /* several of a worker's pauses between two tries */

struct refused_workers;

struct refused_worker {
    const char *address;
    uint64_t protocol; /* the version that it speaks */
    uint64_t times;
    uint64_t last_ms; /* by the caller's clock */
};

struct refused_workers *refused_workers_new(void) MUST_USE;
void refused_workers_destroy(struct refused_workers **refused);
/* A worker has tried. `address` is copied. True where that is news. */
bool refused_workers_note(struct refused_workers *refused, enum pool pool, const char *address,
                          uint64_t protocol, uint64_t now_ms);
/* How many a pool has, those left out that have not tried for REFUSED_FORGET_MS. */
size_t refused_workers_count(struct refused_workers *refused, enum pool pool, uint64_t now_ms);
/* The pool's one at `index`, valid until the next change; false past the end. */
bool refused_workers_at(const struct refused_workers *refused, enum pool pool, size_t index,
                        struct refused_worker *worker);

#endif
