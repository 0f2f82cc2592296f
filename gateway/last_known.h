/* The last known configurations of agents and portfolios, in the Redis that the gateways share, for
 * one that starts while the store is away. They are asked for then alone. */
#ifndef MILLRACE_GATEWAY_LAST_KNOWN_H
#define MILLRACE_GATEWAY_LAST_KNOWN_H

#include "gateway/redis_link.h"
#include "proto/kinds.h"

/* Whose configuration, and of what. */
struct known_of {
    enum kind kind; /* KIND_AGENT_GET or KIND_PORTFOLIO_GET */
    uint64_t id;
    struct slice tenant;
};

/* `record` is the kind's result as it came, keys sealed. */
void last_known_keep(struct redis_link *redis, const struct known_of *of, struct slice record);
/* Calls back as redis_get does. */
void last_known_fetch(struct redis_link *redis, const struct known_of *of, redis_cb *callback,
                      void *context);
void last_known_forget(struct redis_link *redis, const struct known_of *of);

#endif
