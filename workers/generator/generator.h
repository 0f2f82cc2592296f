/* The generator pool: reads a question's frames, asks the agent's provider and then its fallbacks,
 * and ends the job with what the gateway must know (usage, citations, who wrote it). It also seals
 * agents' keys on their way to the store. */
#ifndef MILLRACE_GENERATOR_GENERATOR_H
#define MILLRACE_GENERATOR_GENERATOR_H

#include "workers/worker.h"

extern const struct worker_pool generator_pool;

#endif
