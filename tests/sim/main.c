/* Runs seeds, one world each, and prints what happened; a seed that fails is printed with the
 * command that replays it.
 *
 *   sim [--seeds N] [--first SEED] [--seconds S] [--mutate NAME] [--expect-failure] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/sim/sim.h"

#define FAULTS_MS   6000
#define COMPLETE_MS 60000 /* after healing */

struct totals {
    uint64_t seeds, events, faults[FAULT_KINDS], outcomes[ERROR_COUNT], broken, tails, failures;
};

static bool stopped(const struct sim *sim, const struct sim_event *event, uint64_t *until)
{
    const struct link *link = event->packet ? event->packet->link : event->link;
    bool to_gateway = event->type == SIM_GATEWAY_TICK || event->type == SIM_GATEWAY_LOST ||
                      event->type == SIM_CLIENT || event->type == SIM_SUBMIT ||
                      (event->packet && event->packet->channel != DOWN);
    bool to_worker = event->type == SIM_WORKER_TICK || event->type == SIM_WORK ||
                     event->type == SIM_SUBSCRIBED || event->type == SIM_WORKER_LOST ||
                     (event->packet && event->packet->channel == DOWN);
    *until = 0;
    if (event->type == SIM_CLIENT)
        *until = sim->gateways[sim->clients[event->who].gateway].stopped_until;
    else if (event->type == SIM_SUBMIT)
        *until = 0;
    else if (to_gateway)
        *until = sim->gateways[link ? link->gateway : event->who].stopped_until;
    else if (to_worker)
        *until = sim->workers[link ? link->worker : event->who].stopped_until;
    return *until > sim->now;
}

static void deliver(struct sim *sim, struct packet *packet)
{
    struct link *link = packet->link;
    struct gateway *gateway = &sim->gateways[link->gateway];
    struct worker *worker = &sim->workers[link->worker];
    if (packet->channel == DOWN) {
        if (worker->alive && worker->life == link->worker_life && !link->cut)
            worker_packet(sim, packet);
    } else if (gateway->alive && gateway->life == link->gateway_life && !link->forgotten) {
        gateway_packet(sim, packet);
    } else if (gateway->alive && gateway->life == link->gateway_life && !link->cut) {
        gateway_packet(sim, packet); /* a stranger's: answered with RESET */
    }
    packet_free(packet);
}

static void run_event(struct sim *sim, const struct sim_event *event)
{
    struct gateway *gateway = event->link ? &sim->gateways[event->link->gateway] : NULL;
    struct worker *worker = event->link ? &sim->workers[event->link->worker] : NULL;
    bool same_gateway = gateway && gateway->alive && gateway->life == event->link->gateway_life;
    bool same_worker = worker && worker->alive && worker->life == event->link->worker_life;
    switch (event->type) {
    case SIM_GATEWAY_TICK:
        if (sim->gateways[event->who].alive && sim->gateways[event->who].life == event->life)
            gateway_tick(sim, event->who);
        break;
    case SIM_WORKER_TICK:
        if (sim->workers[event->who].alive && sim->workers[event->who].life == event->life)
            worker_tick(sim, event->who);
        break;
    case SIM_PACKET: deliver(sim, event->packet); break;
    case SIM_SUBSCRIBED:
        if (same_worker && same_gateway) worker_subscribed(sim, event->link);
        break;
    case SIM_GATEWAY_LOST:
        if (same_gateway) gateway_lost(sim, event->link);
        break;
    case SIM_WORKER_LOST:
        if (same_worker) worker_lost(sim, event->link);
        break;
    case SIM_WORK:
        if (sim->workers[event->who].alive && sim->workers[event->who].life == event->life)
            worker_work(sim, event->who, event->job, event->attempt);
        break;
    case SIM_SUBMIT: client_submit(sim, event->who); break;
    case SIM_CLIENT:
        if (sim->clients[event->who].gateway_life ==
            sim->gateways[sim->clients[event->who].gateway].life)
            client_turn(sim, event->who);
        break;
    case SIM_FAULT: adversary_turn(sim); break;
    case SIM_WORKER_START:
        if (!sim->workers[event->who].alive && sim->workers[event->who].life == event->life)
            worker_start(sim, event->who);
        break;
    case SIM_GATEWAY_START:
        if (!sim->gateways[event->who].alive && sim->gateways[event->who].life == event->life)
            gateway_start(sim, event->who);
        break;
    }
}

