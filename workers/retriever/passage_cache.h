/* Passages as they were read, so that what is asked for often is not read again. A chunk never
 * changes under its id, nor do its document's title and source without new chunks: what is
 * remembered stays true, and a chunk that has gone is asked for no more. */
#ifndef MILLRACE_RETRIEVER_PASSAGE_CACHE_H
#define MILLRACE_RETRIEVER_PASSAGE_CACHE_H

#include "proto/records.h"
#include "workers/retriever/resident.h"

struct passage_cache;

/* Texts of at most `bytes_max` in all; those that came first go first. */
struct passage_cache *passage_cache_new(size_t bytes_max) MUST_USE;
void passage_cache_destroy(struct passage_cache **cache);
/* The hit's passage, with the hit's own scores; false if it is not there. A tenant finds only what
 * was put for him. The texts are the cache's, valid until passage_cache_sweep. */
bool passage_cache_find(const struct passage_cache *cache, struct slice tenant,
                        const struct resident_hit *hit, struct passage *passage);
/* Copies what was read. */
void passage_cache_put(struct passage_cache *cache, struct slice tenant,
                       const struct resident_hit *hit, const struct passage *passage);
/* Frees what had to make room since the last sweep. */
void passage_cache_sweep(struct passage_cache *cache);
size_t passage_cache_bytes(const struct passage_cache *cache);

#endif
