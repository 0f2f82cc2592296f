/* Whether somebody makes the vectors that a question needs. Where nobody does the question goes on
 * to the retriever without one, and its passages are found by their words alone. */
#ifndef MILLRACE_GATEWAY_EMBEDDERS_H
#define MILLRACE_GATEWAY_EMBEDDERS_H

#include "gateway/lane_io.h"

/* True when a worker of the embed pool that is ready names this embedder among those it serves, by
 * its name or, "openai/", as one of a provider's. */
bool embedder_is_served(const struct lane_io *lanes, struct slice name);
/* The one that works for who names none: the first that the first worker serves; "" if nobody. */
struct slice embedder_default(const struct lane_io *lanes);
/* The itinerary (struct job_spec) of a question to a portfolio of this embedder: the whole one, or
 * without the embed stage, and counted, where there are embedders but none of them serves this one.
 * Where there is no worker at all, one may be starting again: the question waits for it as for any
 * pool. */
const char *embedder_itinerary(const struct lane_io *lanes, enum kind kind, struct slice embedder);

#endif
