#include "workers/generator/health.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/provider_status.h"

struct health {
    struct worker *worker;
    struct breaker_limits limits;
    struct endpoints *endpoints;
    struct event *trouble; /* when it changes by itself */
};

static void tell_trouble(struct health *health)
{
    struct buffer text = {0};
    uint64_t ms = endpoints_trouble(health->endpoints, clock_ms(), &text);
    struct timeval after = clock_timeval_ms(ms);
    buffer_append_char(&text, '\0');
    worker_trouble(health->worker, ms ? text.data : NULL);
    if (ms)
        event_add(health->trouble, &after);
    else
        event_del(health->trouble);
    buffer_free(&text);
}

static void on_trouble_over(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    tell_trouble(context);
}

struct health *health_new(struct worker *worker)
{
    const struct settings *settings = worker_settings(worker);
    struct health *health = xcalloc(1, sizeof *health);
    health->worker = worker;
    health->limits = (struct breaker_limits){settings->breaker_failures, settings->breaker_open_ms};
    health->endpoints = endpoints_new();
    health->trouble = evtimer_new(worker_base(worker), on_trouble_over, health);
    return health;
}

void health_destroy(struct health **health)
{
    event_free((*health)->trouble);
    endpoints_destroy(&(*health)->endpoints);
    free(*health);
    *health = NULL;
}

static struct endpoint *endpoint_of(struct health *health, const struct target *target)
{
    return endpoints_find(health->endpoints, target->breaker_id, target->provider, clock_ms());
}

bool health_admits(struct health *health, const struct target *target)
{
    return breaker_admits(&endpoint_of(health, target)->breaker, &health->limits, clock_ms());
}

static void note_works(struct health *health, struct endpoint *endpoint)
{
    bool was_closed = endpoint->breaker.state == BREAKER_CLOSED;
    breaker_success(&endpoint->breaker);
    if (was_closed) return;
    log_info("provider works again provider=%s", endpoint->provider);
    tell_trouble(health);
}

static void note_broken(struct health *health, struct endpoint *endpoint, err_t error)
{
    bool was_open = endpoint->breaker.state == BREAKER_OPEN;
    endpoint->error = error;
    breaker_failure(&endpoint->breaker, &health->limits, clock_ms());
    if (was_open || endpoint->breaker.state != BREAKER_OPEN) return;
    log_warn("provider is not asked for a while provider=%s code=%s ms=%llu", endpoint->provider,
             error_code(error), (unsigned long long)health->limits.open_ms);
    worker_count(health->worker, "breaker_opened", 1);
    tell_trouble(health);
}

void health_outcome(struct health *health, const struct target *target, err_t error)
{
    struct endpoint *endpoint = endpoint_of(health, target);
    if (provider_failure_counts(error))
        note_broken(health, endpoint, error);
    else if (error == ERR_PROVIDER_ADDRESS) /* it was not asked */
        breaker_forget(&endpoint->breaker);
    else
        note_works(health, endpoint);
}

void health_forget(struct health *health, const struct target *target)
{
    breaker_forget(&endpoint_of(health, target)->breaker);
}

uint64_t health_wait_ms(struct health *health, const struct target *target)
{
    return breaker_wait_ms(&endpoint_of(health, target)->breaker, clock_ms());
}

unsigned health_left_out(struct health *health, const struct target *target)
{
    return endpoint_left_out(endpoint_of(health, target), target->model);
}

void health_set_left_out(struct health *health, const struct target *target, unsigned left_out)
{
    if (left_out) endpoint_set_left_out(endpoint_of(health, target), target->model, left_out);
}
