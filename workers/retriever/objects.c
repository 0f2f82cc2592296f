#include "workers/retriever/objects.h"

#include "common/providers.h"
#include "common/sealing.h"
#include "workers/embedder/embedder.h"

/* --- agents --- */

/* What the environment decides has no address or key of its own. */
static err_t check_preset(const struct fallback *of, const char **message)
{
    if (!of->base_url.len && !of->api_key.len) return OK;
    *message = "base_url and api_key need a provider";
    return ERR_INVALID_FIELD;
}

static err_t check_provider(const struct fallback *of, const char **message)
{
    if (!provider_known(of->provider)) {
        *message = "provider is one of " PROVIDER_NAMES;
        return ERR_PROVIDER_UNKNOWN;
    }
    if (of->api_key.len && !is_sealed(of->api_key)) return ERR_KMS_KEY_MISSING;
    if (!provider_needs_address(of->provider) || (of->base_url.len && of->model.len)) return OK;
    *message = "openai-compatible needs base_url and model";
    return ERR_INVALID_FIELD;
}

err_t agent_check(const struct agent *agent, const char **message)
{
    const struct fallback *fallbacks = agent->fallbacks.items;
    struct fallback own = {.provider = agent->provider,
                           .model = agent->model,
                           .base_url = agent->base_url,
                           .api_key = agent->api_key};
    if (!agent->name.len) {
        *message = "name is empty";
        return ERR_INVALID_FIELD;
    }
    err_t error = own.provider.len ? check_provider(&own, message) : check_preset(&own, message);
    for (size_t i = 0; !error && i < agent->fallbacks.count; i++)
        error = check_provider(&fallbacks[i], message);
    return error;
}

static bool was_given(const struct record_type *type, const void *record, const char *name)
{
    for (size_t i = 0; i < type->count; i++)
        if (!strcmp(type->fields[i].name, name)) return *(const uint64_t *)record >> i & 1;
    return false;
}

/* The key that was kept for the same provider and address: of the same model if there is one. */
static struct slice kept_key(const struct list *kept, const struct fallback *wanted)
{
    const struct fallback *items = kept->items, *found = NULL;
    for (size_t i = 0; i < kept->count; i++) {
        bool same = slice_equal(items[i].provider, wanted->provider) &&
                    slice_equal(items[i].base_url, wanted->base_url);
        if (same && (!found || slice_equal(items[i].model, wanted->model))) found = &items[i];
    }
    return found ? found->api_key : (struct slice){0};
}

void agent_change(struct agent *agent, const struct agent *change)
{
    struct agent before = *agent;
    record_merge(agent_type(), agent, change);
    bool moved = !slice_equal(agent->provider, before.provider);
    if (moved && !was_given(agent_type(), change, "model")) agent->model = (struct slice){0};
    if (moved && !was_given(agent_type(), change, "base_url")) agent->base_url = (struct slice){0};
    moved = moved || !slice_equal(agent->base_url, before.base_url);
    if (moved && !was_given(agent_type(), change, "api_key")) agent->api_key = (struct slice){0};
    if (!was_given(agent_type(), change, "fallbacks")) return;
    struct fallback *fallbacks = agent->fallbacks.items;
    for (size_t i = 0; i < agent->fallbacks.count; i++)
        if (!was_given(fallback_type(), &fallbacks[i], "api_key"))
            fallbacks[i].api_key = kept_key(&before.fallbacks, &fallbacks[i]);
}

void agent_tell_keys(struct agent *agent)
{
    struct fallback *fallbacks = agent->fallbacks.items;
    agent->has_api_key = agent->api_key.len > 0;
    for (size_t i = 0; i < agent->fallbacks.count; i++)
        fallbacks[i].has_api_key = fallbacks[i].api_key.len > 0;
}

/* --- portfolios --- */

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