static void world_new(struct sim *sim, uint64_t seed, const struct mutations *mutations)
{
    static const enum pool pools[WORKERS] = {POOL_EMBED,    POOL_RETRIEVE, POOL_GENERATE,
                                             POOL_GENERATE, POOL_RETRIEVE, POOL_EMBED,
                                             POOL_GENERATE, POOL_GENERATE};
    memset(sim, 0, sizeof(*sim));
    sim->seed = sim->random = seed;
    sim->mutations = *mutations;
    sim->now = 1000 * MS;
    sim->heal_at = sim->now + FAULTS_MS * MS;
    sim->fault_rate = seed % 8 ? 10 + (unsigned)sim_random(sim, 90) : 0;
    sim->token_faults = sim->fault_rate ? (unsigned)sim_random(sim, 80) : 0;
    sim->gateway_count = 1 + (unsigned)sim_random(sim, GATEWAYS);
    sim->worker_count = 3 + (unsigned)sim_random(sim, WORKERS - 2);
    sim->client_count = 8 + (unsigned)sim_random(sim, JOBS_MAX - 8);
    for (unsigned i = 0; i < sim->gateway_count; i++) gateway_start(sim, i);
    for (unsigned i = 0; i < sim->worker_count; i++) {
        sim->workers[i].pool = pools[i];
        sim->workers[i].slots = 1 + (unsigned)sim_random(sim, 6);
        sim->workers[i].continues = sim_chance(sim, 500);
        sim->workers[i].terse = sim_chance(sim, 700);
        worker_start(sim, i);
    }
    for (unsigned i = 0; i < sim->client_count; i++)
        sim_at(sim, sim->now + sim_random(sim, FAULTS_MS * MS),
               (struct sim_event){.type = SIM_SUBMIT, .who = i});
    sim_at(sim, sim->now, (struct sim_event){.type = SIM_FAULT});
}

static bool all_ended(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->client_count; i++)
        if (sim->clients[i].state != CLIENT_ENDED) return false;
    return true;
}

/* When the faults are over and nobody stands still any more. */
static uint64_t all_awake(const struct sim *sim)
{
    uint64_t at = sim->heal_at;
    for (unsigned i = 0; i < sim->worker_count; i++) at = MAX(at, sim->workers[i].stopped_until);
    for (unsigned i = 0; i < sim->gateway_count; i++) at = MAX(at, sim->gateways[i].stopped_until);
    return at;
}

/* Where nothing goes wrong, nothing is done twice. */
static void check_calm(struct sim *sim)
{
    for (unsigned i = 0; i < sim->gateway_count; i++)
        for (int pool = 0; pool < POOL_COUNT; pool++) {
            const struct lane_counters *counters = lane_counters(sim->gateways[i].lanes, pool);
            if (counters->replays || counters->resets || counters->deaths)
                sim_fail(sim,
                         "a calm world had %" PRIu64 " replays, %" PRIu64 " resets, %" PRIu64
                         " deaths",
                         counters->replays, counters->resets, counters->deaths);
        }
}

/* What the gateway thinks a worker has granted it, and what the worker thinks. */
static void check_credits(struct sim *sim, unsigned gateway)
{
    struct lane_session_view view;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        for (size_t i = 0; lane_session_view(sim->gateways[gateway].lanes, pool, i, &view); i++) {
            const struct link *link = sim->links[view.session - 1];
            const struct worker *worker = &sim->workers[link->worker];
            if (worker->links[gateway] != link) continue;
            uint64_t given = credits_out(&worker->credit[gateway]);
            if (view.credits != given)
                sim_fail(sim, "credits: gateway has %" PRIu64 ", worker gave %" PRIu64,
                         view.credits, given);
        }
}

static void check_idle(struct sim *sim)
{
    for (unsigned i = 0; i < sim->client_count; i++)
        if (sim->clients[i].state != CLIENT_ENDED)
            sim_fail(sim, "client %u (%s) never ended", i,
                     sim->clients[i].stages ? sim->clients[i].stages : "not submitted");
    for (unsigned i = 0; i < sim->worker_count; i++)
        if (!worker_idle(&sim->workers[i])) sim_fail(sim, "worker %u retains a job", i);
    for (unsigned i = 0; i < sim->gateway_count; i++) {
        if (!sim->gateways[i].alive) continue;
        if (!lanes_idle(sim->gateways[i].lanes)) sim_fail(sim, "gateway %u retains a job", i);
        check_credits(sim, i);
    }
}

