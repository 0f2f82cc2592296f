/* The embedder pool: turns questions and passages into vectors. */
#ifndef MILLRACE_EMBEDDER_POOL_H
#define MILLRACE_EMBEDDER_POOL_H

#include "workers/worker.h"

extern const struct worker_pool embedder_pool;

#endif
