#include "workers/generator/targets.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/log.h"

/* Every provider that an agent may name: what the environment says of it, and the model that is
 * used where nobody names one. Those with a usual model and a key in the environment may answer for
 * agents that name no provider; the first in this order does. */
static const struct provider_row {
    const char *name;
    size_t key, base_url; /* members of struct settings; 0: the environment says nothing */
    const char *model;
    bool asks_nobody; /* answers by itself: no address, no key */
} rows[] = {
    {"openai", offsetof(struct settings, openai_api_key),
     offsetof(struct settings, openai_base_url), "gpt-4o-mini", false},
    {"mistral", offsetof(struct settings, mistral_api_key),
     offsetof(struct settings, mistral_base_url), "mistral-small-latest", false},
    {"anthropic", offsetof(struct settings, anthropic_api_key),
     offsetof(struct settings, anthropic_base_url), "claude-haiku-4-5", false},
    {"openai-compatible", 0, 0, "", false},
    {"extractive", 0, 0, "", true},
};

struct targets {
    const struct settings *settings;
    struct sealer *sealer;
    const struct provider_row *preset; /* of agents that name none */
    char *preset_name;                 /* "openai/gpt-4o-mini" */
};

/* --- the environment --- */

static struct slice setting_of(const struct targets *targets, size_t member)
{
    const char *const *at = (const char *const *)((const char *)targets->settings + member);
    return member ? slice_of(*at) : (struct slice){0};
}

static const struct provider_row *row_of(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (slice_equal(name, slice_of(rows[i].name))) return &rows[i];
    return NULL;
}

static const struct provider_row *preset_of(const struct targets *targets)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].asks_nobody || setting_of(targets, rows[i].key).len) return &rows[i];
    return NULL;
}

static struct slice preset_model(const struct targets *targets)
{
    struct slice named = slice_of(targets->settings->default_model);
    return named.len ? named : slice_of(targets->preset->model);
}

static char *name_preset(const struct targets *targets)
{
    struct buffer name = {0};
    buffer_append_text(&name, targets->preset->name);
    if (!targets->preset->asks_nobody) {
        buffer_append_char(&name, '/');
        buffer_append_slice(&name, preset_model(targets));
    }
    char *text = xstrndup(name.data, name.len);
    buffer_free(&name);
    return text;
}

err_t targets_new(const struct settings *settings, struct targets **targets)
{
    struct sealer *sealer = NULL;
    err_t error = sealer_new(settings->agent_kms_key, settings->agent_kms_key_previous, &sealer);
    if (error) return error;
    struct targets *made = xcalloc(1, sizeof *made);
    made->settings = settings;
    made->sealer = sealer;
    made->preset = preset_of(made);
    made->preset_name = name_preset(made);
    *targets = made;
    return OK;
}

void targets_destroy(struct targets **targets)
{
    struct targets *old = *targets;
    if (!old) return;
    *targets = NULL;
    sealer_destroy(&old->sealer);
    free(old->preset_name);
    free(old);
}

const char *targets_default(const struct targets *targets)
{
    return targets->preset_name;
}

const struct sealer *targets_sealer(const struct targets *targets)
{
    return targets->sealer;
}

/* --- one target --- */

/* What an agent or one of its fallbacks says of its provider. */
struct wish {
    struct slice provider, model, base_url, api_key;
};

static struct slice without_slashes(struct slice url)
{
    while (url.len && url.ptr[url.len - 1] == '/') url.len--;
    return url;
}

static err_t find_model(const struct targets *targets, const struct provider_row *row,
                        const struct wish *wish, struct slice *model)
{
    *model = wish->model;
    if (!model->len) *model = wish->provider.len ? slice_of(row->model) : preset_model(targets);
    return model->len ? OK : ERR_PROVIDER_MODEL;
}

