/* The state behind worker.h, shared by worker.c (the process), session.c (a gateway), job.c (a job
 * and its tokens). Pools never include it. */
#ifndef MILLRACE_WORKERS_WORKER_STATE_H
#define MILLRACE_WORKERS_WORKER_STATE_H

#include <zmq.h>

#include "common/arena.h"
#include "common/zmq_watch.h"
#include "proto/codec.h"
#include "proto/fields.h"
#include "workers/alive.h"
#include "workers/credits.h"
#include "workers/gateways.h"
#include "workers/worker.h"

#define VERSIONS_KEPT 64

/*   OPENING ─ subscription came, HELLO sent ─▶ GREETING ─ WELCOME ─▶ SERVING
 *      ▲                                          │                    │
 *      └── pause ◀── CLOSED ◀─────────────────────┴────────────────────┘
 *                        a connection lost, RESET, unsubscribed, silence      */
enum session_state { SESSION_CLOSED, SESSION_OPENING, SESSION_GREETING, SESSION_SERVING };

struct job_queue {
    struct job *first, *last;
    size_t count;
};

/* All jobs of the worker by id, so that a TACK finds its stream among a thousand at once. */
struct job_table {
    struct job **buckets; /* a power of two; a bucket's jobs hang on hash_next */
    size_t bucket_count, count;
};

struct session {
    struct worker *worker;
    char *host; /* numeric */
    unsigned port;
    bool listed; /* GATEWAYS still resolves to it */
    enum session_state state;
    void *jobs_socket, *tokens_socket, *jobs_monitor, *tokens_monitor;
    struct zmq_watch *jobs_watch, *tokens_watch, *jobs_monitor_watch, *tokens_monitor_watch;
    struct event *end; /* deferred: a session is never ended from inside its own callbacks */
    const char *end_reason;
    uint64_t pause_ms;         /* before it is opened again */
    uint64_t foreign_protocol; /* the unknown version that the gateway spoke last; 0: it didn't */
    char topic[64];
    size_t topic_len;
    struct buffer tokens; /* put, not yet sent */
    bool tokens_full;     /* the token socket took no more */
    uint64_t epoch, heartbeat_ms, liveness;
    bool takes_tails; /* its gateway takes the last tokens with DONE or FAIL */
    struct credit_account credit;
    uint64_t heard_ms, beat_ms, since_ms;
    uint64_t serial; /* of the sockets, for monitor names */
    struct session *next;
};

/*   WAITING (HELD, no slot) ─▶ RUNNING ─ the pool ended it ─▶ SENDING (tokens, then DONE)
 *                                 │                             │
 *                                 └─ NEXT, ANSWER ─▶ freed ◀─ LINGERING (until the tokens are got)
 */
enum worker_job_state { JOB_WAITING, JOB_RUNNING, JOB_SENDING, JOB_LINGERING };

struct token {
    size_t start, len; /* in `text`, whose first byte is byte `text_at` of the answer */
};

struct job {
    struct worker *worker;
    struct session *session; /* NULL once its gateway is gone */
    enum worker_job_state state;
    uint64_t id, attempt;
    enum kind kind;
    unsigned stage;
    uint64_t deadline_ms, resume_from;
    struct slice trace, op, prefix_by, author;
    struct list versions;
    bool held, accepted; /* HELD, ACCEPT was told */
    bool cancelled;
    zmq_msg_t frames[JOB_FRAMES];
    struct arena arena;
    void *data;
    /* tokens: made ≥ sent ≥ got */
    struct token *tokens; /* those after `got` */
    size_t token_capacity;
    struct buffer text;
    size_t text_at;
    uint64_t made, sent, got;
    uint64_t upto, upto_bytes;
    bool choked;        /* the pool was told to wait */
    struct message end; /* DONE or FAIL, sent behind the last token */
    struct job_queue *queue;
    struct job *next, *previous;
    struct job *hash_next;
};

struct worker {
    const struct worker_pool *pool;
    void *pool_context;
    struct settings settings;
    struct event_base *base;
    void *zmq;
    struct gateways *gateways;
    struct session *sessions;
    char boot_id[17];
    char *serves;
    /* starting: RUNNING, ACCEPT not told; stirred: RUNNING or SENDING, with something to tell at
     * the end of this turn; active: RUNNING and SENDING otherwise */
    struct job_queue waiting, starting, stirred, active, lingering;
    struct job_table jobs; /* those of all of them */
    size_t running;
    uint64_t progress;
    uint64_t tick_ms;
    struct alive alive;
    struct event *tick, *flush;
    struct version_of versions[VERSIONS_KEPT];
    char version_kinds[VERSIONS_KEPT][16];
    size_t version_count;
    struct count_of counts[WORKER_COUNTS_MAX];
    size_t count_count;
    char trouble[640];
    bool draining;
    uint64_t drain_ms;
    struct buffer header, tail; /* reused for every message sent */
};

/* session.c */
struct session *session_new(struct worker *worker, const char *host, unsigned port);
void session_free(struct session **session);
/* Opens, greets again, beats, looks for silence: called every WORKER_TICK_MS. `late_ms`: how long
 * this process itself stood still. */
void session_tick(struct session *session, uint64_t late_ms, uint64_t now_ms);
/* Sends a message, with frames behind it. False when the session does not take it; it ends then. */
bool session_send(struct session *session, const struct message *message, zmq_msg_t *frames,
                  size_t count);
/* Puts a token to those that are sent together at the end of this turn; false when the gateway
 * takes no more just now. */
bool session_put_token(struct session *session, const struct message *message);
void session_send_simple(struct session *session, enum message_type type);
/* Sends the tokens that were put, and CREDIT where one is due. */
void session_flush(struct session *session);

/* job.c */
struct job *job_receive(struct session *session, const struct message *message, zmq_msg_t *frames,
                        size_t count);
void job_cancel(struct job *job);
void job_tack(struct job *job, const struct tack_message *tack);
void job_replay(struct job *job, uint64_t from);
/* Sends what the window and the socket allow. */
void job_pump(struct job *job);
/* The gateway is gone: nobody wants the job. */
void job_orphan(struct job *job);
/* The job that a gateway means; NULL if it is gone. Job ids are each gateway's own. */
struct job *job_lookup(struct session *session, uint64_t id, uint64_t attempt);
/* Starts waiting jobs while there are slots. */
void jobs_start(struct worker *worker);
/* Tells ACCEPT of those that run and have not told it. */
void jobs_accept(struct worker *worker);
/* Tells what jobs had to tell in this turn. */
void jobs_pump(struct worker *worker);
void job_free(struct job *job);

/* worker.c */
/* At the end of this turn of the loop: start what waits, share the free slots out, tell the
 * gateways. */
void worker_flush_soon(struct worker *worker);

#endif
