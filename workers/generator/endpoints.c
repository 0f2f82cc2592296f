#include "workers/generator/endpoints.h"

#include <stdlib.h>

#include "common/hash.h"
#include "workers/provider_status.h"

struct endpoints {
    struct endpoint *items;
    size_t count, capacity;
};

struct endpoints *endpoints_new(void)
{
    return xcalloc(1, sizeof(struct endpoints));
}

void endpoints_destroy(struct endpoints **endpoints)
{
    free((*endpoints)->items);
    free(*endpoints);
    *endpoints = NULL;
}

static struct endpoint *longest_unused(struct endpoints *endpoints)
{
    struct endpoint *oldest = endpoints->items;
    for (size_t i = 1; i < endpoints->count; i++)
        if (endpoints->items[i].used_ms < oldest->used_ms) oldest = &endpoints->items[i];
    return oldest;
}

static struct endpoint *place_for_new(struct endpoints *endpoints)
{
    if (endpoints->count == ENDPOINTS_MAX) return longest_unused(endpoints);
    endpoints->items = xgrow(endpoints->items, &endpoints->capacity, endpoints->count + 1,
                             sizeof(struct endpoint));
    return &endpoints->items[endpoints->count++];
}

static struct endpoint *find(struct endpoints *endpoints, uint64_t id)
{
    for (size_t i = 0; i < endpoints->count; i++)
        if (endpoints->items[i].id == id) return &endpoints->items[i];
    return NULL;
}

struct endpoint *endpoints_find(struct endpoints *endpoints, uint64_t id, const char *provider,
                                uint64_t now_ms)
{
    struct endpoint *endpoint = find(endpoints, id);
    if (!endpoint) {
        endpoint = place_for_new(endpoints);
        *endpoint = (struct endpoint){.id = id, .provider = provider};
    }
    endpoint->used_ms = now_ms;
    return endpoint;
}

uint64_t endpoints_trouble(const struct endpoints *endpoints, uint64_t now_ms, struct buffer *out)
{
    uint64_t soonest = 0;
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct endpoint *endpoint = &endpoints->items[i];
        uint64_t wait_ms = breaker_wait_ms(&endpoint->breaker, now_ms);
        if (!wait_ms) continue;
        provider_trouble_add(endpoint->provider, endpoint->error, out);
        soonest = soonest ? MIN(soonest, wait_ms) : wait_ms;
    }
    return soonest;
}

static size_t model_index(const struct endpoint *endpoint, uint64_t hash)
{
    size_t i = 0;
    while (i < ENDPOINT_MODELS_MAX && endpoint->models[i].hash != hash) i++;
    return i;
}

unsigned endpoint_left_out(const struct endpoint *endpoint, struct slice model)
{
    size_t i = model_index(endpoint, hash_fnv64(model, 0));
    return i < ENDPOINT_MODELS_MAX ? endpoint->models[i].left_out : 0;
}

/* To the front; the oldest goes where there is no room. */
void endpoint_set_left_out(struct endpoint *endpoint, struct slice model, unsigned left_out)
{
    uint64_t hash = hash_fnv64(model, 0);
    size_t from = MIN(model_index(endpoint, hash), (size_t)ENDPOINT_MODELS_MAX - 1);
    memmove(&endpoint->models[1], &endpoint->models[0], from * sizeof endpoint->models[0]);
    endpoint->models[0] = (struct endpoint_model){hash, left_out};
}
