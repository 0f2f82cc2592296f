/* A worker as the protocol wants it, without sockets: sessions, credits, a ring of tokens, a
 * window. It writes the model's text; one that cannot continue tells it again from the start. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#define HEARTBEAT_MS 500
#define LIVENESS     3
#define TICK_MS      20

static void session_open(struct sim *sim, unsigned index, unsigned gateway)
{
    struct worker *worker = &sim->workers[index];
    struct link *link = link_new(sim, index, gateway);
    uint64_t wait = 200 + sim_random(sim, 2 * MS);
    worker->links[gateway] = link;
    worker->greeted[gateway] = false;
    worker->credit[gateway] = (struct credit_account){0};
    worker->heard[gateway] = sim->now;
    link->subscribed_at = sim->now + wait;
    sim_at(sim, sim->mutations.no_subscription_wait ? sim->now : link->subscribed_at,
           (struct sim_event){.type = SIM_SUBSCRIBED, .link = link});
    if (sim->mutations.no_subscription_wait) link->subscribed_at += 30 * MS;
}

void worker_start(struct sim *sim, unsigned index)
{
    struct worker *worker = &sim->workers[index];
    worker->alive = true;
    worker->draining = false;
    worker->life++;
    worker->stopped_until = 0;
    worker->tick = 0;
    memset(worker->jobs, 0, sizeof(worker->jobs));
    memset(worker->links, 0, sizeof(worker->links));
    memset(worker->reopen, 0, sizeof(worker->reopen));
    memset(worker->credit, 0, sizeof(worker->credit));
    snprintf(worker->boot, sizeof(worker->boot), "w%u.%u", index, worker->life);
    sim_at(sim, sim->now + TICK_MS * MS,
           (struct sim_event){.type = SIM_WORKER_TICK, .who = index, .life = worker->life});
}

static void send_up(struct sim *sim, struct link *link, struct message message, struct body *body)
{
    link_send(sim, link, UP, &message, body);
}

static struct message about(const struct wjob *job, enum message_type type)
{
    return (struct message){.type = type, .job = job->job, .attempt = job->attempt};
}

/* --- jobs --- */

static void jobs_start(struct sim *sim, struct worker *worker);

static struct wjob *wjob_find(struct worker *worker, const struct link *link, uint64_t job,
                              uint64_t attempt)
{
    for (size_t i = 0; i < WJOBS_MAX; i++) {
        struct wjob *at = &worker->jobs[i];
        if (at->state && at->job == job && at->attempt == attempt && (!link || at->link == link))
            return at;
    }
    return NULL;
}

static unsigned running(const struct worker *worker)
{
    unsigned count = 0;
    for (size_t i = 0; i < WJOBS_MAX; i++) count += worker->jobs[i].state == WJOB_RUNNING;
    return count;
}

/* Shares the free slots out and tells the gateways, as the runtime does at the end of a turn. */
static void share(struct sim *sim, struct worker *worker)
{
    struct credit_account *accounts[GATEWAYS];
    for (unsigned i = 0; i < GATEWAYS; i++) accounts[i] = &worker->credit[i];
    if (!worker->draining) credits_share(accounts, GATEWAYS, worker->slots);
    for (unsigned i = 0; i < GATEWAYS; i++) {
        struct credit_account *account = accounts[i];
        struct message message = {.type = MESSAGE_CREDIT};
        if (!account->serving || !account->due) continue;
        account->due = false;
        message.credit.epoch = worker->epoch[i];
        message.credit.cumulative = account->granted;
        message.credit.shared = account->shared;
        send_up(sim, worker->links[i], message, NULL);
    }
}

static void slot_free(struct sim *sim, struct worker *worker, const struct link *link)
{
    worker->credit[link->gateway].jobs--;
    share(sim, worker);
}

static void plan_tokens(struct sim *sim, struct wjob *job)
{
    uint64_t at = job->base, end = model_length(sim, job->client);
    job->total = 0;
    while (at < end) {
        job->starts[job->total++] = at;
        at += 1 + sim_random(sim, 24);
    }
    job->starts[job->total] = end;
}

static void schedule_work(struct sim *sim, unsigned index, const struct wjob *job)
{
    uint64_t pace = sim_chance(sim, 100) ? 40 * MS : 2 * MS;
    sim_at(sim, sim->now + sim_random(sim, pace),
           (struct sim_event){.type = SIM_WORK,
                              .who = index,
                              .life = sim->workers[index].life,
                              .job = job->job,
                              .attempt = job->attempt});
}

