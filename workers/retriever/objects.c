#include "workers/retriever/objects.h"

#include "workers/embedder/embedder.h"

static const char *const providers[] = {"extractive", "openai", "mistral", "anthropic",
                                        "openai-compatible"};

static err_t provider_check(struct slice provider, struct slice api_key, const char **message)
{
    size_t i = 0;
    while (i < ARRAY_LEN(providers) && !slice_equal(provider, slice_of(providers[i]))) i++;
    if (i == ARRAY_LEN(providers)) {
        *message = "provider is one of extractive, openai, mistral, anthropic, openai-compatible";
        return ERR_PROVIDER_UNKNOWN;
    }
    return api_key.len ? ERR_KMS_KEY_MISSING : OK;
}

err_t agent_check(const struct agent *agent, const char **message)
{
    const struct fallback *fallbacks = agent->fallbacks.items;
    if (!agent->name.len) {
        *message = "name is empty";
        return ERR_INVALID_FIELD;
    }
    err_t error = provider_check(agent->provider, agent->api_key, message);
    for (size_t i = 0; !error && i < agent->fallbacks.count; i++)
        error = provider_check(fallbacks[i].provider, fallbacks[i].api_key, message);
    return error;
}

err_t portfolio_normalise(struct portfolio *portfolio, const char *embedder_default,
                          const char **message)
{
    const struct embedder_info *usual = embedder_find(slice_of(embedder_default));
    struct slice wanted = portfolio->embedder;
    bool take_usual = !wanted.len || (usual && slice_equal(wanted, slice_of(usual->setting)));
    const struct embedder_info *embedder = take_usual ? usual : embedder_find(wanted);
    if (!portfolio->name.len) {
        *message = "name is empty";
        return ERR_INVALID_FIELD;
    }
    if (!embedder) {
        *message = "embedder is unknown";
        return ERR_INVALID_FIELD;
    }
    portfolio->embedder = slice_of(embedder->name);
    return OK;
}
