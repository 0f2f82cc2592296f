/* The rate limit as clients meet it. */
#ifndef MILLRACE_GATEWAY_RATE_GATE_H
#define MILLRACE_GATEWAY_RATE_GATE_H

#include "gateway/gateway.h"

/* Counts the request of http_target's caller. One that may go on is given to `pass`, perhaps before
 * this returns; one that comes too often is a 429 with Retry-After. Both carry RateLimit-Limit,
 * -Remaining and -Reset (seconds until all of the burst may come again). Nothing is passed on for a
 * client that has gone meanwhile. */
void rate_gate(struct gateway *gateway, struct http_request *request,
               void (*pass)(struct gateway *gateway, struct http_request *request));

#endif