static void world_free(struct sim *sim)
{
    while (sim->heap_count) {
        struct sim_event event = sim_next(sim);
        if (event.packet) packet_free(event.packet);
    }
    for (unsigned i = 0; i < sim->gateway_count; i++) lanes_destroy(&sim->gateways[i].lanes);
    for (size_t i = 0; i < sim->link_count; i++) free(sim->links[i]);
    for (unsigned i = 0; i < sim->client_count; i++) buffer_free(&sim->clients[i].seen);
    free(sim->heap);
}

/* Runs until all has ended and three quiet seconds have passed, or time is up. */
static void run_world(struct sim *sim)
{
    uint64_t limit = sim->heal_at + COMPLETE_MS * MS, quiet = 0;
    while (!sim->failure && sim->now < limit && (!quiet || sim->now < quiet)) {
        struct sim_event event = sim_next(sim);
        uint64_t until;
        if (stopped(sim, &event, &until))
            sim_at(sim, until, event);
        else
            run_event(sim, &event);
        if (!quiet && sim->now > all_awake(sim) && all_ended(sim)) quiet = sim->now + 3000 * MS;
    }
    if (!sim->failure) check_idle(sim);
    if (!sim->failure && !sim->fault_rate) check_calm(sim);
}

static bool run_seed(uint64_t seed, const struct mutations *mutations, struct totals *totals)
{
    static struct sim sim;
    world_new(&sim, seed, mutations);
    run_world(&sim);
    bool failed = sim.failure != NULL;
    totals->seeds++;
    totals->events += sim.events;
    totals->broken += sim.broken;
    totals->tails += sim.tails;
    totals->failures += failed;
    for (size_t i = 0; i < FAULT_KINDS; i++) totals->faults[i] += sim.faults[i];
    for (size_t i = 0; i < ERROR_COUNT; i++) totals->outcomes[i] += sim.outcomes[i];
    if (failed)
        printf("seed %" PRIu64 " failed at %.3f s: %s\n  replay: sim --first %" PRIu64
               " --seeds 1\n",
               seed, (double)sim.now / 1e6, sim.failure, seed);
    world_free(&sim);
    return !failed;
}

static void print_totals(const struct totals *totals, double seconds)
{
    printf("seeds %" PRIu64 ", events %" PRIu64 ", %.0f events/s, failures %" PRIu64 "\nfaults:",
           totals->seeds, totals->events, (double)totals->events / seconds, totals->failures);
    for (size_t i = 0; i < FAULT_KINDS; i++)
        printf(" %s %" PRIu64, fault_names[i], totals->faults[i]);
    printf("\nends: connection_broken %" PRIu64, totals->broken);
    for (size_t i = 0; i < ERROR_COUNT; i++)
        if (totals->outcomes[i]) printf(" %s %" PRIu64, error_code((err_t)i), totals->outcomes[i]);
    printf("\nends that brought tokens: %" PRIu64 "\n", totals->tails);
}

int main(int argc, char **argv)
{
    struct mutations mutations = {0};
    struct totals totals = {0};
    uint64_t first = 1, seeds = 1000, seconds = 3600;
    bool expect_failure = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--expect-failure")) {
            expect_failure = true;
            continue;
        }
        if (!strcmp(argv[i], "--seeds")) seeds = strtoull(value, NULL, 10);
        if (!strcmp(argv[i], "--first")) first = strtoull(value, NULL, 10);
        if (!strcmp(argv[i], "--seconds")) seconds = strtoull(value, NULL, 10);
        if (!strcmp(argv[i], "--mutate")) {
            mutations.no_subscription_wait = !strcmp(value, "subscription_wait");
            mutations.no_new_session = !strcmp(value, "new_session");
            mutations.no_beat_streams = !strcmp(value, "beat_streams");
            mutations.no_tail_check = !strcmp(value, "tail_check");
        }
        i++;
    }
    uint64_t start = clock_ms();
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        if (!run_seed(seed, &mutations, &totals) && expect_failure) break;
        if (clock_ms() - start > seconds * 1000) break;
    }
    print_totals(&totals, MAX((double)(clock_ms() - start) / 1000, 0.001));
    return (totals.failures > 0) != expect_failure;
}
