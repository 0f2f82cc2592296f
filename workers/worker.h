/* The runtime that every pool shares: finds the gateways, keeps a session with each (HELLO,
 * credits, heartbeats, drain), hands jobs to the pool and sends back what becomes of them.
 *
 * A pool is a table of callbacks and one call in main(). Everything happens on one loop; a pool
 * that has long work does it in steps or on a helper thread of its own, and comes back to the loop
 * before it touches a job. */
#ifndef MILLRACE_WORKERS_WORKER_H
#define MILLRACE_WORKERS_WORKER_H

#include <event2/event.h>

#include "common/errors.h"
#include "common/settings.h"
#include "proto/kinds.h"
#include "proto/records.h"

struct worker;
struct job;

enum job_frame { JOB_REQUEST, JOB_HISTORY, JOB_EMBEDDING, JOB_CONTEXT, JOB_PREFIX, JOB_FRAMES };

struct worker_pool {
    enum pool pool;
    enum settings_of settings;
    unsigned slots; /* jobs at once unless SLOTS says otherwise; 0: 64 */
    /* Opens what the pool needs. An error ends the process; the pool has logged why. *context is
     * given to the other callbacks. */
    err_t (*open)(struct worker *worker, void **context);
    /* A job to do. The pool ends it, now or later, by exactly one of job_next, job_answer,
     * job_done, job_fail. */
    void (*start)(void *context, struct job *job);
    /* Nobody wants the job any more: stop its work and end it soon (job_fail with ERR_CANCELLED, or
     * whatever comes first). May be NULL for pools whose jobs are short. */
    void (*cancel)(void *context, struct job *job);
    /* The job may send tokens again after job_token said false. May be NULL. */
    void (*writable)(void *context, struct job *job);
    void (*close)(void *context);
};

/* main() of a pool: settings, log, sessions, loop, drain at SIGTERM and SIGINT. Returns the exit
 * status. */
int worker_main(const struct worker_pool *pool, int argc, char **argv);

struct event_base *worker_base(const struct worker *worker);
const struct settings *worker_settings(const struct worker *worker);
/* What HELLO says this worker offers (an embedder's name). Call it in open(). Copied. */
void worker_serves(struct worker *worker, const char *serves);
/* Ends the process as SIGTERM does: it takes no more jobs, finishes those it has, and goes. For one
 * that cannot serve any more where its successor may. */
void worker_leave(struct worker *worker);
/* Tells every gateway that something has a new version. `kind` is "portfolio" or "agent". */
void worker_announce(struct worker *worker, const char *kind, uint64_t id, uint64_t version);
/* Tells the gateways that work waits in the store; repeat it while that is so. */
void worker_pending(struct worker *worker, const char *kind, uint64_t portfolio_id);

/* Counts something for the operator's metrics (worker_events_total{pool,event}); `name` must live
 * for ever. At most WORKER_COUNTS_MAX names. */
enum { WORKER_COUNTS_MAX = 32 };
void worker_count(struct worker *worker, const char *name, uint64_t by);
/* What keeps the worker from its work now ("openai: provider_auth"), shown in the operator's list
 * of workers; NULL: nothing. Copied. */
void worker_trouble(struct worker *worker, const char *trouble);

/* --- a job --- */
enum kind job_kind(const struct job *job);
unsigned job_stage(const struct job *job);   /* position in the itinerary, from 0 */
uint64_t job_attempt(const struct job *job); /* rises with every delivery, from 1 */
struct slice job_frame(const struct job *job, enum job_frame frame);
const char *job_trace(const struct job *job);    /* the request id */
struct slice job_op(const struct job *job);      /* operation id; empty unless the kind writes */
uint64_t job_deadline_ms(const struct job *job); /* on clock_ms() */
/* The newest version of something that the gateway knew when it sent the job; 0 if it did not say.
 */
uint64_t job_version(const struct job *job, const char *kind, uint64_t id);
uint64_t job_resume_from(const struct job *job); /* bytes of JOB_PREFIX that are to be continued */
struct slice job_prefix_by(const struct job *job); /* provider/model that wrote them */
bool job_cancelled(const struct job *job);
/* The pool's own state of the job. */
void *job_data(const struct job *job);
void job_set_data(struct job *job, void *data);
/* Memory that lives as long as the job. */
struct arena *job_arena(struct job *job);

/* Replaces a frame (copied) of those that job_next passes on. An empty one frees what a job that
 * ends here does not need any more. */
void job_set_frame(struct job *job, enum job_frame frame, struct slice bytes);

/* Who writes this answer, "provider/model": told before the first token, so that after a death the
 * same one may go on from what the client has. Copied. */
void job_set_author(struct job *job, const char *author);
/* The tokens to come go on behind JOB_PREFIX: the first one starts at byte job_resume_from. Only
 * for the author that job_prefix_by names; without this call an answer starts at byte 0. */
void job_continue(struct job *job);
/* Sends a piece of the answer (copied; UTF-8, cut anywhere between code points). The runtime keeps
 * it until the gateway has it. False when the window is full: what was given is kept and sent, but
 * the pool should wait for `writable` before it makes more. */
bool job_token(struct job *job, struct slice text);

/* The four ends of a job; each takes it and clears the pointer. `meta` may be NULL. */
void job_next(struct job **job, const struct meta *meta); /* on to the next pool */
void job_answer(struct job **job, const struct meta *meta,
                struct slice result);                     /* here, with a result */
void job_done(struct job **job, const struct meta *meta); /* all tokens were given */
/* `requeue`: another worker may manage it (only before the first token). `message` is for people
 * and may be NULL. */
void job_fail(struct job **job, err_t error, bool requeue, const char *message,
              const struct meta *meta);

#endif
