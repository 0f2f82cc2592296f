/* What agents and portfolios may be, whatever database keeps them. */
#ifndef MILLRACE_RETRIEVER_OBJECTS_H
#define MILLRACE_RETRIEVER_OBJECTS_H

#include "common/errors.h"
#include "proto/records.h"

/* *message says for people which member is wrong. ERR_PROVIDER_UNKNOWN, ERR_INVALID_FIELD, and
 * ERR_KMS_KEY_MISSING for a provider's key that is not sealed: it is never stored in clear. */
err_t agent_check(const struct agent *agent, const char **message) MUST_USE;
/* An update: what `change` has as present is taken, by reference. Model, address and key belong to
 * a provider, and a key to its address: where provider or address change, those that are not given
 * with them are cleared, so that a key never goes where it was not meant to. Fallbacks that are
 * given replace the list; one without a key keeps that of a former one of the same provider and
 * address (and model, if several are), since nobody can read a key to give it again. */
void agent_change(struct agent *agent, const struct agent *change);
/* Sets has_api_key of the agent and its fallbacks. */
void agent_tell_keys(struct agent *agent);
/* Puts the embedder's own name where its setting was given, `embedder_default`'s where nothing was
 * (or its setting: "openai" is the model of it that is configured). */
err_t portfolio_normalise(struct portfolio *portfolio, const char *embedder_default,
                          const char **message) MUST_USE;

#endif