static void accept_job(struct sim *sim, struct wjob *job)
{
    job->accepted = true;
    send_up(sim, job->link, about(job, MESSAGE_ACCEPT), NULL);
}

/* Of those that have told nothing yet. */
static void accept_jobs(struct sim *sim, struct worker *worker)
{
    for (size_t i = 0; i < WJOBS_MAX; i++)
        if (worker->jobs[i].state == WJOB_RUNNING && !worker->jobs[i].accepted)
            accept_job(sim, &worker->jobs[i]);
}

static void job_start(struct sim *sim, struct worker *worker, struct wjob *job)
{
    unsigned index = (unsigned)(worker - sim->workers);
    job->state = WJOB_RUNNING;
    if (job->held || !worker->terse) accept_job(sim, job);
    schedule_work(sim, index, job);
}

static void jobs_start(struct sim *sim, struct worker *worker)
{
    for (size_t i = 0; i < WJOBS_MAX && running(worker) < worker->slots; i++)
        if (worker->jobs[i].state == WJOB_HELD && !worker->draining)
            job_start(sim, worker, &worker->jobs[i]);
}

static void on_job(struct sim *sim, struct worker *worker, struct packet *packet,
                   const struct message *message)
{
    const struct assign_message *assign = &message->assign;
    size_t i = 0;
    credits_spend(&worker->credit[packet->link->gateway]);
    while (i < WJOBS_MAX && worker->jobs[i].state) i++;
    if (i == WJOBS_MAX) {
        sim_fail(sim, "a worker was given more jobs than it has credits for");
        return;
    }
    struct wjob *job = &worker->jobs[i];
    *job = (struct wjob){.state = WJOB_HELD,
                         .link = packet->link,
                         .job = message->job,
                         .attempt = message->attempt,
                         .stage = (unsigned)assign->stage,
                         .upto = assign->upto,
                         .upto_bytes = assign->upto_bytes};
    memcpy(&job->client, body_frame(packet->body, FRAME_REQUEST).ptr, sizeof(job->client));
    bool same_author = slice_equal(assign->prefix_by, SLICE("model/1"));
    bool continues = worker->continues && same_author && sim->clients[job->client].same_text;
    job->base = continues ? assign->resume_from : 0;
    job->fails = sim->now < sim->heal_at && sim->fault_rate && sim_chance(sim, 20);
    job->awaits = sim_chance(sim, 100);
    job->at_once = worker->terse && !job->awaits && sim_chance(sim, 300);
    job->held = running(worker) >= worker->slots;
    plan_tokens(sim, job);
    if (job->held)
        send_up(sim, packet->link, about(job, MESSAGE_HELD), NULL);
    else
        jobs_start(sim, worker);
}

/* --- tokens --- */

/* `text` holds the token's own. */
static struct message token_message(struct sim *sim, const struct wjob *job, uint64_t seq,
                                    char *text)
{
    uint64_t start = job->starts[seq - 1], end = job->starts[seq];
    unsigned variant = sim->clients[job->client].same_text ? 0 : (unsigned)(job->attempt % 8);
    struct message message = about(job, MESSAGE_TOK);
    for (uint64_t at = start; at < end; at++)
        text[at - start] = model_byte(sim, job->client, variant, at);
    message.tok.seq = seq;
    message.tok.at = start;
    message.tok.text = (struct slice){text, end - start};
    if (seq == 1) message.tok.by = SLICE("model/1");
    return message;
}

static void send_token(struct sim *sim, struct wjob *job, uint64_t seq)
{
    char text[TEXT_MAX];
    struct message message = token_message(sim, job, seq, text);
    link_send(sim, job->link, TOKENS, &message, NULL);
}

static struct message end_message(struct sim *sim, const struct wjob *job, uint64_t count)
{
    struct message message = about(job, job->fails ? MESSAGE_FAIL : MESSAGE_DONE);
    if (job->fails) {
        message.fail.count = count;
        message.fail.code = SLICE("provider_failed");
        sim->clients[job->client].saw_failure = true;
        sim->faults[3]++;
    } else {
        message.done.count = count;
        message.done.meta.written_by = SLICE("model/1");
    }
    return message;
}

static void finish(struct sim *sim, struct wjob *job)
{
    send_up(sim, job->link, end_message(sim, job, job->sent), NULL);
    job->state = job->got == job->sent ? WJOB_NONE : WJOB_LINGERING;
}

