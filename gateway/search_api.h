/* The retrieval alone: POST /api/portfolios/{id}/search. */
#ifndef MILLRACE_GATEWAY_SEARCH_API_H
#define MILLRACE_GATEWAY_SEARCH_API_H

#include "gateway/gateway.h"

/* {"query","top_k"?,"language"?} -> {"results":[passage],"timings_ms":{...}} */
void search_whole(struct gateway *gateway, struct http_request *request);

#endif
