/* A small world around the production lanes: virtual time, links that lose and delay what a network
 * may lose and delay, model workers and model clients, and an adversary, all from one seed.
 *
 *   clients ─ submit, cancel, read slowly ─▶ gateway: lane.c, token_stream.c ◀─ links ─▶ model
 * workers ▲                    ▲                    ▲ oracles: one end a job, bytes equal └────
 * adversary: kill, stop, cut, drop, drain
 *
 * A run has a time of faults, then heals, then everything must complete and nothing be retained. */
#ifndef MILLRACE_TESTS_SIM_SIM_H
#define MILLRACE_TESTS_SIM_SIM_H

#include "common/buffer.h"
#include "gateway/lane.h"
#include "proto/codec.h"
#include "workers/credits.h"

#define MS          1000u
#define GATEWAYS    2
#define WORKERS     8
#define JOBS_MAX    64
#define TEXT_MAX    600
#define WJOBS_MAX   96
#define LINKS_MAX   4096
#define FAULT_KINDS 13

/* What is switched off in a run, to prove that the oracles bite. Those of the gateway's own code
 * are compiled in (MUTATE_...), those of the worker are here. */
struct mutations {
    bool no_subscription_wait;
    bool no_new_session;
    bool no_beat_streams;
    bool no_tail_check;
};

enum link_channel { UP, DOWN, TOKENS, CHANNELS };

/* One session's connections between a worker and a gateway. */
struct link {
    uint64_t session;
    unsigned gateway, gateway_life;
    unsigned worker, worker_life;
    bool cut, tokens_cut, forgotten;
    uint64_t subscribed_at;
    uint64_t last[CHANNELS]; /* delivery is in order on each */
};

struct packet {
    struct link *link;
    enum link_channel channel;
    struct buffer header;
    struct buffer tail; /* tokens behind DONE or FAIL */
    struct body *body;
    bool with_result;
};

enum sim_event_type {
    SIM_GATEWAY_TICK,
    SIM_WORKER_TICK,
    SIM_PACKET,
    SIM_SUBSCRIBED,   /* the subscription reaches the worker */
    SIM_GATEWAY_LOST, /* the gateway's monitor tells of a lost connection */
    SIM_WORKER_LOST,  /* the worker's */
    SIM_WORK,         /* a worker's job goes a step on */
    SIM_SUBMIT,
    SIM_CLIENT, /* a client reads, or leaves */
    SIM_FAULT,
    SIM_WORKER_START,
    SIM_GATEWAY_START,
};

struct sim_event {
    uint64_t at, order;
    enum sim_event_type type;
    unsigned who, life;
    uint64_t job, attempt;
    struct link *link;
    struct packet *packet;
};

enum wjob_state { WJOB_NONE, WJOB_HELD, WJOB_RUNNING, WJOB_SENDING, WJOB_LINGERING };

struct wjob {
    enum wjob_state state;
    struct link *link;
    uint64_t job, attempt;
    unsigned stage;
    uint32_t client;               /* index of the simulated job, from the request frame */
    uint64_t base;                 /* byte where this attempt's text starts */
    uint64_t starts[TEXT_MAX + 2]; /* of each token, and the end */
    uint64_t made, total, sent, got, upto, upto_bytes;
    bool fails, held, accepted;
    bool at_once; /* makes all that the window takes in one turn */
    bool awaits;  /* writes on only when its client has seen what was sent */
};

struct worker {
    enum pool pool;
    unsigned life;
    bool alive, draining, continues;
    bool terse; /* accepts late, sends an answer's last tokens with its end */
    uint64_t stopped_until;
    unsigned slots;
    char boot[24];
    struct link *links[GATEWAYS];
    bool greeted[GATEWAYS];
    uint64_t epoch[GATEWAYS];
    struct credit_account credit[GATEWAYS];
    uint64_t heard[GATEWAYS], beat[GATEWAYS], reopen[GATEWAYS];
    uint64_t tick;
    struct wjob jobs[WJOBS_MAX];
};

struct gateway {
    struct lanes *lanes;
    unsigned life;
    bool alive;
    uint64_t stopped_until;
};

enum client_state { CLIENT_NONE, CLIENT_WAITING, CLIENT_ENDED };

struct client {
    enum client_state state;
    unsigned gateway, gateway_life;
    uint64_t job;
    const char *stages;
    bool cancelled, slow, tentative, same_text; /* same_text: every attempt tells the same */
    bool saw_failure, redelivered;
    uint64_t taken;
    struct buffer seen;
};

struct sim {
    uint64_t seed, random, now, order, heal_at;
    struct mutations mutations;
    struct sim_event *heap;
    size_t heap_count, heap_capacity;
    struct link *links[LINKS_MAX];
    size_t link_count;
    uint64_t next_session, next_job;
    struct gateway gateways[GATEWAYS];
    unsigned gateway_count;
    struct worker workers[WORKERS];
    unsigned worker_count;
    struct client clients[JOBS_MAX];
    unsigned client_count;
    uint64_t events;
    uint64_t faults[FAULT_KINDS];
    uint64_t outcomes[ERROR_COUNT];
    uint64_t broken;
    uint64_t tails;        /* ends that brought tokens */
    unsigned fault_rate;   /* in a thousand, of each kind in its turn; 0: absent in this run */
    unsigned token_faults; /* in a thousand: tokens lost, tokens repeated */
    const char *failure;
    char failure_text[160];
};

extern const char *const fault_names[FAULT_KINDS];

/* world.c */
uint64_t sim_random(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, unsigned in_a_thousand);
void sim_at(struct sim *sim, uint64_t at, struct sim_event event);
struct sim_event sim_next(struct sim *sim);
struct link *link_new(struct sim *sim, unsigned worker, unsigned gateway);
/* Sends a header (and a body) over a link; the network may delay it, and lose what it may lose. */
void link_send(struct sim *sim, struct link *link, enum link_channel channel,
               const struct message *message, struct body *body);
/* DONE or FAIL with the last tokens behind it. */
void link_send_end(struct sim *sim, struct link *link, const struct message *message,
                   const struct buffer *tail);
void packet_free(struct packet *packet);
void sim_fail(struct sim *sim, const char *format, ...) PRINTF(2, 3);

/* model.c: the text that a job's answer has, whoever writes it */
uint64_t model_length(const struct sim *sim, unsigned client);
char model_byte(const struct sim *sim, unsigned client, unsigned variant, uint64_t at);

/* model_worker.c */
void worker_start(struct sim *sim, unsigned index);
void worker_kill(struct sim *sim, unsigned index);
void worker_tick(struct sim *sim, unsigned index);
void worker_packet(struct sim *sim, struct packet *packet);
void worker_subscribed(struct sim *sim, struct link *link);
void worker_lost(struct sim *sim, struct link *link);
void worker_work(struct sim *sim, unsigned index, uint64_t job, uint64_t attempt);
void worker_drain(struct sim *sim, unsigned index);
/* Nothing retained: no job, no ring. */
bool worker_idle(const struct worker *worker);

/* model_gateway.c */
void gateway_start(struct sim *sim, unsigned index);
void gateway_stop(struct sim *sim, unsigned index); /* for good: a restart follows */
void gateway_tick(struct sim *sim, unsigned index);
void gateway_packet(struct sim *sim, struct packet *packet);
void gateway_lost(struct sim *sim, struct link *link);
void client_submit(struct sim *sim, unsigned index);
void client_turn(struct sim *sim, unsigned index);

/* adversary.c */
void adversary_turn(struct sim *sim);

#endif
