/* The retriever pool: the only processes that touch the database. Jobs of the store go to the store
 * as they are; `chat` and `search` look through the portfolio in memory. */
#ifndef MILLRACE_RETRIEVER_RETRIEVER_H
#define MILLRACE_RETRIEVER_RETRIEVER_H

#include "workers/retriever/portfolios.h"
#include "workers/retriever/semantic.h"
#include "workers/retriever/store.h"
#include "workers/worker.h"

struct retriever {
    struct worker *worker;
    struct store *store;
    struct portfolio_cache *portfolios;
    struct semantic *semantic;
};

extern const struct worker_pool retriever_pool;

/* `chat`, `search`: finds the passages of a question. */
void search_start(struct retriever *retriever, struct job *job);
/* Ends a job that failed; what may succeed elsewhere or later is handed back. A retriever that a
 * newer one's schema has shut out leaves its pool. */
void retriever_fail(struct retriever *retriever, struct job *job, err_t error, const char *message);

#endif
