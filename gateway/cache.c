#include "gateway/cache.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "gateway/lru.h"
#include "gateway/packing.h"

enum { KEY_BYTES_MAX = 512 }; /* an embedder with a longer name has no shared cache */

_Static_assert(sizeof(struct digest) == LRU_KEY_BYTES, "digests are the LRU's keys");

static const struct {
    const char *name, *prefix;
    size_t ttl_s;     /* where in the settings */
    unsigned percent; /* of the memory: large frames must not take the answers' place */
} kinds[CACHE_KINDS] = {
    [CACHE_ANSWER] = {"answer", "agent:response:", offsetof(struct settings, cache_answer_ttl_s),
                      50},
    [CACHE_CHUNKS] = {"chunks", "rag:chunks:", offsetof(struct settings, cache_chunk_ttl_s), 35},
    [CACHE_EMBEDDING] = {"embedding",
                         "rag:embedding:", offsetof(struct settings, cache_embedding_ttl_s), 15},
};

struct cache {
    const struct settings *settings;
    struct redis_link *redis;
    struct lru *memory[CACHE_KINDS];
    struct packing *packing;
};

const char *cache_kind_name(enum cache_kind kind)
{
    return kinds[kind].name;
}

static uint64_t ttl_s(const struct cache *cache, enum cache_kind kind)
{
    return *(const uint64_t *)((const char *)cache->settings + kinds[kind].ttl_s);
}

uint64_t cache_ttl_ms(const struct cache *cache, enum cache_kind kind)
{
    return ttl_s(cache, kind) * 1000;
}

/* The key as Redis has it; empty when it is too long for one. */
static struct slice key_text(const struct cache_key *key, char text[KEY_BYTES_MAX])
{
    struct slice prefix = slice_of(kinds[key->kind].prefix);
    size_t len = prefix.len;
    if (prefix.len + key->embedder.len + 1 + SHA256_HEX + 1 > KEY_BYTES_MAX)
        return (struct slice){0};
    memcpy(text, prefix.ptr, prefix.len);
    if (key->kind == CACHE_EMBEDDING) {
        if (key->embedder.len) memcpy(text + len, key->embedder.ptr, key->embedder.len);
        len += key->embedder.len;
        text[len++] = ':';
    }
    sha256_hex(key->digest.bytes, text + len);
    return (struct slice){text, len + SHA256_HEX};
}

struct slice cache_peek(struct cache *cache, const struct cache_key *key)
{
    return lru_get(cache->memory[key->kind], key->digest.bytes, clock_ms());
}

/* --- Redis --- */

struct fetch {
    void (*on_value)(void *context, struct slice value);
    void *context;
};

static void on_reply(void *context, enum redis_outcome outcome, struct slice value)
{
    struct fetch *fetch = context;
    if (outcome != REDIS_HIT) value = (struct slice){0};
    fetch->on_value(fetch->context, value);
    free(fetch);
}

void cache_fetch(struct cache *cache, const struct cache_key *key,
                 void (*on_value)(void *context, struct slice value), void *context)
{
    char text[KEY_BYTES_MAX];
    struct slice name = key_text(key, text);
    if (!name.len) {
        on_value(context, (struct slice){0});
        return;
    }
    struct fetch *fetch = xmalloc(sizeof(*fetch));
    *fetch = (struct fetch){on_value, context};
    redis_get(cache->redis, name, on_reply, fetch);
}

struct slice cache_unpack(struct cache *cache, struct slice packed, struct buffer *bytes)
{
    if (!packed.ptr) return packed;
    bool sound = packing_unpack(cache->packing, packed, bytes);
    return sound && bytes->len ? buffer_slice(bytes) : SLICE("");
}

bool cache_is_shared(const struct cache *cache)
{
    return redis_available(cache->redis);
}

/* --- keeping --- */

void cache_remember(struct cache *cache, const struct cache_key *key, struct slice value,
                    uint64_t ttl_ms)
{
    uint64_t now_ms = clock_ms();
    lru_put(cache->memory[key->kind], key->digest.bytes, value, now_ms + ttl_ms, now_ms);
}

void cache_keep(struct cache *cache, const struct cache_key *key, struct slice value)
{
    char text[KEY_BYTES_MAX];
    struct slice name = key_text(key, text);
    struct buffer packed = {0};
    cache_remember(cache, key, value, cache_ttl_ms(cache, key->kind));
    if (!name.len || !redis_available(cache->redis)) return;
    if (packing_pack(cache->packing, value, &packed))
        redis_set(cache->redis, name, buffer_slice(&packed), ttl_s(cache, key->kind));
    buffer_free(&packed);
}

void cache_drop_garbage(struct cache *cache, const struct cache_key *key)
{
    char text[KEY_BYTES_MAX];
    struct slice name = key_text(key, text);
    metric_add(METRIC_CACHE_GARBAGE, 1, kinds[key->kind].name, NULL);
    lru_drop(cache->memory[key->kind], key->digest.bytes);
    if (name.len) redis_delete(cache->redis, name);
}

/* --- life --- */

struct cache *cache_new(const struct settings *settings, struct redis_link *redis)
{
    struct cache *cache = xcalloc(1, sizeof(*cache));
    cache->settings = settings;
    cache->redis = redis;
    for (size_t i = 0; i < CACHE_KINDS; i++)
        cache->memory[i] = lru_new(settings->cache_bytes_max / 100 * kinds[i].percent);
    cache->packing = packing_new();
    return cache;
}

void cache_destroy(struct cache **cache)
{
    struct cache *old = *cache;
    *cache = NULL;
    if (!old) return;
    for (size_t i = 0; i < CACHE_KINDS; i++) lru_destroy(&old->memory[i]);
    packing_destroy(&old->packing);
    free(old);
}

size_t cache_bytes(const struct cache *cache)
{
    size_t bytes = 0;
    for (size_t i = 0; i < CACHE_KINDS; i++) bytes += lru_bytes(cache->memory[i]);
    return bytes;
}

size_t cache_entries(const struct cache *cache)
{
    size_t entries = 0;
    for (size_t i = 0; i < CACHE_KINDS; i++) entries += lru_entries(cache->memory[i]);
    return entries;
}
