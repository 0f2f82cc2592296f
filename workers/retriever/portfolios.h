/* Portfolios in memory: loaded when first asked for, brought up to the store's newest version
 * before every use, the least recently used ones given up when they take too many bytes. Of those
 * that the store searches only their terms are held. */
#ifndef MILLRACE_RETRIEVER_PORTFOLIOS_H
#define MILLRACE_RETRIEVER_PORTFOLIOS_H

#include "workers/embedder/embedder.h"
#include "workers/retriever/resident.h"
#include "workers/retriever/store.h"

struct portfolio_cache;

/* A portfolio as a search meets it; valid during the callback. */
struct portfolio_view {
    struct resident *resident;     /* NULL: the store searches it */
    struct portfolio_terms *terms; /* by which questions to the store are read */
    uint64_t version;
    const struct embedder_info *embedder; /* of its vectors; NULL: unknown here, words alone */
};

/* Somebody who waits for a portfolio: the caller's, must stay until `ready`. */
struct portfolio_wait {
    struct slice tenant;
    uint64_t portfolio_id;
    /* With an error `view` is NULL. ERR_PORTFOLIO_NOT_FOUND. */
    void (*ready)(struct portfolio_wait *wait, err_t error, const struct portfolio_view *view);
    void *context;
    struct portfolio_wait *next; /* the list's */
};

/* `store` stays the caller's and must be closed first. More than `chunks_max` in one portfolio are
 * warned of: every search scans them. */
struct portfolio_cache *portfolio_cache_new(struct store *store, size_t bytes_max,
                                            size_t chunks_max) MUST_USE;
void portfolio_cache_destroy(struct portfolio_cache **portfolios);
/* Calls `ready`, perhaps at once, with everything in view that was committed before this call. */
void portfolio_cache_want(struct portfolio_cache *portfolios, struct portfolio_wait *wait);
/* How many are in memory, and their bytes. */
size_t portfolio_cache_count(const struct portfolio_cache *portfolios);
size_t portfolio_cache_bytes(const struct portfolio_cache *portfolios);

#endif
