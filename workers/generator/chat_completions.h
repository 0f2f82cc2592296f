/* What the dialects of OpenAI and Mistral share: the request's messages and the events. */
#ifndef MILLRACE_GENERATOR_CHAT_COMPLETIONS_H
#define MILLRACE_GENERATOR_CHAT_COMPLETIONS_H

#include "workers/generator/dialect.h"

/* Writes the body up to its messages, without the brace that closes it. A prefix goes last, as
 * Mistral wants it. */
void chat_completions_write(const struct dialect_request *request, struct buffer *body);
/* dialect.read */
err_t chat_completions_read(struct slice data, struct dialect_reply *reply) MUST_USE;

#endif
