/* Lanes: a queue of jobs in front of each worker pool, and what happens to a job until it has
 * ended.
 *
 * The core is pure: lane_step(lanes, event, now) changes the state and leaves a list of actions for
 * the caller (lane_io in the gateway, the simulation in the tests) to carry out in order. It reads
 * no clock, owns no socket and calls nobody back.
 *
 *                        ┌──────────────── worker died, hand-back, ACCEPT late: attempt + 1 ──┐
 *                        ▼                                                                    │
 *   submit ─▶ QUEUED ─ credit ─▶ SENT ─ ACCEPT ─▶ RUNNING ─ NEXT ─▶ QUEUED in the next lane   │
 *               ▲                 │ └─ HELD ─▶ HELD ─┘ │ └─ ANSWER ─▶ ENDED                    │
 *               │                 └────────────────────┤                                      │
 *            BACKOFF ◀─ FAIL{requeue} ─────────────────┤─ DONE, FAIL ─▶ COUNTED ─ tokens ─▶ ENDED
 *                                                      └─ cancel ─▶ CANCELLING ─ FAIL ─▶ ENDED
 *
 * One function, job_move, moves a job between these states; one list holds it in each. A job keeps
 * the body that its last finished stage left, so that it can go again from there. */
#ifndef MILLRACE_GATEWAY_LANE_H
#define MILLRACE_GATEWAY_LANE_H

#include "common/arena.h"
#include "common/errors.h"
#include "gateway/body.h"
#include "gateway/token_stream.h"
#include "proto/kinds.h"
#include "proto/messages.h"

#define LANE_TICK_MS 20 /* how often lane_step wants EVENT_TICK */

struct lanes;

/* Times in milliseconds, sizes in bytes. */
struct lane_limits {
    const char *boot_id; /* the gateway's, for WELCOME; must live on */
    uint64_t heartbeat_ms, liveness;
    uint64_t accept_timeout_ms;
    uint64_t jobs_max, bytes_max, age_max_ms; /* at admission, in every lane of the itinerary */
    uint64_t records_max;                     /* waiting turns, which have this limit only */
    uint64_t requeues_max;
    uint64_t window_tokens, window_bytes;
    uint64_t answer_bytes_max;
    uint64_t no_worker_ms; /* a pool without workers for so long refuses at admission */
};

enum job_state {
    JOB_QUEUED,
    JOB_SENT,
    JOB_HELD,
    JOB_RUNNING,
    JOB_COUNTED,
    JOB_CANCELLING,
    JOB_BACKOFF,
    JOB_ENDED,
    JOB_STATES
};

/* What a job is made of. Texts are copied, the body reference is taken. */
struct lane_job_spec {
    enum kind kind;
    const char *stages; /* letters of the pools; must live as long as the job */
    struct body *body;
    uint64_t timeout_ms;
    uint64_t affinity;
    const char *trace, *op;
    struct version_of versions[2];
    size_t version_count;
    bool record;
    bool tentative; /* its text is shown to nobody before its end: it may be told anew */
    void *owner;    /* the caller's */
};

/* What the caller may read of a job that an action names. */
struct lane_job_view {
    void *owner;
    struct slice answer; /* so far */
    err_t error;
    const char *message; /* the worker's words on a mistake of the caller's; else NULL */
    bool retryable, answered;
    const struct meta *meta;
    struct slice result;
    uint64_t attempts;
    const uint64_t *queue_us, *stage_us; /* by pool */
};

enum lane_event_type {
    EVENT_SUBMIT,  /* job, spec; the answer is lane_step's return value */
    EVENT_CANCEL,  /* job */
    EVENT_TAKEN,   /* job, bytes */
    EVENT_EXTEND,  /* job, timeout_ms: its deadline is not before then */
    EVENT_MESSAGE, /* pool, session, message, body (NEXT; reference taken), result (ANSWER) */
    EVENT_TOKEN,   /* message (TOK) */
    EVENT_GARBAGE, /* pool, session: it sent what cannot be decoded */
    EVENT_LOST,    /* pool, session: its connection is gone */
    EVENT_TICK,
    EVENT_DRAIN, /* admit nothing more but records */
    EVENT_CLOSE, /* admit nothing at all; every job ends with ERR_DRAINING */
};

