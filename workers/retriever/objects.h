/* What agents and portfolios may be, whatever database keeps them. */
#ifndef MILLRACE_RETRIEVER_OBJECTS_H
#define MILLRACE_RETRIEVER_OBJECTS_H

#include "common/errors.h"
#include "proto/records.h"

/* *message says for people which member is wrong. ERR_PROVIDER_UNKNOWN, ERR_INVALID_FIELD, and
 * ERR_KMS_KEY_MISSING for a provider key: there is no key yet to seal it with, and it is never
 * stored in clear. */
err_t agent_check(const struct agent *agent, const char **message) MUST_USE;
/* Puts the embedder's own name where its setting was given, `embedder_default`'s where nothing was
 * (or its setting: "openai" is the model of it that is configured). */
err_t portfolio_normalise(struct portfolio *portfolio, const char *embedder_default,
                          const char **message) MUST_USE;

#endif
