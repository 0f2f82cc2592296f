/* Chance, virtual time, links. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#include "common/hash.h"

uint64_t sim_random(struct sim *sim, uint64_t below)
{
    uint64_t x = hash_mix(sim->random += 0x9e3779b97f4a7c15u); /* splitmix64 */
    return below ? x % below : 0;
}

bool sim_chance(struct sim *sim, unsigned in_a_thousand)
{
    return sim_random(sim, 1000) < in_a_thousand;
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;
    if (sim->failure) return;
    va_start(args, format);
    vsnprintf(sim->failure_text, sizeof(sim->failure_text), format, args);
    va_end(args);
    sim->failure = sim->failure_text;
}

/* --- a heap of events by time, then by order of making --- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_at(struct sim *sim, uint64_t at, struct sim_event event)
{
    size_t i = sim->heap_count;
    event.at = MAX(at, sim->now);
    if (!event.order) event.order = ++sim->order; /* one that was put off keeps its place */
    sim->heap = xgrow(sim->heap, &sim->heap_capacity, ++sim->heap_count, sizeof(*sim->heap));
    for (; i && before(&event, &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
        sim->heap[i] = sim->heap[(i - 1) / 2];
    sim->heap[i] = event;
}

struct sim_event sim_next(struct sim *sim)
{
    struct sim_event first = sim->heap[0], last = sim->heap[--sim->heap_count];
    size_t i = 0, child;
    for (; (child = 2 * i + 1) < sim->heap_count; i = child) {
        if (child + 1 < sim->heap_count && before(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!before(&sim->heap[child], &last)) break;
        sim->heap[i] = sim->heap[child];
    }
    sim->heap[i] = last;
    sim->now = first.at;
    sim->events++;
    return first;
}

/* --- links --- */

struct link *link_new(struct sim *sim, unsigned worker, unsigned gateway)
{
    struct link *link = xcalloc(1, sizeof(*link));
    if (sim->link_count == LINKS_MAX) {
        fprintf(stderr, "seed %llu: too many sessions\n", (unsigned long long)sim->seed);
        abort();
    }
    link->session = ++sim->next_session;
    link->gateway = gateway;
    link->gateway_life = sim->gateways[gateway].life;
    link->worker = worker;
    link->worker_life = sim->workers[worker].life;
    sim->links[sim->link_count++] = link;
    return link;
}

static uint64_t delay(struct sim *sim)
{
    bool slow = sim->fault_rate && sim->now < sim->heal_at && sim_chance(sim, 20);
    return 20 + sim_random(sim, slow ? 60 * MS : 400);
}

static struct packet *post(struct sim *sim, struct link *link, enum link_channel channel,
                           const struct message *message, struct body *body)
{
    struct packet *packet = xcalloc(1, sizeof(*packet));
    packet->link = link;
    packet->channel = channel;
    packet->body = body ? body_ref(body) : NULL;
    message_encode(message, &packet->header);
    uint64_t arrives = sim->now + delay(sim);
    link->last[channel] = MAX(link->last[channel], arrives);
    sim_at(sim, link->last[channel], (struct sim_event){.type = SIM_PACKET, .packet = packet});
    return packet;
}

void link_send(struct sim *sim, struct link *link, enum link_channel channel,
               const struct message *message, struct body *body)
{
    bool faulty = sim->now < sim->heal_at;
    if (channel == TOKENS) {
        if (link->tokens_cut || !link->subscribed_at || sim->now < link->subscribed_at) return;
        if (faulty && sim_chance(sim, sim->token_faults)) {
            sim->faults[0]++;
            return;
        }
        if (faulty && sim_chance(sim, sim->token_faults)) {
            sim->faults[1]++;
            post(sim, link, channel, message, body);
        }
    } else if (link->cut) {
        return;
    }
    post(sim, link, channel, message, body);
}

void link_send_end(struct sim *sim, struct link *link, const struct message *message,
                   const struct buffer *tail)
{
    if (link->cut) return;
    struct packet *packet = post(sim, link, UP, message, NULL);
    buffer_append_slice(&packet->tail, buffer_slice(tail));
    sim->tails++;
}

void packet_free(struct packet *packet)
{
    buffer_free(&packet->header);
    buffer_free(&packet->tail);
    body_unref(&packet->body);
    free(packet);
}

/* --- the text that every honest answer has --- */

uint64_t model_length(const struct sim *sim, unsigned client)
{
    return hash_mix(sim->seed * 131 + client + 1) % TEXT_MAX;
}

char model_byte(const struct sim *sim, unsigned client, unsigned variant, uint64_t at)
{
    return (char)('a' + hash_mix(sim->seed * 7919 + client * 613 + variant * 104729 + at) % 26);
}
