/* One request to a provider: its URL, headers and body, as the target's dialect has them. */
#ifndef MILLRACE_GENERATOR_REMOTE_CALL_H
#define MILLRACE_GENERATOR_REMOTE_CALL_H

#include "workers/generator/dialect.h"
#include "workers/http_client.h"

/* As http_call_start. */
struct http_call *remote_call_start(struct http_client *client, const struct dialect *dialect,
                                    const struct target *target,
                                    const struct dialect_request *request,
                                    const struct http_call_handler *handler, void *context);

#endif
