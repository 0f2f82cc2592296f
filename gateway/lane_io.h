/* The lanes as the rest of the gateway sees them: submit a job, hear how it goes, cancel it.
 *
 * Feeds the pure core (lane.h, token_stream.h) with what arrives on the ROUTER and SUB sockets and
 * with the clock, and carries out what it decides. All calls and callbacks are on the loop. */
#ifndef MILLRACE_GATEWAY_LANE_IO_H
#define MILLRACE_GATEWAY_LANE_IO_H

#include <event2/event.h>

#include "common/errors.h"
#include "common/settings.h"
#include "gateway/body.h"
#include "gateway/refused_workers.h"
#include "proto/kinds.h"
#include "proto/messages.h"

struct lane_io;

struct job_spec {
    enum kind kind;
    const char *stages;  /* the itinerary: letters of KIND_LIST's column, stages left out; NULL:
                          * the kind's whole one. Must live as long as the job */
    struct body *body;   /* given away: the lanes hold the reference from here on */
    uint64_t timeout_ms; /* until the deadline */
    uint64_t affinity;   /* portfolio id, or 0: the retriever that has it resident is preferred */
    const char *trace;   /* request id, copied */
    const char *op;      /* operation id of a kind that writes, copied; else NULL */
    struct version_of versions[2]; /* newest that the gateway knows; kind "" ends the list */
    bool tentative; /* its text is shown to nobody before its end: told again otherwise after a
                     * worker's death, the later telling counts */
    bool record;    /* a RECORD: goes to the head of its lane, has limits of its own */
};

/* How a job ended. Everything is valid during the callback only. */
struct job_end {
    err_t error;         /* OK, or what the client is told */
    const char *message; /* for people, of an error of theirs: which member is wrong; may be NULL */
    bool retryable;
    const struct meta *meta;       /* of the last message; zeros where there was none */
    struct slice result;           /* ANSWER's result frame; empty after DONE */
    bool answered;                 /* ended by ANSWER */
    uint64_t attempts;             /* of the last stage */
    uint64_t queue_us[POOL_COUNT]; /* waiting in each lane */
    uint64_t stage_us[POOL_COUNT]; /* from JOB sent to the stage's end */
};

struct job_handler {
    /* More of the answer, without gaps or repeats: `text` starts at byte `at`. That is where the
     * last one ended, or before it where the job is tentative: what came from there on is void. May
     * be NULL for kinds without G. */
    void (*on_text)(void *context, size_t at, struct slice text);
    /* A stage is finished: what it told, and its four frames. May be NULL. */
    void (*on_stage)(void *context, enum pool pool, const struct meta *meta,
                     const struct body *body);
    /* Exactly once a job that was admitted, also after job_cancel; never from inside job_submit or
     * job_cancel. The last callback. */
    void (*on_end)(void *context, const struct job_end *end);
};

struct lane_io *lane_io_new(struct event_base *base, const struct settings *settings);
/* Binds the sockets. ERR_BAD_SETTING (logged, with the address) when one is taken. */
err_t lane_io_open(struct lane_io *io) MUST_USE;
/* Ends every job with ERR_DRAINING, and admits none any more. */
void lane_io_close(struct lane_io *io);
/* Closes it first, unless it is. */
void lane_io_destroy(struct lane_io **io);

/* Admits a job, or refuses it: ERR_LANE_FULL, ERR_NO_WORKER (a pool of its itinerary has no worker
 * and has had none for a while), ERR_DRAINING, ERR_FRAME_TOO_LARGE. `*job` is its id, never 0. The
 * body is consumed either way. */
err_t job_submit(struct lane_io *io, const struct job_spec *spec, const struct job_handler *handler,
                 void *context, uint64_t *job) MUST_USE;
/* Nobody wants this job any more. on_end still comes, with ERR_CANCELLED. Unknown ids are ignored.
 */
void job_cancel(struct lane_io *io, uint64_t job);
/* The client has taken `bytes` of the answer in all: opens the generator's window. */
void job_taken(struct lane_io *io, uint64_t job, uint64_t bytes);

/* Somebody else waits for it too: its deadline is not before `timeout_ms` from now. A worker that
 * has the job already was told the one before; it judges by it only whether a provider is asked
 * again. */
void job_extend(struct lane_io *io, uint64_t job, uint64_t timeout_ms);

/* Told of content that changed (VERSION and what NEXT's meta says), and of work that waits in the
 * store (PENDING). Set once, before lane_io_open. */
struct lane_listener {
    void (*on_version)(void *context, const struct version_of *version);
    void (*on_pending)(void *context, struct slice kind, uint64_t portfolio_id);
};
void lane_io_listen(struct lane_io *io, const struct lane_listener *listener, void *context);

/* True when the pool has a worker that takes jobs. */
bool lane_io_ready(const struct lane_io *io, enum pool pool);
/* What the first ready worker of the pool said it serves; "" if nobody. */
const char *lane_io_serves(const struct lane_io *io, enum pool pool);
/* What keeps the pool's ready workers from their work, as one of them says; "" if there is one that
 * nothing keeps, NULL if none is ready. */
const char *lane_io_trouble(const struct lane_io *io, enum pool pool);
/* Stops admitting; what runs goes on. Jobs in flight, so that the caller knows when all have ended.
 */
void lane_io_drain(struct lane_io *io);
size_t lane_io_jobs(const struct lane_io *io);

/* For the operator's screen and the metrics. */
struct lane_view {
    const char *pool;
    uint64_t queued, queued_bytes, oldest_ms; /* waiting */
    uint64_t in_flight;                       /* at workers */
    uint64_t workers, credits;
    uint64_t troubled;        /* workers that complain */
    uint64_t refused_workers; /* that speak another version of the protocol */
    uint64_t submitted, finished, failed, cancelled, redelivered, refused; /* since the start */
    uint64_t deaths, stale_dropped, garbage, replays, resets;
};
struct worker_view {
    const char *pool, *name, *boot_id, *build, *serves, *state; /* "ready", "draining" */
    const char *trouble; /* what keeps it from its work; "": nothing */
    uint64_t slots, credits, in_flight, progress, last_seen_ms;
};
void lane_io_view(const struct lane_io *io, enum pool pool, struct lane_view *view);
/* The worker at `index` of the pool's list; false past the end. */
bool lane_io_worker(const struct lane_io *io, enum pool pool, size_t index,
                    struct worker_view *view);
/* The same of those that are refused, which lane_io_view counts. */
bool lane_io_refused(const struct lane_io *io, enum pool pool, size_t index,
                     struct refused_worker *worker);

#endif
