/* Models and embeddings, as clients of OpenAI's ask for them. */
#ifndef MILLRACE_GATEWAY_OPENAI_API_H
#define MILLRACE_GATEWAY_OPENAI_API_H

#include "gateway/gateway.h"

/* The agents, up to 1,000. */
void openai_models_list(struct gateway *gateway, struct http_request *request);
/* The agent that the path's last word names. */
void openai_models_get(struct gateway *gateway, struct http_request *request);
/* Vectors by the embedder that the model names ("default": the pool's own). */
void openai_embeddings_make(struct gateway *gateway, struct http_request *request);

#endif
