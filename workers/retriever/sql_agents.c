#include "common/log.h"
#include "proto/codec.h"
#include "workers/retriever/objects.h"
#include "workers/retriever/sql_store.h"

#define AGENT_COLUMNS                                                                           \
    "id, version, name, provider, model, base_url, system_prompt, temperature, language,"       \
    " portfolio_id, top_k, max_context_tokens, semantic_cache, semantic_threshold, fallbacks, " \
    "api_key"

static err_t read_agent(struct work *work, const struct rows *rows, struct agent *agent)
{
    struct arena *arena = &work->arena;
    struct agent kept;
    *agent = (struct agent){
        .id = rows_u64(rows, 0),
        .version = rows_u64(rows, 1),
        .name = rows_copy(rows, 2, arena),
        .provider = rows_copy(rows, 3, arena),
        .model = rows_copy(rows, 4, arena),
        .base_url = rows_copy(rows, 5, arena),
        .system_prompt = rows_copy(rows, 6, arena),
        .temperature = rows_f64(rows, 7),
        .language = rows_copy(rows, 8, arena),
        .portfolio_id = rows_u64(rows, 9),
        .top_k = rows_u64(rows, 10),
        .max_context_tokens = rows_u64(rows, 11),
        .semantic_cache = rows_u64(rows, 12),
        .semantic_threshold = rows_f64(rows, 13),
        .api_key = rows_copy(rows, 15, arena),
    };
    struct slice fallbacks = arena_slice(arena, rows_blob(rows, 14));
    err_t error = record_decode(agent_type(), fallbacks, arena, &kept);
    agent->fallbacks = kept.fallbacks;
    agent_tell_keys(agent);
    return error;
}

static err_t agent_find(struct work *work, struct slice tenant, uint64_t id, struct agent *agent)
{
    struct rows rows =
        db_select(work->db, "SELECT " AGENT_COLUMNS " FROM agents WHERE id = ? AND tenant = ?",
                  "it", id, tenant_of(tenant));
    err_t error = ERR_AGENT_NOT_FOUND;
    if (rows_next(&rows)) error = read_agent(work, &rows, agent);
    err_t end = rows_end(&rows);
    return end ? end : error;
}

err_t agent_read(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    return agent_find(work, select->tenant, select->id, result);
}

err_t agent_list(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct agents *agents = result;
    uint64_t limit = page_limit(select->limit);
    struct agent *data = arena_alloc(&work->arena, (limit + 1) * sizeof(*data));
    struct rows rows = db_select(work->db,
                                 "SELECT " AGENT_COLUMNS " FROM agents"
                                 " WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?",
                                 "tii", tenant_of(select->tenant), select->after, limit + 1);
    err_t error = OK;
    size_t count = 0;
    while (!error && rows_next(&rows)) error = read_agent(work, &rows, &data[count++]);
    err_t end = rows_end(&rows);
    agents->data = (struct list){data, MIN(count, limit)};
    agents->next = count > limit ? data[limit - 1].id : 0;
    return end ? end : error;
}

/* --- writing --- */

static err_t check(struct work *work, struct slice tenant, const struct agent *agent)
{
    err_t error = agent_check(agent, &work->call->message);
    if (!error && agent->portfolio_id) error = portfolio_check(work, tenant, agent->portfolio_id);
    return error;
}

/* Writes every member of an agent whose row is there. */
static err_t agent_store(struct work *work, struct agent *agent)
{
    struct buffer fallbacks = {0};
    struct agent kept = {.fallbacks = agent->fallbacks};
    agent_tell_keys(agent);
    if (kept.fallbacks.count) record_encode(agent_type(), &kept, &fallbacks);
    err_t error =
        db_run(work->db,
               "UPDATE agents SET version = ?, name = ?, provider = ?, model = ?, base_url = ?,"
               " system_prompt = ?, temperature = ?, language = ?, portfolio_id = ?, top_k = ?,"
               " max_context_tokens = ?, semantic_cache = ?, semantic_threshold = ?, fallbacks = ?,"
               " api_key = ?"
               " WHERE id = ?",
               "itttttdtiiiidbti", agent->version, agent->name, agent->provider, agent->model,
               agent->base_url, agent->system_prompt, agent->temperature, agent->language,
               agent->portfolio_id, agent->top_k, agent->max_context_tokens,
               (uint64_t)agent->semantic_cache, agent->semantic_threshold, buffer_slice(&fallbacks),
               agent->api_key, agent->id);
    buffer_free(&fallbacks);
    return error ? error : change_log(work, "agent", agent->id, agent->version, 0, 0);
}

