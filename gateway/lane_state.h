/* The state behind lane.h, shared by lane.c (events), lane_job.c (a job's moves) and lane_session.c
 * (workers and their credits). Nobody else includes it. */
#ifndef MILLRACE_GATEWAY_LANE_STATE_H
#define MILLRACE_GATEWAY_LANE_STATE_H

#include "gateway/lane.h"

#define CANCEL_WAIT_MS   1000 /* an unanswered CANCEL is taken as answered */
#define BACKOFF_FIRST_MS 50   /* doubles with every hand-back */
#define KILLERS_MAX      4
#define REFUSERS_MAX     16
#define LONE_DEATHS_MAX  2 /* workers that died with this as their only job */
#define SUSPECT_DEATHS   2
#define VERDICT_MS       500 /* whoever was only cut off is back by then */

struct lane_session;

struct job_list {
    struct lane_job *first, *last;
    size_t count;
};

struct lane_job {
    uint64_t id, attempt;
    enum kind kind;
    const char *stages;
    unsigned stage;
    enum job_state state;
    bool record;
    bool answered;
    bool as_suspect;              /* its worker carries it as one */
    bool front;                   /* QUEUED: goes before those that wait */
    struct lane_session *session; /* while SENT, HELD, RUNNING, COUNTED, CANCELLING */
    struct body *body;
    size_t bytes;
    void *owner;
    uint64_t affinity;
    char *trace, *op, *author;
    struct version_of versions[2];
    size_t version_count;
    uint64_t deadline_us, since_us; /* since: in its present state */
    uint64_t sent_us, until_us;     /* until: the end of BACKOFF */
    uint64_t avoid;                 /* boot of the worker it came from */
    unsigned deaths, lone_deaths, requeues;
    size_t lost_together;
    uint64_t killers[KILLERS_MAX];
    uint64_t refusers[REFUSERS_MAX]; /* workers that have not what it needs: it goes to others */
    size_t refuser_count;
    struct token_stream stream;
    uint64_t taken, tack_got, tack_bytes;
    err_t error;
    const char *message; /* in the arena */
    bool retryable;
    const struct meta *meta;
    struct slice result;
    uint64_t queue_us[POOL_COUNT], stage_us[POOL_COUNT];
    struct arena arena;
    struct job_list *list;
    struct lane_job *next, *previous;         /* in its list */
    struct lane_job *all_next, *all_previous; /* among all jobs */
    struct lane_job *hash_next;
};

enum session_state { SESSION_READY, SESSION_DRAINING };

struct lane_session {
    uint64_t id;
    enum pool pool;
    enum session_state state;
    uint64_t boot; /* hash of the boot id */
    char *name, *boot_id, *build, *serves;
    char *trouble; /* what its last BEAT complained of; "": nothing */
    uint64_t slots, epoch;
    uint64_t granted, used, returned;
    bool shared;          /* others want this worker's slots as well */
    uint64_t told_queued; /* with the last PULSE */
    uint64_t heard_us, pulse_us;
    uint64_t asked_us; /* the first JOB sent since its last word; 0: it owes no answer */
    uint64_t progress;
    size_t suspects;
    struct job_list jobs;
};

struct lane {
    struct job_list urgent; /* redelivered jobs and records */
    struct job_list waiting;
    size_t bytes; /* of both */
    size_t records;
    struct lane_session **sessions;
    size_t session_count, session_capacity;
    uint64_t empty_since_us; /* without any session */
    struct lane_counters counters;
};

struct lanes {
    struct lane_limits limits;
    struct lane lane[POOL_COUNT];
    struct job_list backoff, ended;
    struct lane_job *all;
    size_t job_count;
    struct lane_job **buckets;
    size_t bucket_count;
    uint64_t epoch;
    uint64_t tick_us;
    bool draining, closed;
    struct lane_action *actions;
    size_t action_count, action_capacity;
};

/* lane.c */
struct lane_action *action_add(struct lanes *lanes, enum lane_action_type type);
/* An empty message of `type` to a session; the caller fills in the fields. */
struct lane_action *send_add(struct lanes *lanes, const struct lane_session *session,
                             enum message_type type, const struct lane_job *job);

/* lane_job.c */
struct lane_job *job_new(struct lanes *lanes, uint64_t id, const struct lane_job_spec *spec,
                         uint64_t now_us);
struct lane_job *job_find(const struct lanes *lanes, uint64_t id);
enum pool job_pool(const struct lane_job *job);
struct lane *job_lane(struct lanes *lanes, const struct lane_job *job);
bool job_streams(const struct lane_job *job); /* its present stage writes tokens */
/* The only mover between states. */
void job_move(struct lanes *lanes, struct lane_job *job, enum job_state state, uint64_t now_us);
/* To the front of its present stage's lane, as the next attempt. */
void job_redeliver(struct lanes *lanes, struct lane_job *job, uint64_t now_us);
void job_end(struct lanes *lanes, struct lane_job *job, err_t error, bool retryable,
             uint64_t now_us);
/* Tells the worker that has the job to stop. */
void job_send_cancel(struct lanes *lanes, const struct lane_job *job);
void job_send(struct lanes *lanes, struct lane_job *job, struct lane_session *session,
              uint64_t now_us);
void job_keep_meta(struct lane_job *job, const struct meta *meta);
/* Sends TACK where enough has changed, or `now`. */
void job_tack(struct lanes *lanes, struct lane_job *job, bool at_once);
bool job_is_suspect(const struct lane_job *job);
/* Workers seem to die of it: it goes to no other. */
bool job_is_condemned(const struct lane_job *job);

/* lane_session.c */
struct lane_session *session_find(const struct lane *lane, uint64_t id);
uint64_t session_credits(const struct lane_session *session);
void session_open(struct lanes *lanes, enum pool pool, uint64_t id,
                  const struct hello_message *hello, uint64_t now_us);
/* The session is over. Its jobs go again; with `death`, those that it ran count it against them. */
void session_end(struct lanes *lanes, struct lane_session *session, bool death, uint64_t now_us);
/* Asks the worker to begin anew, and ends the session. */
void session_reset(struct lanes *lanes, struct lane_session *session, uint64_t now_us);
void session_drain(struct lanes *lanes, struct lane_session *session, uint64_t now_us);
/* What the worker says keeps it from its work; empty: nothing. */
void session_complain(struct lane_session *session, struct slice trouble);
/* Heartbeats out, missed heartbeats in. `late_us`: how long this process itself stood still. */
void sessions_tick(struct lanes *lanes, uint64_t late_us, uint64_t now_us);
/* A worker that takes jobs, with credit or not, has not refused this one. */
bool lane_has_unasked(const struct lane *lane, const struct lane_job *job);
/* Sends waiting jobs to workers with credit. */
void lane_dispatch(struct lanes *lanes, enum pool pool, uint64_t now_us);
void sessions_free(struct lanes *lanes);

#endif
