/* What operators and their tools ask: alive, ready, lanes and workers, metrics. */
#ifndef MILLRACE_GATEWAY_OPS_API_H
#define MILLRACE_GATEWAY_OPS_API_H

#include "gateway/gateway.h"

/* 200 as long as the loop turns. */
void ops_healthz(struct gateway *gateway, struct http_request *request);
/* {"ready","pools":{...},"embedder"}; 503 while a pool lacks a worker or the gateway stops. */
void ops_readyz(struct gateway *gateway, struct http_request *request);
/* {"pools":[{...,"workers":[...]}]} */
void ops_pools(struct gateway *gateway, struct http_request *request);
/* Prometheus text. */
void ops_metrics(struct gateway *gateway, struct http_request *request);

#endif
