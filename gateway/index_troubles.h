/* Embedders that fail while documents wait for their vectors, for the operator's screen: the newest
 * failure of each portfolio and embedder, until it works again or nothing is heard of it any more.
 * The waiting itself is the store's, so that all gateways wait together. Pure. */
#ifndef MILLRACE_GATEWAY_INDEX_TROUBLES_H
#define MILLRACE_GATEWAY_INDEX_TROUBLES_H

#include "common/errors.h"

struct index_troubles;

struct index_trouble {
    uint64_t portfolio_id;
    const char *embedder;
    err_t error;
    uint64_t retry_at_ms; /* by the caller's clock */
};

struct index_troubles *index_troubles_new(void) MUST_USE;
void index_troubles_destroy(struct index_troubles **troubles);
/* The embedder has failed, and is asked again at `retry_at_ms`. `embedder` is copied. */
void index_troubles_put(struct index_troubles *troubles, uint64_t portfolio_id,
                        struct slice embedder, err_t error, uint64_t retry_at_ms);
/* It works. */
void index_troubles_clear(struct index_troubles *troubles, uint64_t portfolio_id,
                          struct slice embedder);
/* How many there are, those forgotten that should have been heard of again long before `now_ms`. */
size_t index_troubles_count(struct index_troubles *troubles, uint64_t now_ms);
/* The trouble at `index`, valid until the next change; false past the end. */
bool index_troubles_at(const struct index_troubles *troubles, size_t index,
                       struct index_trouble *trouble);

#endif
