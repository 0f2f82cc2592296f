/* The generator pool: reads a job's frames, hands it to the agent's provider, and ends it with what
 * the gateway must know (usage, citations, who wrote it). */
#ifndef MILLRACE_GENERATOR_GENERATOR_H
#define MILLRACE_GENERATOR_GENERATOR_H

#include "workers/worker.h"

extern const struct worker_pool generator_pool;

#endif