static bool tail_fits(const struct sim *sim, const struct worker *worker, const struct wjob *job)
{
    bool has_all = job->sent == job->got || sim->mutations.no_tail_check;
    return worker->terse && job->state == WJOB_SENDING && has_all && job->made > job->sent &&
           job->made <= job->upto && job->starts[job->made - 1] < job->upto_bytes;
}

static void finish_with_tail(struct sim *sim, struct wjob *job)
{
    char text[TEXT_MAX];
    struct buffer tail = {0};
    struct message end = end_message(sim, job, job->made);
    for (uint64_t seq = job->sent + 1; seq <= job->made; seq++) {
        struct message token = token_message(sim, job, seq, text);
        message_encode(&token, &tail);
    }
    link_send_end(sim, job->link, &end, &tail);
    buffer_free(&tail);
    job->state = WJOB_NONE;
}

static void pump(struct sim *sim, struct worker *worker, struct wjob *job)
{
    if (tail_fits(sim, worker, job)) {
        finish_with_tail(sim, job);
        return;
    }
    while (job->sent < job->made && job->sent < job->upto &&
           job->starts[job->sent] < job->upto_bytes) {
        if (!job->accepted) accept_job(sim, job);
        send_token(sim, job, ++job->sent);
    }
    if (job->state == WJOB_SENDING && job->sent == job->made) finish(sim, job);
}

static void end_short_job(struct sim *sim, struct worker *worker, struct wjob *job)
{
    const char *stages = sim->clients[job->client].stages;
    struct link *link = job->link;
    bool last = !stages[job->stage + 1];
    struct message message = about(job, last ? MESSAGE_ANSWER : MESSAGE_NEXT);
    struct body *body = body_new();
    uint32_t client = job->client;
    if (job->fails && sim_chance(sim, 500)) {
        message = about(job, MESSAGE_FAIL);
        message.fail.requeue = true;
        message.fail.code =
            sim_chance(sim, 500) ? SLICE("embedder_unavailable") : SLICE("provider_failed");
        sim->clients[client].saw_failure = true;
    }
    body_set(body, FRAME_REQUEST, (struct slice){(char *)&client, sizeof(client)});
    send_up(sim, link, message, message.type == MESSAGE_NEXT ? body : NULL);
    body_unref(&body);
    job->state = WJOB_NONE;
    slot_free(sim, worker, link);
}

static bool fails_now(const struct wjob *job)
{
    return job->fails && job->made >= job->total / 2;
}

/* A token more, or all that may be sent. */
static void make_tokens(struct sim *sim, struct wjob *job)
{
    bool waits = job->awaits && sim->clients[job->client].seen.len < job->starts[job->sent];
    bool one = !job->at_once;
    while (job->made < job->total && job->made < job->upto &&
           job->starts[job->made] < job->upto_bytes && !fails_now(job) && !waits) {
        job->made++;
        if (one) return;
    }
}

void worker_work(struct sim *sim, unsigned index, uint64_t id, uint64_t attempt)
{
    struct worker *worker = &sim->workers[index];
    struct wjob *job = wjob_find(worker, NULL, id, attempt);
    if (!job || job->state != WJOB_RUNNING) return;
    if (worker->pool != POOL_GENERATE) {
        end_short_job(sim, worker, job);
        jobs_start(sim, worker);
        return;
    }
    bool failed = fails_now(job);
    if (!failed) make_tokens(sim, job);
    if (job->made == job->total || failed) {
        job->state = WJOB_SENDING;
        slot_free(sim, worker, job->link);
        pump(sim, worker, job);
        jobs_start(sim, worker);
        return;
    }
    pump(sim, worker, job);
    schedule_work(sim, index, job);
}

static void on_tack(struct sim *sim, struct worker *worker, struct wjob *job,
                    const struct tack_message *tack)
{
    if (tack->got <= job->sent) job->got = MAX(job->got, tack->got);
    job->upto = MAX(job->upto, tack->upto);
    job->upto_bytes = MAX(job->upto_bytes, tack->upto_bytes);
    if (job->state == WJOB_LINGERING && job->got == job->sent) job->state = WJOB_NONE;
    if (job->state == WJOB_RUNNING || job->state == WJOB_SENDING) pump(sim, worker, job);
}

