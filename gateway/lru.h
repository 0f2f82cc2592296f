/* Values by key, bounded by bytes, the least recently used given up first; each with its own end.
 * Pure: the caller brings the clock. */
#ifndef MILLRACE_GATEWAY_LRU_H
#define MILLRACE_GATEWAY_LRU_H

#include "common/base.h"

enum { LRU_KEY_BYTES = 32 }; /* keys are digests */

struct lru;

struct lru *lru_new(size_t bytes_max);
void lru_destroy(struct lru **lru);
/* The value, until the next call that puts or drops; empty (ptr NULL) where there is none that
 * lives. */
struct slice lru_get(struct lru *lru, const uint8_t *key, uint64_t now_ms);
/* Copies the value. One that is larger than an eighth of the whole is not kept. */
void lru_put(struct lru *lru, const uint8_t *key, struct slice value, uint64_t until_ms,
             uint64_t now_ms);
void lru_drop(struct lru *lru, const uint8_t *key);
size_t lru_bytes(const struct lru *lru); /* keys and book-keeping included */
size_t lru_entries(const struct lru *lru);
uint64_t lru_evicted(const struct lru *lru); /* for want of room, since the start */

#endif
