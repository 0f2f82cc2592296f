/* A list of entries, the most recently used first. Who asks while an entry is being refreshed waits
 * for the next refresh, because this one may have begun before the commit that he must see.
 *
 *     want ──▶ waiting ──drive──▶ served by the refresh under way ──end──▶ ready */
#include "workers/retriever/portfolios.h"

#include <stdlib.h>

#include "common/log.h"

struct entry {
    struct entry *next;
    struct portfolio_cache *portfolios;
    char *tenant;
    struct store_refresh refresh;
    struct resident *resident;
    const struct embedder_info *embedder;
    size_t bytes;
    struct portfolio_wait *waiting, *served;
    bool refreshing; /* the store has the refresh */
    bool driving;    /* drive() is on the stack */
    bool warned;     /* of its size */
    bool missing;    /* the store does not know it: to be given up */
};

struct portfolio_cache {
    struct store *store;
    size_t bytes_max, chunks_max;
    struct entry *entries;
};

/* --- what the store tells --- */

static void on_begin(void *context, bool whole, struct slice embedder)
{
    struct entry *entry = context;
    if (!whole && entry->resident) return;
    entry->embedder = embedder_find(embedder);
    resident_destroy(&entry->resident);
    entry->resident = resident_new(entry->embedder ? entry->embedder->dimensions : 0);
}

/* A chunk never changes under its id: one that is here already has got its vector, or lost it. */
static void on_put(void *context, const struct resident_chunk *chunk)
{
    struct resident *resident = ((struct entry *)context)->resident;
    if (!resident_set_vector(resident, chunk->id, chunk->vector)) resident_put(resident, chunk);
}

static void on_remove(void *context, uint64_t chunk_id)
{
    resident_remove(((struct entry *)context)->resident, chunk_id);
}

static void serve(struct entry *entry, err_t error, uint64_t version)
{
    struct portfolio_view view = {
        .resident = entry->resident,
        .terms = entry->refresh.terms,
        .version = version,
        .embedder = entry->embedder,
    };
    while (entry->served) {
        struct portfolio_wait *wait = entry->served;
        entry->served = wait->next;
        wait->ready(wait, error, error ? NULL : &view);
    }
}

static void warn_of_size(struct entry *entry)
{
    size_t chunks = resident_count(entry->resident);
    if (entry->warned || chunks <= entry->portfolios->chunks_max) return;
    entry->warned = true;
    log_warn("portfolio=%llu has %zu chunks, more than RESIDENT_CHUNKS_MAX: its searches are slow",
             (unsigned long long)entry->refresh.portfolio_id, chunks);
}

static void forget(struct entry *entry)
{
    resident_destroy(&entry->resident);
    entry->refresh.since = entry->refresh.mark = 0;
}

static void drive(struct entry *entry);

static void on_end(void *context, err_t error, uint64_t version)
{
    struct entry *entry = context;
    entry->refreshing = false;
    entry->missing = error == ERR_PORTFOLIO_NOT_FOUND;
    if (error || entry->refresh.in_store) {
        forget(entry);
    } else {
        entry->refresh.since = version;
        entry->refresh.embedder = slice_of(entry->embedder ? entry->embedder->name : NULL);
        portfolio_terms_clear(entry->refresh.terms);
        warn_of_size(entry);
    }
    entry->bytes = (entry->resident ? resident_bytes(entry->resident) : 0) +
                   portfolio_terms_bytes(entry->refresh.terms);
    serve(entry, error, version);
    drive(entry);
}

static const struct store_sink sink = {on_begin, on_put, on_remove, on_end};

/* --- entries --- */

static struct entry *entry_new(struct portfolio_cache *portfolios,
                               const struct portfolio_wait *wait)
{
    struct entry *entry = xcalloc(1, sizeof(*entry));
    entry->portfolios = portfolios;
    entry->tenant = xstrndup(wait->tenant.ptr, wait->tenant.len);
    entry->refresh = (struct store_refresh){
        .tenant = {entry->tenant, wait->tenant.len},
        .portfolio_id = wait->portfolio_id,
        .sink = &sink,
        .context = entry,
        .terms = portfolio_terms_new(),
    };
    return entry;
}

