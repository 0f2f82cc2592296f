/* A table in which every span of chunks has one place: the one that comes last has it. Where the
 * bytes do not suffice, a hand goes round and empties places. */
#include "workers/retriever/passage_cache.h"

#include <stdlib.h>

enum { PLACES = 16384 }; /* a power of two, far more than there will be entries */

struct entry {
    struct entry *next; /* on the list of those that are gone */
    uint64_t chunk_id;
    uint32_t first, last;
    size_t size;
    struct slice tenant, title, heading, source, text; /* in `bytes` */
    char bytes[];
};

struct passage_cache {
    size_t bytes, bytes_max;
    size_t hand;
    struct entry *gone; /* out of the table, perhaps still in somebody's hands */
    struct entry *places[PLACES];
};

struct passage_cache *passage_cache_new(size_t bytes_max)
{
    struct passage_cache *cache = xcalloc(1, sizeof(*cache));
    cache->bytes_max = bytes_max;
    return cache;
}

static void empty(struct passage_cache *cache, struct entry **place)
{
    if (!*place) return;
    cache->bytes -= (*place)->size;
    (*place)->next = cache->gone;
    cache->gone = *place;
    *place = NULL;
}

void passage_cache_sweep(struct passage_cache *cache)
{
    while (cache->gone) {
        struct entry *entry = cache->gone;
        cache->gone = entry->next;
        free(entry);
    }
}

void passage_cache_destroy(struct passage_cache **cache)
{
    if (!*cache) return;
    for (size_t i = 0; i < PLACES; i++) empty(*cache, &(*cache)->places[i]);
    passage_cache_sweep(*cache);
    free(*cache);
    *cache = NULL;
}

/* Knuth's multiplicative hash: ids are often consecutive, and the spans about a chunk are few. */
static size_t place_of(const struct resident_hit *hit)
{
    uint64_t key = hit->chunk_id * 64 + (hit->first % 8) * 8 + hit->last % 8;
    return (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) % PLACES;
}

bool passage_cache_find(const struct passage_cache *cache, struct slice tenant,
                        const struct resident_hit *hit, struct passage *passage)
{
    const struct entry *entry = cache->places[place_of(hit)];
    if (!entry || entry->chunk_id != hit->chunk_id || entry->first != hit->first ||
        entry->last != hit->last || !slice_equal(entry->tenant, tenant))
        return false;
    *passage = (struct passage){
        .chunk_id = hit->chunk_id,
        .document_id = hit->document_id,
        .title = entry->title,
        .heading = entry->heading,
        .source = entry->source,
        .text = entry->text,
        .start = hit->start,
        .end = hit->start + entry->text.len,
        .score = hit->score,
        .scores = {.vector = hit->vector, .bm25 = hit->bm25},
    };
    return true;
}

static struct slice append(struct entry *entry, size_t *used, struct slice text)
{
    struct slice copy = {entry->bytes + *used, text.len};
    if (text.len) memcpy(entry->bytes + *used, text.ptr, text.len);
    *used += text.len;
    return copy;
}

static void make_room(struct passage_cache *cache, size_t size)
{
    for (size_t i = 0; i < PLACES && cache->bytes + size > cache->bytes_max; i++)
        empty(cache, &cache->places[cache->hand++ % PLACES]);
}

void passage_cache_put(struct passage_cache *cache, struct slice tenant,
                       const struct resident_hit *hit, const struct passage *passage)
{
    size_t used = 0, size = sizeof(struct entry) + tenant.len + passage->title.len +
                            passage->heading.len + passage->source.len + passage->text.len;
    struct entry **place = &cache->places[place_of(hit)];
    empty(cache, place);
    if (size > cache->bytes_max) return;
    make_room(cache, size);
    struct entry *entry = *place = xmalloc(size);
    entry->chunk_id = hit->chunk_id;
    entry->first = hit->first;
    entry->last = hit->last;
    entry->size = size;
    entry->tenant = append(entry, &used, tenant);
    entry->title = append(entry, &used, passage->title);
    entry->heading = append(entry, &used, passage->heading);
    entry->source = append(entry, &used, passage->source);
    entry->text = append(entry, &used, passage->text);
    cache->bytes += size;
}

size_t passage_cache_bytes(const struct passage_cache *cache)
{
    return cache->bytes;
}
