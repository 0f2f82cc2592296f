/* What workers count (BEAT's `counts`), summed for the operator over all workers that ever were.
 *
 * A worker tells totals since its own start, on every heartbeat and to every gateway; what a total
 * has risen by since it was last told goes into worker_events_total. A worker is known by its
 * boot: a session that begins anew goes on where the last one ended, a worker that was started
 * again counts from 0. */
#ifndef MILLRACE_GATEWAY_WORKER_COUNTS_H
#define MILLRACE_GATEWAY_WORKER_COUNTS_H

#include "proto/kinds.h"
#include "proto/records.h"

struct worker_counts;

struct worker_counts *worker_counts_new(void) MUST_USE;
void worker_counts_free(struct worker_counts **counts);
/* Takes a heartbeat's list of count_of. Names past the worker's limit are ignored, and a total that
 * falls changes nothing. */
void worker_counts_take(struct worker_counts *counts, enum pool pool, uint64_t boot,
                        const struct list *told);

#endif
