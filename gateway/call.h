/* A request that one job answers: the exchange and the job end in any order, and the call with the
 * later of them.
 *
 *     call_open ─▶ call_submit ─▶ on_end()    the job's end; `http` is NULL where the client left
 *         └───────▶ the client leaves: the job is cancelled, unless it goes on
 */
#ifndef MILLRACE_GATEWAY_CALL_H
#define MILLRACE_GATEWAY_CALL_H

#include "gateway/gateway.h"
#include "gateway/http_server.h"
#include "gateway/lane_io.h"

/* The caller's own struct starts with this; it is freed by free(). */
struct call {
    struct gateway *gateway;
    struct http_request *http; /* NULL once the exchange is over */
    void (*on_end)(struct call *call, const struct job_end *end);
    bool goes_on; /* when its client has left: what it writes may have happened already */
    bool waiting; /* a callback will come */
    uint64_t job; /* 0: none yet */
};

/* `call` is the first member of zeroed memory of its own. */
void call_open(struct call *call, struct gateway *gateway, struct http_request *request);
/* on_end comes unless this fails. The spec's trace is set here. */
err_t call_submit(struct call *call, struct job_spec *spec) MUST_USE;
/* Frees a call that is over on both sides. For who set `waiting` for another callback than a job's
 * end. */
void call_settle(struct call *call);

#endif
