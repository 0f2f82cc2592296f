/* What clients of OpenAI's read, as text. Pure; openai_chat.c has the answers to questions. */
#ifndef MILLRACE_GATEWAY_OPENAI_TEXT_H
#define MILLRACE_GATEWAY_OPENAI_TEXT_H

#include "common/buffer.h"
#include "common/errors.h"
#include "proto/records.h"

/* Whether a path is one of this interface's, known or not. */
bool openai_is_path(struct slice path);

/* Appends {"error":{"message","type","param","code"}} and returns the status that goes with it,
 * which those clients turn into their exceptions: what is wrong in a body is 400 here. */
int openai_refuse(err_t error, const char *message, struct buffer *out);
/* The same as a stream's last event. Nothing follows it, and no [DONE]: clients raise it. */
void openai_failed_event(err_t error, const char *message, struct buffer *out);

/* Appends an agent as a model, "agent-1". */
void openai_model(const struct agent *agent, struct buffer *out);
/* Appends up to 1,000 of them as a list. */
void openai_models(const struct list *agents, struct buffer *out);

/* Appends passages as Open WebUI's `sources`, best first, so that the first is [1]. It takes those
 * of one name for one source: each has a name of its own. */
void openai_sources(const struct list *passages, struct buffer *out);

/* Appends the answer of an embedding call; each vector as base64 of little-endian floats, or as
 * numbers. ERR_EMBEDDING_INVALID when there are not `count` vectors in it. */
err_t openai_embeddings(const struct embedding *embedding, size_t count, uint64_t tokens,
                        bool base64, struct buffer *out) MUST_USE;

#endif