static err_t find_address(const struct targets *targets, const struct provider_row *row,
                          const struct wish *wish, struct slice *base_url)
{
    struct slice named = wish->base_url.len ? wish->base_url : setting_of(targets, row->base_url);
    *base_url = without_slashes(named);
    return base_url->len ? OK : ERR_PROVIDER_ADDRESS;
}

static err_t open_key(const struct targets *targets, struct slice tenant, struct slice sealed,
                      struct arena *arena, struct slice *key)
{
    struct buffer opened = {0};
    err_t error = unseal(targets->sealer, tenant, sealed, &opened);
    if (!error) *key = arena_slice(arena, buffer_slice(&opened));
    if (opened.data) explicit_bzero(opened.data, opened.len);
    buffer_free(&opened);
    return error;
}

/* The wish's own key, else the environment's where the address is the environment's too. An address
 * that was named may be one that asks for no key. */
static err_t find_key(const struct targets *targets, const struct provider_row *row,
                      const struct chat_request *request, const struct wish *wish,
                      struct arena *arena, struct target *target)
{
    struct slice usual = without_slashes(setting_of(targets, row->base_url));
    if (wish->api_key.len)
        return open_key(targets, request->tenant, wish->api_key, arena, &target->key);
    if (!slice_equal(target->base_url, usual)) return OK;
    target->key = setting_of(targets, row->key);
    return target->key.len ? OK : ERR_PROVIDER_AUTH;
}

static uint64_t breaker_of(const struct target *target)
{
    uint64_t id = hash_fnv64(slice_of(target->provider), 0);
    id = hash_fnv64(target->base_url, hash_mix(id));
    return hash_fnv64(target->key, hash_mix(id));
}

static err_t resolve(const struct targets *targets, const struct chat_request *request,
                     const struct wish *wish, struct arena *arena, struct target *target)
{
    const struct provider_row *row = wish->provider.len ? row_of(wish->provider) : targets->preset;
    if (!row) return ERR_PROVIDER_UNKNOWN;
    struct target found = {.provider = row->name};
    err_t error = OK;
    if (!row->asks_nobody) {
        error = find_model(targets, row, wish, &found.model);
        if (!error) error = find_address(targets, row, wish, &found.base_url);
        if (!error) error = find_key(targets, row, request, wish, arena, &found);
    }
    if (error) return error;
    found.breaker_id = breaker_of(&found);
    *target = found;
    return OK;
}

/* --- all of an agent's --- */

/* What the agent says of itself, at 0, and of its fallbacks. A fallback to another model of the
 * agent's own provider needs no second key. */
static struct wish wish_at(const struct agent *agent, size_t place)
{
    struct wish own = {agent->provider, agent->model, agent->base_url, agent->api_key};
    if (!place) return own;
    const struct fallback *fallback = (const struct fallback *)agent->fallbacks.items + place - 1;
    struct wish wish = {fallback->provider, fallback->model, fallback->base_url, fallback->api_key};
    bool same = slice_equal(wish.provider, own.provider) &&
                slice_equal(without_slashes(wish.base_url), without_slashes(own.base_url));
    if (!wish.api_key.len && same) wish.api_key = own.api_key;
    return wish;
}

err_t targets_of(struct targets *targets, const struct chat_request *request, struct arena *arena,
                 struct target **list, size_t *count)
{
    const struct agent *agent = &request->agent;
    size_t wishes = agent->fallbacks.count + 1, n = 0;
    struct target *found = arena_alloc(arena, wishes * sizeof *found);
    err_t first = OK;
    for (size_t place = 0; place < wishes; place++) {
        struct wish wish = wish_at(agent, place);
        err_t error = resolve(targets, request, &wish, arena, &found[n]);
        if (error)
            log_warn("provider left out agent=%llu place=%zu code=%s",
                     (unsigned long long)agent->id, place, error_code(error));
        if (!error) n++;
        if (!place) first = error;
    }
    if (!n) return first;
    *list = found;
    *count = n;
    return OK;
}
