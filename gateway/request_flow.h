/* A question's way through the gateway, from its headers to `done`. request_flow.c has the steps.
 */
#ifndef MILLRACE_GATEWAY_REQUEST_FLOW_H
#define MILLRACE_GATEWAY_REQUEST_FLOW_H

#include "gateway/gateway.h"

/* The whole answer as one JSON object. */
void chat_whole(struct gateway *gateway, struct http_request *request);
/* The answer as server-sent events, as it is made. */
void chat_stream(struct gateway *gateway, struct http_request *request);
/* Either, as a client of OpenAI's asks for it. */
void chat_completions(struct gateway *gateway, struct http_request *request);
/* Ends every question that is not answered yet with ERR_DRAINING: there is no more time. */
void chats_give_up(struct gateway *gateway);

#endif
