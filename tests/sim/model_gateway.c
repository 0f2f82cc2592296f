/* The gateway's side: feeds the production lanes, carries their actions over links, and lets
 * clients see what they would see. The oracles of a client's bytes and of how a job may end stand
 * here. */
#include <stdlib.h>

#include "tests/sim/sim.h"

static const struct lane_limits limits = {
    .boot_id = "gateway",
    .heartbeat_ms = 500,
    .liveness = 3,
    .accept_timeout_ms = 250,
    .jobs_max = JOBS_MAX * 2,
    .bytes_max = 1 << 20,
    .age_max_ms = 600000,
    .records_max = JOBS_MAX,
    .requeues_max = 3,
    .window_tokens = 16,
    .window_bytes = 128,
    .answer_bytes_max = 100000,
    .no_worker_ms = 600000,
};

void gateway_start(struct sim *sim, unsigned index)
{
    struct gateway *gateway = &sim->gateways[index];
    gateway->lanes = lanes_new(&limits, sim->now);
    gateway->alive = true;
    gateway->life++;
    gateway->stopped_until = 0;
    sim_at(sim, sim->now + LANE_TICK_MS * MS,
           (struct sim_event){.type = SIM_GATEWAY_TICK, .who = index, .life = gateway->life});
}

/* Its clients see a broken connection, its workers a lost one. */
void gateway_stop(struct sim *sim, unsigned index)
{
    struct gateway *gateway = &sim->gateways[index];
    for (unsigned i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        if (client->state != CLIENT_WAITING || client->gateway != index) continue;
        client->state = CLIENT_ENDED;
        sim->broken++;
    }
    for (size_t i = 0; i < sim->link_count; i++) {
        struct link *link = sim->links[i];
        if (link->gateway != index || link->gateway_life != gateway->life || link->cut) continue;
        link->cut = link->tokens_cut = true;
        sim_at(sim, sim->now + 1 * MS, (struct sim_event){.type = SIM_WORKER_LOST, .link = link});
    }
    lanes_destroy(&gateway->lanes);
    gateway->alive = false;
}

/* --- what a client sees --- */

static unsigned variants(const struct client *client)
{
    return client->same_text ? 1 : 8;
}

/* The bytes seen are a beginning of one telling; `whole`: all of it. */
static bool seen_is_honest(const struct sim *sim, unsigned index, bool whole)
{
    const struct client *client = &sim->clients[index];
    uint64_t length = model_length(sim, index);
    if (client->seen.len > length || (whole && client->seen.len != length)) return false;
    for (unsigned variant = 0; variant < variants(client); variant++) {
        size_t at = 0;
        while (at < client->seen.len &&
               client->seen.data[at] == model_byte(sim, index, variant, at))
            at++;
        if (at == client->seen.len) return true;
    }
    return false;
}

static bool end_is_allowed(const struct client *client, err_t error)
{
    switch (error) {
    case OK: return true;
    case ERR_CANCELLED: return client->cancelled;
    case ERR_PROVIDER_FAILED: return client->saw_failure;
    case ERR_STREAM_INTERRUPTED:
        return !client->same_text && client->redelivered && !client->tentative;
    case ERR_WORKER_DIED: return client->redelivered;
    default: return false;
    }
}

static void client_text(struct sim *sim, unsigned index, size_t at, struct slice text)
{
    struct client *client = &sim->clients[index];
    if (at != client->seen.len && !client->tentative)
        sim_fail(sim, "client %u: text for byte %zu after %zu", index, at, client->seen.len);
    client->seen.len = at;
    buffer_append_slice(&client->seen, text);
    if (!seen_is_honest(sim, index, false))
        sim_fail(sim, "client %u: mixed or repeated text after %zu bytes", index, client->seen.len);
}

static void client_end(struct sim *sim, unsigned index, err_t error)
{
    struct client *client = &sim->clients[index];
    bool streams = strchr(client->stages, 'G') != NULL;
    if (client->state != CLIENT_WAITING) sim_fail(sim, "client %u: ended twice", index);
    client->state = CLIENT_ENDED;
    sim->outcomes[error]++;
    if (!end_is_allowed(client, error))
        sim_fail(sim, "client %u: ended with %s", index, error_code(error));
    if (!error && streams && !seen_is_honest(sim, index, true))
        sim_fail(sim, "client %u: %zu of %llu bytes called whole", index, client->seen.len,
                 (unsigned long long)model_length(sim, index));
}

/* --- carrying out --- */

static struct link *link_of(struct sim *sim, uint64_t session)
{
    return session && session <= sim->link_count ? sim->links[session - 1] : NULL;
}

static void note_redelivery(struct sim *sim, const struct lane_action *action)
{
    uint32_t client;
    if (action->message.type != MESSAGE_JOB || action->message.attempt < 2) return;
    struct slice request = body_frame(action->body, FRAME_REQUEST);
    memcpy(&client, request.ptr, sizeof(client));
    sim->clients[client].redelivered = true;
}

static void act(struct sim *sim, struct gateway *gateway, const struct lane_action *action)
{
    struct link *link;
    unsigned index;
    switch (action->type) {
    case ACTION_SEND:
        link = link_of(sim, action->session);
        note_redelivery(sim, action);
        if (link) link_send(sim, link, DOWN, &action->message, action->body);
        break;
    case ACTION_TEXT: {
        struct lane_job_view view = lane_job_view(action->job);
        index = (unsigned)(uintptr_t)view.owner;
        client_text(sim, index, action->from,
                    (struct slice){view.answer.ptr + action->from, view.answer.len - action->from});
        break;
    }
    case ACTION_END: {
        struct lane_job_view view = lane_job_view(action->job);
        client_end(sim, (unsigned)(uintptr_t)view.owner, view.error);
        lane_job_forget(gateway->lanes, action->job);
        break;
    }
    case ACTION_FORGET:
        link = link_of(sim, action->session);
        if (link) link->forgotten = true;
        break;
    case ACTION_STAGE:
    case ACTION_VERSION:
    case ACTION_PENDING:
    case ACTION_COUNTS: break;
    }
}

