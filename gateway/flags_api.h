/* /api/flags: the switches, read and set. */
#ifndef MILLRACE_GATEWAY_FLAGS_API_H
#define MILLRACE_GATEWAY_FLAGS_API_H

#include "gateway/gateway.h"

void flags_get(struct gateway *gateway, struct http_request *request);
/* Sets those that the body names; answers all of them. */
void flags_put(struct gateway *gateway, struct http_request *request);

#endif