struct lane_event {
    enum lane_event_type type;
    enum pool pool;
    uint64_t session; /* the caller's number of a connection, never 0, never used twice */
    uint64_t job;
    uint64_t bytes;
    uint64_t timeout_ms;
    const struct lane_job_spec *spec;
    const struct message *message;
    struct body *body;
    struct slice result;
    bool tail; /* DONE, FAIL: tokens came with it, which were given as EVENT_TOKEN before */
};

enum lane_action_type {
    ACTION_SEND,    /* pool, session, message, body (may be NULL), prefix (JOB with resume_from) */
    ACTION_TEXT,    /* job: its answer has grown, from byte `from` on; what was there behind that
                       byte before, where the job is tentative, is void */
    ACTION_STAGE,   /* job, pool: a stage is finished; meta, body */
    ACTION_END,     /* job: the caller reads its view, then calls lane_job_forget */
    ACTION_FORGET,  /* pool, session: the core knows it no more */
    ACTION_VERSION, /* version */
    ACTION_PENDING, /* message (PENDING) */
    ACTION_COUNTS,  /* pool, boot, counts: what a worker has counted since its start */
};

struct lane_action {
    enum lane_action_type type;
    enum pool pool;
    uint64_t session;
    struct lane_job *job;
    size_t from;
    struct body *body; /* a reference that the caller drops */
    struct slice prefix;
    const struct meta *meta;
    struct version_of version;
    uint64_t boot;
    struct list counts;
    struct message message;
};

struct lanes *lanes_new(const struct lane_limits *limits, uint64_t now_us) MUST_USE;
void lanes_destroy(struct lanes **lanes);

/* One step. Everything but EVENT_SUBMIT returns OK; a refused submit is an error of the LIMIT or
 * TRANSIENT kind and leaves no trace but a counter (the body reference is dropped). What actions
 * point to stays valid until the next step. */
err_t lane_step(struct lanes *lanes, const struct lane_event *event, uint64_t now_us);
/* The actions since the last clearing, in order. */
const struct lane_action *lane_actions(const struct lanes *lanes, size_t *count);
void lane_actions_clear(struct lanes *lanes);

uint64_t lane_job_id(const struct lane_job *job);
struct lane_job_view lane_job_view(const struct lane_job *job);
/* Frees an ended job. */
void lane_job_forget(struct lanes *lanes, struct lane_job *job);

size_t lanes_jobs(const struct lanes *lanes);
bool lanes_idle(const struct lanes *lanes); /* no job, no retained body */

struct lane_counters {
    uint64_t submitted, finished, failed, cancelled, redelivered, refused;
    uint64_t deaths, stale, garbage, replays, resets;
};
const struct lane_counters *lane_counters(const struct lanes *lanes, enum pool pool);
uint64_t lane_queued(const struct lanes *lanes, enum pool pool, uint64_t *bytes);
uint64_t lane_oldest_us(const struct lanes *lanes,
                        enum pool pool); /* when it began to wait; 0 none */

/* A session as the operator sees it. */
struct lane_session_view {
    uint64_t session;
    const char *name, *boot_id, *build, *serves, *state, *trouble;
    uint64_t slots, credits, in_flight, progress, heard_us;
};
/* The session at `index` of a pool; false past the end. */
bool lane_session_view(const struct lanes *lanes, enum pool pool, size_t index,
                       struct lane_session_view *view);
/* Checks every invariant of the state; false names the broken one in *what. For tests. */
bool lanes_consistent(const struct lanes *lanes, const char **what);

#endif