static void on_cancel(struct sim *sim, struct worker *worker, struct wjob *job)
{
    struct message message = about(job, MESSAGE_FAIL);
    bool had_credit = job->state == WJOB_RUNNING || job->state == WJOB_HELD;
    message.fail.code = SLICE("cancelled");
    message.fail.count = job->sent;
    if (job->state != WJOB_LINGERING) send_up(sim, job->link, message, NULL);
    job->state = WJOB_NONE;
    if (had_credit) slot_free(sim, worker, job->link);
    jobs_start(sim, worker);
}

/* --- sessions --- */

static void session_end(struct sim *sim, struct worker *worker, struct link *link)
{
    if (worker->links[link->gateway] != link) return;
    if (!link->cut)
        sim_at(sim, sim->now + 1 * MS, (struct sim_event){.type = SIM_GATEWAY_LOST, .link = link});
    link->cut = link->tokens_cut = true;
    worker->links[link->gateway] = NULL;
    worker->reopen[link->gateway] = sim->now + 50 * MS;
    worker->credit[link->gateway] = (struct credit_account){0};
    for (size_t i = 0; i < WJOBS_MAX; i++)
        if (worker->jobs[i].link == link) worker->jobs[i].state = WJOB_NONE;
    jobs_start(sim, worker);
    share(sim, worker);
}

void worker_subscribed(struct sim *sim, struct link *link)
{
    struct worker *worker = &sim->workers[link->worker];
    if (worker->links[link->gateway] != link || link->tokens_cut) return;
    worker->greeted[link->gateway] = true;
    worker->heard[link->gateway] = sim->now;
    send_up(sim, link,
            (struct message){.type = MESSAGE_HELLO,
                             .hello = {.pool = slice_of(pool_name(worker->pool)),
                                       .boot_id = slice_of(worker->boot),
                                       .slots = worker->slots}},
            NULL);
}

static void on_welcome(struct sim *sim, struct worker *worker, struct link *link,
                       const struct welcome_message *welcome)
{
    unsigned gateway = link->gateway;
    worker->credit[gateway] = (struct credit_account){.serving = true};
    worker->epoch[gateway] = welcome->epoch;
    share(sim, worker);
    if (worker->draining) send_up(sim, link, (struct message){.type = MESSAGE_DRAIN}, NULL);
}

static void on_pulse(struct sim *sim, struct worker *worker, const struct link *link,
                     const struct pulse_message *pulse)
{
    struct credit_account *account = &worker->credit[link->gateway];
    account->queued = pulse->queued;
    account->returned = MAX(account->returned, pulse->returned);
    share(sim, worker);
}

static void replay(struct sim *sim, struct wjob *job, uint64_t from)
{
    for (uint64_t seq = MAX(from, job->got + 1); seq <= job->sent; seq++) send_token(sim, job, seq);
}

void worker_packet(struct sim *sim, struct packet *packet)
{
    struct link *link = packet->link;
    struct worker *worker = &sim->workers[link->worker];
    struct arena arena = {0};
    struct message message;
    if (worker->links[link->gateway] != link) return;
    if (message_decode(buffer_slice(&packet->header), &arena, &message))
        sim_fail(sim, "the codec does not read what it wrote");
    struct wjob *job = wjob_find(worker, link, message.job, message.attempt);
    worker->heard[link->gateway] = sim->now;
    switch (message.type) {
    case MESSAGE_WELCOME: on_welcome(sim, worker, link, &message.welcome); break;
    case MESSAGE_JOB: on_job(sim, worker, packet, &message); break;
    case MESSAGE_CANCEL:
        if (job) on_cancel(sim, worker, job);
        break;
    case MESSAGE_TACK:
        if (job) on_tack(sim, worker, job, &message.tack);
        break;
    case MESSAGE_REPLAY:
        if (job) replay(sim, job, message.replay.from);
        break;
    case MESSAGE_PULSE: on_pulse(sim, worker, link, &message.pulse); break;
    case MESSAGE_RESET: session_end(sim, worker, link); break;
    default: break;
    }
    arena_free(&arena);
}

/* The worker's monitors: one of its two connections is gone. */
void worker_lost(struct sim *sim, struct link *link)
{
    struct worker *worker = &sim->workers[link->worker];
    if (sim->mutations.no_new_session) return; /* goes on as if nothing had happened, and is deaf */
    session_end(sim, worker, link);
}