static void entry_destroy(struct entry *entry)
{
    resident_destroy(&entry->resident);
    portfolio_terms_destroy(&entry->refresh.terms);
    free(entry->tenant);
    free(entry);
}

static bool entry_is(const struct entry *entry, const struct portfolio_wait *wait)
{
    return entry->refresh.portfolio_id == wait->portfolio_id &&
           slice_equal(entry->refresh.tenant, wait->tenant);
}

/* The portfolio's entry, moved to the front, made if need be. */
static struct entry *entry_of(struct portfolio_cache *portfolios, const struct portfolio_wait *wait)
{
    struct entry **at = &portfolios->entries;
    while (*at && !entry_is(*at, wait)) at = &(*at)->next;
    struct entry *entry = *at;
    if (entry)
        *at = entry->next;
    else
        entry = entry_new(portfolios, wait);
    entry->next = portfolios->entries;
    portfolios->entries = entry;
    return entry;
}

static bool entry_idle(const struct entry *entry)
{
    return !entry->refreshing && !entry->driving && !entry->waiting && !entry->served;
}

/* Gives up missing portfolios, and the least recently used ones until the rest is small enough. The
 * first stays, whatever its size: it was just used. */
static void evict(struct portfolio_cache *portfolios)
{
    size_t bytes = 0;
    struct entry **at = &portfolios->entries;
    while (*at) {
        struct entry *entry = *at;
        bytes += entry->bytes;
        bool much = bytes > portfolios->bytes_max && entry != portfolios->entries;
        if (entry_idle(entry) && (entry->missing || much)) {
            bytes -= entry->bytes;
            *at = entry->next;
            entry_destroy(entry);
        } else {
            at = &entry->next;
        }
    }
}

/* Refreshes as long as somebody waits; a refresh that does not end at once comes back by on_end. */
static void drive(struct entry *entry)
{
    struct portfolio_cache *portfolios = entry->portfolios;
    if (entry->driving) return;
    entry->driving = true;
    while (entry->waiting && !entry->refreshing) {
        entry->served = entry->waiting;
        entry->waiting = NULL;
        entry->refreshing = true;
        store_refresh(portfolios->store, &entry->refresh);
    }
    entry->driving = false;
    evict(portfolios);
}

/* --- the interface --- */

struct portfolio_cache *portfolio_cache_new(struct store *store, size_t bytes_max,
                                            size_t chunks_max)
{
    struct portfolio_cache *portfolios = xcalloc(1, sizeof(*portfolios));
    *portfolios =
        (struct portfolio_cache){.store = store, .bytes_max = bytes_max, .chunks_max = chunks_max};
    return portfolios;
}

void portfolio_cache_destroy(struct portfolio_cache **portfolios)
{
    struct portfolio_cache *old = *portfolios;
    if (!old) return;
    while (old->entries) {
        struct entry *entry = old->entries;
        old->entries = entry->next;
        entry_destroy(entry);
    }
    free(old);
    *portfolios = NULL;
}

void portfolio_cache_want(struct portfolio_cache *portfolios, struct portfolio_wait *wait)
{
    struct entry *entry = entry_of(portfolios, wait);
    struct portfolio_wait **end = &entry->waiting;
    while (*end) end = &(*end)->next;
    wait->next = NULL;
    *end = wait;
    drive(entry);
}

size_t portfolio_cache_count(const struct portfolio_cache *portfolios)
{
    size_t count = 0;
    for (const struct entry *entry = portfolios->entries; entry; entry = entry->next) count++;
    return count;
}

size_t portfolio_cache_bytes(const struct portfolio_cache *portfolios)
{
    size_t bytes = 0;
    for (const struct entry *entry = portfolios->entries; entry; entry = entry->next)
        bytes += entry->bytes;
    return bytes;
}
