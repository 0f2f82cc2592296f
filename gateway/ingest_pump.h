/* Gives stored chunks their vectors: where a retriever says that work waits (PENDING), runs `index`
 * jobs - lease a batch, embed it, store the vectors - for as long as they find something.
 *
 * Bounded: for a portfolio one job at once for each embedder and one more, for all together two
 * more than that. It steps back while questions wait for the pools that it uses. */
#ifndef MILLRACE_GATEWAY_INGEST_PUMP_H
#define MILLRACE_GATEWAY_INGEST_PUMP_H

#include <event2/event.h>

#include "gateway/index_troubles.h"
#include "gateway/lane_io.h"

struct ingest_pump;

struct ingest_pump *ingest_pump_new(struct event_base *base, struct lane_io *lanes);
void ingest_pump_destroy(struct ingest_pump **pump);
/* Work waits for this portfolio. */
void ingest_pump_pending(struct ingest_pump *pump, uint64_t portfolio_id);
/* Jobs at work. */
size_t ingest_pump_running(const struct ingest_pump *pump);
/* What has failed of late. The pump's. */
struct index_troubles *ingest_pump_troubles(struct ingest_pump *pump);
/* Starts no more jobs. */
void ingest_pump_stop(struct ingest_pump *pump);

#endif