void worker_kill(struct sim *sim, unsigned index)
{
    struct worker *worker = &sim->workers[index];
    for (unsigned gateway = 0; gateway < sim->gateway_count; gateway++) {
        struct link *link = worker->links[gateway];
        if (!link) continue;
        uint64_t sent = MAX(link->last[UP], link->last[TOKENS]);
        bool flushed = sim_chance(sim, 500); /* what the system had taken still arrives */
        link->cut = link->tokens_cut = true;
        if (!flushed) link->forgotten = true;
        sim_at(sim, MAX(sim->now + 1 * MS, flushed ? sent : 0),
               (struct sim_event){.type = SIM_GATEWAY_LOST, .link = link});
    }
    worker->alive = false;
    memset(worker->links, 0, sizeof(worker->links));
    memset(worker->jobs, 0, sizeof(worker->jobs));
}

void worker_drain(struct sim *sim, unsigned index)
{
    struct worker *worker = &sim->workers[index];
    accept_jobs(sim, worker);
    worker->draining = true;
    for (unsigned gateway = 0; gateway < sim->gateway_count; gateway++)
        if (worker->links[gateway] && worker->credit[gateway].serving)
            send_up(sim, worker->links[gateway], (struct message){.type = MESSAGE_DRAIN}, NULL);
}

bool worker_idle(const struct worker *worker)
{
    for (size_t i = 0; i < WJOBS_MAX; i++)
        if (worker->jobs[i].state) return false;
    return true;
}

/* --- time --- */

static void beat(struct sim *sim, struct worker *worker, unsigned gateway)
{
    struct stream_at streams[WJOBS_MAX];
    struct message message = {.type = MESSAGE_BEAT};
    size_t count = 0;
    for (size_t i = 0; i < WJOBS_MAX && !sim->mutations.no_beat_streams; i++) {
        const struct wjob *job = &worker->jobs[i];
        if (job->state > WJOB_HELD && job->link == worker->links[gateway] && job->sent > job->got)
            streams[count++] =
                (struct stream_at){.job = job->job, .attempt = job->attempt, .seq = job->sent};
    }
    message.beat.streams = (struct list){streams, count};
    worker->beat[gateway] = sim->now;
    send_up(sim, worker->links[gateway], message, NULL);
}

static void link_tick(struct sim *sim, unsigned index, unsigned gateway, uint64_t late)
{
    struct worker *worker = &sim->workers[index];
    struct link *link = worker->links[gateway];
    if (!link) {
        if (sim->gateways[gateway].alive && !worker->draining &&
            sim->now >= worker->reopen[gateway])
            session_open(sim, index, gateway);
        return;
    }
    worker->heard[gateway] = MIN(worker->heard[gateway] + late, sim->now);
    if (worker->greeted[gateway] && !sim->mutations.no_new_session &&
        sim->now - worker->heard[gateway] > HEARTBEAT_MS * LIVENESS * MS * 2)
        session_end(sim, worker, link);
    else if (worker->credit[gateway].serving &&
             sim->now - worker->beat[gateway] >= HEARTBEAT_MS * MS)
        beat(sim, worker, gateway);
}

static bool drained(const struct worker *worker)
{
    for (size_t i = 0; i < WJOBS_MAX; i++)
        if (worker->jobs[i].state > WJOB_HELD) return false;
    return true;
}

static void leave(struct sim *sim, unsigned index)
{
    struct worker *worker = &sim->workers[index];
    for (unsigned gateway = 0; gateway < sim->gateway_count; gateway++) {
        struct link *link = worker->links[gateway];
        if (!link) continue;
        send_up(sim, link, (struct message){.type = MESSAGE_BYE}, NULL);
        sim_at(sim, link->last[UP] + 1, (struct sim_event){.type = SIM_GATEWAY_LOST, .link = link});
        worker->links[gateway] = NULL;
    }
    worker->alive = false;
    sim_at(sim, sim->now + 300 * MS,
           (struct sim_event){.type = SIM_WORKER_START, .who = index, .life = worker->life});
}

void worker_tick(struct sim *sim, unsigned index)
{
    struct worker *worker = &sim->workers[index];
    uint64_t since = worker->tick ? sim->now - worker->tick : 0;
    uint64_t late = since > 5 * TICK_MS * MS ? since - TICK_MS * MS : 0;
    worker->tick = sim->now;
    accept_jobs(sim, worker);
    for (unsigned gateway = 0; gateway < sim->gateway_count; gateway++)
        link_tick(sim, index, gateway, late);
    if (worker->draining && drained(worker)) {
        leave(sim, index);
        return;
    }
    sim_at(sim, sim->now + TICK_MS * MS,
           (struct sim_event){.type = SIM_WORKER_TICK, .who = index, .life = worker->life});
}
