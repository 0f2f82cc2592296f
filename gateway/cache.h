/* Values in this process's memory, bounded by CACHE_BYTES_MAX, over Redis, which all gateways
 * share:
 *
 *     kind        key                                   TTL
 *     answer      agent:response:<hex>                  CACHE_ANSWER_TTL_S
 *     chunks      rag:chunks:<hex>                      CACHE_CHUNK_TTL_S
 *     embedding   rag:embedding:<embedder>:<hex>        CACHE_EMBEDDING_TTL_S
 *
 * In Redis they are packed (packing.h). A key names all that its value depends on, so nothing is
 * ever invalidated: what has changed is asked for under another key. */
#ifndef MILLRACE_GATEWAY_CACHE_H
#define MILLRACE_GATEWAY_CACHE_H

#include "common/settings.h"
#include "gateway/answer_key.h"
#include "gateway/redis_link.h"

enum cache_kind { CACHE_ANSWER, CACHE_CHUNKS, CACHE_EMBEDDING, CACHE_KINDS };

struct cache_key {
    enum cache_kind kind;
    struct digest digest;
    struct slice embedder; /* of CACHE_EMBEDDING */
};

struct cache;

struct cache *cache_new(const struct settings *settings, struct redis_link *redis);
/* The link is destroyed first, since it calls back. */
void cache_destroy(struct cache **cache);

/* From memory; valid until the next call that keeps or drops. ptr NULL where there is none. */
struct slice cache_peek(struct cache *cache, const struct cache_key *key);
/* From Redis, packed; not kept in memory unless the caller does. Valid during the call, ptr NULL
 * where there is none or Redis is away. Calls back exactly once, perhaps before it returns. */
void cache_fetch(struct cache *cache, const struct cache_key *key,
                 void (*on_value)(void *context, struct slice packed), void *context);
/* What was fetched, in `bytes`; ptr NULL where nothing was. What can't be unpacked is a value of no
 * bytes, which is none of any kind. */
struct slice cache_unpack(struct cache *cache, struct slice packed, struct buffer *bytes);
/* In memory alone, for `ttl_ms`. */
void cache_remember(struct cache *cache, const struct cache_key *key, struct slice value,
                    uint64_t ttl_ms);
/* In memory and Redis, for the kind's TTL. */
void cache_keep(struct cache *cache, const struct cache_key *key, struct slice value);
/* A value that is none: gone from both, and counted. */
void cache_drop_garbage(struct cache *cache, const struct cache_key *key);

/* Milliseconds that a value of this kind lives. */
uint64_t cache_ttl_ms(const struct cache *cache, enum cache_kind kind);
/* Whether a fetch may find something. */
bool cache_is_shared(const struct cache *cache);
size_t cache_bytes(const struct cache *cache);
size_t cache_entries(const struct cache *cache);
/* "answer", "chunks", "embedding": the metrics' label. */
const char *cache_kind_name(enum cache_kind kind);

#endif
