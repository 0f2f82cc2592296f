/* What is remembered of the providers asked of late, each by its address and key: whether it works
 * (a circuit breaker), and which of its models want plain requests. Pure. */
#ifndef MILLRACE_GENERATOR_ENDPOINTS_H
#define MILLRACE_GENERATOR_ENDPOINTS_H

#include "common/buffer.h"
#include "common/errors.h"
#include "workers/breaker.h"

enum { ENDPOINTS_MAX = 1024, ENDPOINT_PLAIN_MAX = 4 };

struct endpoint {
    uint64_t id;          /* target.breaker_id */
    const char *provider; /* its name; must live for ever */
    struct breaker breaker;
    err_t error; /* the last failure, 0 after a success */
    uint64_t used_ms;
    uint64_t plain[ENDPOINT_PLAIN_MAX]; /* hashes of models, the newest first */
};

struct endpoints;

struct endpoints *endpoints_new(void);
void endpoints_destroy(struct endpoints **endpoints);
/* The endpoint of that id, made where it is new; past ENDPOINTS_MAX the one unused for longest is
 * forgotten. Valid until the next call of this. */
struct endpoint *endpoints_find(struct endpoints *endpoints, uint64_t id, const char *provider,
                                uint64_t now_ms);
/* Appends "openai: provider_failed, ..." of those that may not be asked now. Returns in how many
 * milliseconds that changes by itself; 0 where nothing was appended. */
uint64_t endpoints_trouble(const struct endpoints *endpoints, uint64_t now_ms, struct buffer *out);

bool endpoint_wants_plain(const struct endpoint *endpoint, struct slice model);
void endpoint_set_plain(struct endpoint *endpoint, struct slice model);

#endif
