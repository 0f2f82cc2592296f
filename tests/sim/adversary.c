/* What goes wrong in a run: a random mix for each seed, until it heals. */
#include "tests/sim/sim.h"

const char *const fault_names[FAULT_KINDS] = {
    "token_lost",        "token_repeated",  "client_left", "provider_failed", "worker_killed",
    "worker_stopped",    "gateway_stopped", "jobs_cut",    "tokens_cut",      "worker_drained",
    "gateway_restarted", "all_cut",         "pool_killed",
};

static struct worker *some_worker(struct sim *sim)
{
    struct worker *worker = &sim->workers[sim_random(sim, sim->worker_count)];
    return worker->alive ? worker : NULL;
}

static unsigned index_of(const struct sim *sim, const struct worker *worker)
{
    return (unsigned)(worker - sim->workers);
}

static void kill_worker(struct sim *sim, struct worker *worker)
{
    unsigned index = index_of(sim, worker);
    worker_kill(sim, index);
    sim_at(sim, sim->now + sim_random(sim, 500 * MS),
           (struct sim_event){.type = SIM_WORKER_START, .who = index, .life = worker->life});
}

static void cut(struct sim *sim, struct link *link, bool jobs, bool tokens)
{
    link->tokens_cut |= tokens;
    if (jobs && !link->cut) {
        link->cut = true;
        sim_at(sim, sim->now + 1 * MS + sim_random(sim, 3 * MS),
               (struct sim_event){.type = SIM_GATEWAY_LOST, .link = link});
    }
    sim_at(sim, sim->now + 1 * MS + sim_random(sim, 3 * MS),
           (struct sim_event){.type = SIM_WORKER_LOST, .link = link});
}

static void fault(struct sim *sim, unsigned kind)
{
    struct worker *worker = some_worker(sim);
    unsigned gateway = (unsigned)sim_random(sim, sim->gateway_count);
    struct gateway *at = &sim->gateways[gateway];
    struct link *link = worker ? worker->links[gateway] : NULL;
    uint64_t until;
    switch (kind) {
    case 4:
        if (!worker) return;
        kill_worker(sim, worker);
        break;
    case 5:
        if (!worker) return;
        until = sim->now + sim_random(sim, 4000 * MS);
        worker->stopped_until = MAX(worker->stopped_until, until);
        break;
    case 6:
        if (!at->alive) return;
        until = sim->now + sim_random(sim, 3000 * MS);
        at->stopped_until = MAX(at->stopped_until, until);
        break;
    case 7:
    case 8:
    case 11:
        if (!link) return;
        cut(sim, link, kind != 8, kind != 7);
        break;
    case 9:
        if (!worker || worker->draining) return;
        worker_drain(sim, index_of(sim, worker));
        break;
    case 10:
        if (!at->alive) return;
        gateway_stop(sim, gateway);
        sim_at(sim, sim->now + sim_random(sim, 800 * MS),
               (struct sim_event){.type = SIM_GATEWAY_START, .who = gateway, .life = at->life});
        break;
    case 12:
        for (unsigned i = 0; i < sim->worker_count; i++)
            if (worker && sim->workers[i].alive && sim->workers[i].pool == worker->pool)
                kill_worker(sim, &sim->workers[i]);
        break;
    default: return;
    }
    sim->faults[kind]++;
}

/* Which kinds a run knows at all comes from its seed; each turn may bring one of them. */
void adversary_turn(struct sim *sim)
{
    uint64_t known = sim->seed * 0x9e3779b97f4a7c15u >> 40;
    unsigned kind = 4 + (unsigned)sim_random(sim, FAULT_KINDS - 4);
    if (sim->now >= sim->heal_at) return;
    if ((known >> kind & 1) && sim_chance(sim, sim->fault_rate)) fault(sim, kind);
    sim_at(sim, sim->now + 5 * MS, (struct sim_event){.type = SIM_FAULT});
}
