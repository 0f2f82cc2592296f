/* A chained hash table of entries on one list, the freshest at its head. A digest needs no hashing:
 * its first bytes choose the chain. */
#include "gateway/lru.h"

#include <stdlib.h>
#include <sys/queue.h>

enum { CHAINS_AT_FIRST = 64, VALUE_SHARE = 8 };

struct entry {
    TAILQ_ENTRY(entry) age;
    struct entry *next; /* in its chain */
    uint8_t key[LRU_KEY_BYTES];
    uint64_t until_ms;
    size_t len;
    char value[];
};

struct lru {
    TAILQ_HEAD(ages, entry) ages;
    struct entry **chains;
    size_t chain_count; /* a power of two */
    size_t entries, bytes, bytes_max;
    uint64_t evicted;
};

struct lru *lru_new(size_t bytes_max)
{
    struct lru *lru = xcalloc(1, sizeof(*lru));
    TAILQ_INIT(&lru->ages);
    lru->chain_count = CHAINS_AT_FIRST;
    lru->chains = xcalloc(lru->chain_count, sizeof(struct entry *));
    lru->bytes_max = bytes_max;
    return lru;
}

/* --- chains --- */

static struct entry **chain_of(struct lru *lru, const uint8_t *key)
{
    uint64_t front;
    memcpy(&front, key, sizeof(front));
    return &lru->chains[front & (lru->chain_count - 1)];
}

/* Where the entry of that key hangs, or the end of its chain. */
static struct entry **place_of(struct lru *lru, const uint8_t *key)
{
    struct entry **place = chain_of(lru, key);
    while (*place && memcmp((*place)->key, key, LRU_KEY_BYTES) != 0) place = &(*place)->next;
    return place;
}

static void grow(struct lru *lru)
{
    struct entry *entry;
    free(lru->chains);
    lru->chain_count *= 2;
    lru->chains = xcalloc(lru->chain_count, sizeof(struct entry *));
    TAILQ_FOREACH(entry, &lru->ages, age)
    {
        struct entry **chain = chain_of(lru, entry->key);
        entry->next = *chain;
        *chain = entry;
    }
}

/* --- entries --- */

static size_t entry_bytes(size_t len)
{
    return sizeof(struct entry) + len + sizeof(struct entry *); /* and its share of the chains */
}

static void entry_remove(struct lru *lru, struct entry **place)
{
    struct entry *entry = *place;
    *place = entry->next;
    TAILQ_REMOVE(&lru->ages, entry, age);
    lru->bytes -= entry_bytes(entry->len);
    lru->entries--;
    free(entry);
}

static void make_room(struct lru *lru, size_t bytes)
{
    while (lru->entries && lru->bytes + bytes > lru->bytes_max) {
        entry_remove(lru, place_of(lru, TAILQ_LAST(&lru->ages, ages)->key));
        lru->evicted++;
    }
}

static void entry_insert(struct lru *lru, const uint8_t *key, struct slice value, uint64_t until_ms)
{
    struct entry *entry = xmalloc(sizeof(*entry) + value.len);
    if (lru->entries == lru->chain_count) grow(lru);
    struct entry **chain = chain_of(lru, key);
    memcpy(entry->key, key, LRU_KEY_BYTES);
    entry->until_ms = until_ms;
    entry->len = value.len;
    if (value.len) memcpy(entry->value, value.ptr, value.len);
    entry->next = *chain;
    *chain = entry;
    TAILQ_INSERT_HEAD(&lru->ages, entry, age);
    lru->bytes += entry_bytes(value.len);
    lru->entries++;
}

/* --- what others call --- */

struct slice lru_get(struct lru *lru, const uint8_t *key, uint64_t now_ms)
{
    struct entry **place = place_of(lru, key), *entry = *place;
    if (entry && entry->until_ms <= now_ms) {
        entry_remove(lru, place);
        entry = NULL;
    }
    if (!entry) return (struct slice){0};
    TAILQ_REMOVE(&lru->ages, entry, age);
    TAILQ_INSERT_HEAD(&lru->ages, entry, age);
    return (struct slice){entry->value, entry->len};
}

void lru_put(struct lru *lru, const uint8_t *key, struct slice value, uint64_t until_ms,
             uint64_t now_ms)
{
    size_t bytes = entry_bytes(value.len);
    lru_drop(lru, key);
    if (bytes > lru->bytes_max / VALUE_SHARE || until_ms <= now_ms) return;
    make_room(lru, bytes);
    entry_insert(lru, key, value, until_ms);
}

void lru_drop(struct lru *lru, const uint8_t *key)
{
    struct entry **place = place_of(lru, key);
    if (*place) entry_remove(lru, place);
}

void lru_destroy(struct lru **lru)
{
    if (!*lru) return;
    struct entry *entry;
    while ((entry = TAILQ_FIRST(&(*lru)->ages))) {
        TAILQ_REMOVE(&(*lru)->ages, entry, age);
        free(entry);
    }
    free((*lru)->chains);
    free(*lru);
    *lru = NULL;
}

size_t lru_bytes(const struct lru *lru)
{
    return lru->bytes;
}

size_t lru_entries(const struct lru *lru)
{
    return lru->entries;
}

uint64_t lru_evicted(const struct lru *lru)
{
    return lru->evicted;
}
