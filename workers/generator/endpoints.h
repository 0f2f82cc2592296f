/* What is remembered of the providers asked of late, each by its address and key: whether it works
 * (a circuit breaker), and what its models refuse in a request. Pure. */
#ifndef MILLRACE_GENERATOR_ENDPOINTS_H
#define MILLRACE_GENERATOR_ENDPOINTS_H

#include "common/buffer.h"
#include "common/errors.h"
#include "workers/breaker.h"

enum { ENDPOINTS_MAX = 1024, ENDPOINT_MODELS_MAX = 4 };

/* A model that refuses something. */
struct endpoint_model {
    uint64_t hash; /* of its name */
    unsigned left_out;
};

struct endpoint {
    uint64_t id;          /* target.breaker_id */
    const char *provider; /* its name; must live for ever */
    struct breaker breaker;
    err_t error; /* the last failure, 0 after a success */
    uint64_t used_ms;
    struct endpoint_model models[ENDPOINT_MODELS_MAX]; /* the newest first */
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

/* What has to be left out of requests to a model; 0: nothing, or not known. */
unsigned endpoint_left_out(const struct endpoint *endpoint, struct slice model);
void endpoint_set_left_out(struct endpoint *endpoint, struct slice model, unsigned left_out);

#endif
