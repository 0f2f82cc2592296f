#include "workers/generator/seal_agent.h"

#include "proto/codec.h"

/* A key that looks sealed already was not sealed here: whoever has such a text would otherwise make
 * it work in an agent of his own. */
static err_t seal_key(const struct sealer *sealer, struct slice tenant, struct arena *arena,
                      struct slice *key)
{
    struct buffer sealed = {0};
    if (!key->len) return OK;
    if (is_sealed(*key)) return ERR_INVALID_FIELD;
    err_t error = seal(sealer, tenant, *key, &sealed);
    if (!error) *key = arena_slice(arena, buffer_slice(&sealed));
    buffer_free(&sealed);
    return error;
}

static err_t seal_keys(const struct sealer *sealer, struct put_agent *put, struct arena *arena)
{
    struct fallback *fallbacks = put->agent.fallbacks.items;
    err_t error = seal_key(sealer, put->tenant, arena, &put->agent.api_key);
    for (size_t i = 0; i < put->agent.fallbacks.count && !error; i++)
        error = seal_key(sealer, put->tenant, arena, &fallbacks[i].api_key);
    return error;
}

void seal_agent(const struct sealer *sealer, struct job *job)
{
    struct put_agent put;
    struct buffer frame = {0};
    err_t error =
        record_decode(put_agent_type(), job_frame(job, JOB_REQUEST), job_arena(job), &put);
    if (!error) error = seal_keys(sealer, &put, job_arena(job));
    if (error) return job_fail(&job, error, false, NULL, NULL);
    record_encode(put_agent_type(), &put, &frame);
    job_set_frame(job, JOB_REQUEST, buffer_slice(&frame));
    buffer_free(&frame);
    job_next(&job, NULL);
}
