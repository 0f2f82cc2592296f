/* Who is asked for an agent's answer: its provider and then its fallbacks, each with model, address
 * and key. An agent that names no provider follows the environment: the first of OpenAI, Mistral
 * and Anthropic whose key is there, else `extractive`.
 *
 * A key of the environment goes to the address of the environment and nowhere else: whoever may
 * write agents must not learn it by naming an address of his own. */
#ifndef MILLRACE_GENERATOR_TARGETS_H
#define MILLRACE_GENERATOR_TARGETS_H

#include "common/arena.h"
#include "common/sealing.h"
#include "common/settings.h"
#include "proto/records.h"

struct targets;

struct target {
    const char *provider; /* one of the names that agents may have; static */
    struct slice model;
    struct slice base_url; /* without a slash at its end; empty: `extractive` */
    struct slice key;      /* opened; empty: none is sent */
    uint64_t breaker_id;   /* of provider, base URL and key */
};

/* Reads the keys, addresses and DEFAULT_MODEL of the environment, and AGENT_KMS_KEY. The settings
 * must live on. ERR_BAD_SETTING (logged). */
err_t targets_new(const struct settings *settings, struct targets **targets) MUST_USE;
void targets_destroy(struct targets **targets);
/* What an agent without a provider gets: "openai/gpt-4o-mini", or "extractive". As long as
 * `targets`. */
const char *targets_default(const struct targets *targets);
/* Seals and opens agents' keys. As long as `targets`. */
const struct sealer *targets_sealer(const struct targets *targets);

/* The agent's provider and then its fallbacks, keys opened; at least one. All of it lies in the
 * arena, in the request or in `targets`. What cannot be asked is left out, and logged; where that
 * leaves nobody, the error is the agent's own provider's: ERR_PROVIDER_UNKNOWN, ERR_PROVIDER_AUTH
 * (there is no key), ERR_PROVIDER_MODEL (none is named and none is usual), ERR_PROVIDER_ADDRESS
 * (none is named), ERR_KMS_KEY_MISSING, ERR_KMS_KEY_WRONG. */
err_t targets_of(struct targets *targets, const struct chat_request *request, struct arena *arena,
                 struct target **list, size_t *count) MUST_USE;

#endif
