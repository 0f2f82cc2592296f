/* Whether providers work: a circuit breaker for each address and key, told to the operator. What
 * counts is whether a provider answers before the first text, be it with a refusal. */
#ifndef MILLRACE_GENERATOR_HEALTH_H
#define MILLRACE_GENERATOR_HEALTH_H

#include "workers/generator/endpoints.h"
#include "workers/generator/targets.h"
#include "workers/worker.h"

struct health;

/* The worker must live on. */
struct health *health_new(struct worker *worker);
void health_destroy(struct health **health);

/* Whether the target may be asked now. The outcome must be told by one of the next two. */
bool health_admits(struct health *health, const struct target *target);
/* An error of a call that brought no text; OK: text has come. */
void health_outcome(struct health *health, const struct target *target, err_t error);
/* The call was given up for a reason that says nothing about the provider. */
void health_forget(struct health *health, const struct target *target);
/* Until the target may be asked; 0: now. */
uint64_t health_wait_ms(struct health *health, const struct target *target);

/* What has to be left out of requests to the target's model (enum dialect_extra), and noting it
 * once an answer has come of it. */
unsigned health_left_out(struct health *health, const struct target *target);
void health_set_left_out(struct health *health, const struct target *target, unsigned left_out);

#endif