static err_t gateway_step(struct sim *sim, struct gateway *gateway, struct lane_event event)
{
    size_t count;
    const char *what;
    err_t error = lane_step(gateway->lanes, &event, sim->now);
    const struct lane_action *actions = lane_actions(gateway->lanes, &count);
    for (size_t i = 0; i < count; i++) act(sim, gateway, &actions[i]);
    lane_actions_clear(gateway->lanes);
    if (sim->events % 16 == 0 && !lanes_consistent(gateway->lanes, &what))
        sim_fail(sim, "invariant broken: %s", what);
    return error;
}

void gateway_tick(struct sim *sim, unsigned index)
{
    struct gateway *gateway = &sim->gateways[index];
    gateway_step(sim, gateway, (struct lane_event){.type = EVENT_TICK});
    sim_at(sim, sim->now + LANE_TICK_MS * MS,
           (struct sim_event){.type = SIM_GATEWAY_TICK, .who = index, .life = gateway->life});
}

void gateway_lost(struct sim *sim, struct link *link)
{
    struct gateway *gateway = &sim->gateways[link->gateway];
    gateway_step(sim, gateway,
                 (struct lane_event){.type = EVENT_LOST,
                                     .pool = sim->workers[link->worker].pool,
                                     .session = link->session});
}

static void gateway_tail(struct sim *sim, struct gateway *gateway, struct slice tokens)
{
    struct message token;
    struct arena arena = {0};
    while (tokens.len) {
        if (message_decode_next(&tokens, &arena, &token))
            sim_fail(sim, "the codec does not read the tokens it wrote");
        gateway_step(sim, gateway, (struct lane_event){.type = EVENT_TOKEN, .message = &token});
        arena_free(&arena);
    }
}

void gateway_packet(struct sim *sim, struct packet *packet)
{
    struct link *link = packet->link;
    struct gateway *gateway = &sim->gateways[link->gateway];
    struct arena arena = {0};
    struct message message;
    struct lane_event event = {.type = packet->channel == TOKENS ? EVENT_TOKEN : EVENT_MESSAGE,
                               .pool = sim->workers[link->worker].pool,
                               .session = link->session,
                               .message = &message,
                               .body = packet->body};
    if (message_decode(buffer_slice(&packet->header), &arena, &message))
        sim_fail(sim, "the codec does not read what it wrote");
    gateway_tail(sim, gateway, buffer_slice(&packet->tail));
    event.tail = packet->tail.len > 0;
    gateway_step(sim, gateway, event);
    arena_free(&arena);
}

/* --- clients --- */

void client_submit(struct sim *sim, unsigned index)
{
    static const char *const itineraries[] = {"G", "ERG", "ER", "R", "G", "ERG"};
    struct client *client = &sim->clients[index];
    uint32_t number = index;
    unsigned at = (unsigned)sim_random(sim, sim->gateway_count);
    if (!sim->gateways[at].alive) {
        sim_at(sim, sim->now + 20 * MS, (struct sim_event){.type = SIM_SUBMIT, .who = index});
        return;
    }
    client->stages = itineraries[sim_random(sim, ARRAY_LEN(itineraries))];
    client->same_text = sim_chance(sim, 700);
    client->tentative = sim_chance(sim, 400);
    client->slow = sim_chance(sim, 200);
    client->gateway = at;
    client->gateway_life = sim->gateways[at].life;
    client->job = ++sim->next_job;
    client->state = CLIENT_WAITING;
    struct lane_job_spec spec = {.kind = KIND_CHAT,
                                 .stages = client->stages,
                                 .body = body_new(),
                                 .timeout_ms = 600000,
                                 .tentative = client->tentative,
                                 .owner = (void *)(uintptr_t)index};
    body_set(spec.body, FRAME_REQUEST, (struct slice){(char *)&number, sizeof(number)});
    if (gateway_step(sim, &sim->gateways[at],
                     (struct lane_event){.type = EVENT_SUBMIT, .job = client->job, .spec = &spec}))
        sim_fail(sim, "client %u: refused", index);
    sim_at(sim, sim->now + 5 * MS, (struct sim_event){.type = SIM_CLIENT, .who = index});
}

void client_turn(struct sim *sim, unsigned index)
{
    struct client *client = &sim->clients[index];
    struct gateway *gateway = &sim->gateways[client->gateway];
    bool faulty = sim->now < sim->heal_at;
    uint64_t step = client->slow ? 16 : 4096;
    if (client->state != CLIENT_WAITING) return;
    if (faulty && sim->fault_rate && sim_chance(sim, 4)) {
        sim->faults[2]++;
        client->cancelled = true;
        gateway_step(sim, gateway, (struct lane_event){.type = EVENT_CANCEL, .job = client->job});
    } else if (client->taken < client->seen.len) {
        client->taken = MIN(client->taken + step, client->seen.len);
        gateway_step(
            sim, gateway,
            (struct lane_event){.type = EVENT_TAKEN, .job = client->job, .bytes = client->taken});
    }
    sim_at(sim, sim->now + 5 * MS, (struct sim_event){.type = SIM_CLIENT, .who = index});
}