/* Where a version begins is the table's to say. */
static err_t agent_insert(struct work *work, struct slice tenant, struct agent *agent)
{
    struct rows rows = db_select(
        work->db,
        "INSERT INTO agents (tenant, name, provider) VALUES (?, ?, ?) RETURNING id, version", "ttt",
        tenant, agent->name, agent->provider);
    if (rows_next(&rows)) {
        agent->id = rows_u64(&rows, 0);
        agent->version = rows_u64(&rows, 1);
    }
    return rows_end(&rows);
}

err_t agent_create(struct work *work, const void *request, void *result)
{
    const struct put_agent *put = request;
    struct agent *agent = result;
    *agent = put->agent;
    agent->present = 0;
    err_t error = check(work, put->tenant, agent);
    if (!error) error = agent_insert(work, tenant_of(put->tenant), agent);
    return error ? error : agent_store(work, agent);
}

err_t agent_update(struct work *work, const void *request, void *result)
{
    const struct put_agent *put = request;
    struct agent *agent = result;
    err_t error = agent_find(work, put->tenant, put->id, agent);
    if (error) return error;
    uint64_t id = agent->id, version = agent->version;
    agent_change(agent, &put->agent);
    agent->present = 0;
    agent->id = id;
    agent->version = version + 1;
    error = check(work, put->tenant, agent);
    return error ? error : agent_store(work, agent);
}

/* --- sealing anew --- */

#define RESEALED_AT_ONCE 100

static bool reseal_key(struct work *work, const struct store_resealer *resealer,
                       struct slice tenant, struct slice *key)
{
    struct buffer fresh = {0};
    bool changed = key->len && resealer->reseal(resealer->context, tenant, *key, &fresh);
    if (changed) *key = arena_slice(&work->arena, buffer_slice(&fresh));
    buffer_free(&fresh);
    return changed;
}

static bool reseal_agent(struct work *work, const struct store_resealer *resealer,
                         struct slice tenant, struct agent *agent)
{
    struct fallback *fallbacks = agent->fallbacks.items;
    bool changed = reseal_key(work, resealer, tenant, &agent->api_key);
    for (size_t i = 0; i < agent->fallbacks.count; i++)
        changed |= reseal_key(work, resealer, tenant, &fallbacks[i].api_key);
    agent->version += changed;
    return changed;
}

struct kept_agent {
    struct slice tenant;
    struct agent agent;
};

static err_t read_some(struct work *work, uint64_t after, struct kept_agent *kept, size_t *count)
{
    struct rows rows = db_select(work->db,
                                 "SELECT " AGENT_COLUMNS ", tenant FROM agents"
                                 " WHERE id > ? ORDER BY id LIMIT ?",
                                 "ii", after, (uint64_t)RESEALED_AT_ONCE);
    err_t error = OK;
    while (!error && rows_next(&rows)) {
        error = read_agent(work, &rows, &kept[*count].agent);
        kept[(*count)++].tenant = rows_copy(&rows, 16, &work->arena);
    }
    err_t end = rows_end(&rows);
    return end ? end : error;
}

/* The next agents behind *after, which is set to the last of them; 0: there are none. */
static err_t reseal_some(struct work *work, const struct store_resealer *resealer, uint64_t *after,
                         uint64_t *changed)
{
    struct kept_agent *kept = arena_alloc(&work->arena, RESEALED_AT_ONCE * sizeof *kept);
    size_t count = 0;
    err_t error = read_some(work, *after, kept, &count);
    *after = count ? kept[count - 1].agent.id : 0;
    for (size_t i = 0; i < count && !error; i++) {
        if (!reseal_agent(work, resealer, kept[i].tenant, &kept[i].agent)) continue;
        error = agent_store(work, &kept[i].agent);
        ++*changed;
    }
    return error;
}

err_t agents_reseal(struct db *db, const struct store_resealer *resealer, uint64_t *agents)
{
    struct work work = {.db = db};
    err_t error = OK;
    uint64_t after = 0, done = 0;
    do {
        uint64_t changed = 0;
        error = db_begin(db);
        if (error) break;
        error = reseal_some(&work, resealer, &after, &changed);
        if (!error) error = db_commit(db);
        if (error && db_rollback(db)) break;
        if (!error) done += changed;
        arena_free(&work.arena);
    } while (!error && after);
    *agents = done;
    return error;
}

/* A new version of the same: what was kept under the old one is reached no more. */
err_t agent_invalidate(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct agent *agent = result;
    err_t error = agent_find(work, select->tenant, select->id, agent);
    if (error) return error;
    agent->version++;
    return agent_store(work, agent);
}

err_t agent_delete(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct agent *agent = result;
    err_t error = agent_find(work, select->tenant, select->id, agent);
    if (!error) error = db_run(work->db, "DELETE FROM agents WHERE id = ?", "i", select->id);
    agent->version++;
    return error ? error : change_log(work, "agent", agent->id, agent->version, 0, 0);
}
