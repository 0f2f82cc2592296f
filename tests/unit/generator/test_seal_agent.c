/* An agent's keys on their way to the store: all are sealed, or the job ends. The job is a fake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "workers/generator/seal_agent.h"

#define KMS_KEY "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
#define TENANT  SLICE("acme")

struct job {
    struct arena arena;
    struct buffer request;
    unsigned ends; /* job_next and job_fail */
    bool passed_on;
    err_t error;
};

struct slice job_frame(const struct job *job, enum job_frame frame)
{
    assert_int_equal(frame, JOB_REQUEST);
    return buffer_slice(&job->request);
}

struct arena *job_arena(struct job *job)
{
    return &job->arena;
}

void job_set_frame(struct job *job, enum job_frame frame, struct slice bytes)
{
    assert_int_equal(frame, JOB_REQUEST);
    job->request.len = 0;
    buffer_append_slice(&job->request, bytes);
}

void job_next(struct job **job, const struct meta *meta)
{
    (void)meta;
    (*job)->ends++;
    (*job)->passed_on = true;
    *job = NULL;
}

void job_fail(struct job **job, err_t error, bool requeue, const char *message,
              const struct meta *meta)
{
    (void)message, (void)meta;
    assert_false(requeue);
    (*job)->ends++;
    (*job)->error = error;
    *job = NULL;
}

/* --- what the tests do --- */

static void seal_with(const char *kms_key, const struct put_agent *put, struct job *job)
{
    struct sealer *sealer = NULL;
    assert_int_equal(sealer_new(kms_key, "", &sealer), OK);
    *job = (struct job){0};
    if (put) record_encode(put_agent_type(), put, &job->request);
    if (!put) buffer_append_text(&job->request, "no msgpack");
    seal_agent(sealer, job);
    assert_int_equal(job->ends, 1);
    sealer_destroy(&sealer);
}

static void job_free(struct job *job)
{
    arena_free(&job->arena);
    buffer_free(&job->request);
}

static void assert_opens_to(struct slice sealed, const char *want)
{
    struct sealer *sealer = NULL;
    struct buffer secret = {0};
    assert_int_equal(sealer_new(KMS_KEY, "", &sealer), OK);
    assert_int_equal(unseal(sealer, TENANT, sealed, &secret), OK);
    assert_true(slice_equal(buffer_slice(&secret), slice_of(want)));
    buffer_free(&secret);
    sealer_destroy(&sealer);
}

static void every_key_is_sealed_and_nothing_else_changes(void **state)
{
    struct fallback fallbacks[] = {
        {.provider = SLICE("mistral"), .api_key = SLICE("mk-2")},
        {.provider = SLICE("openai"), .present = 1u << 3}, /* api_key: removed */
        {.provider = SLICE("anthropic")},
    };
    struct put_agent put = {.tenant = TENANT,
                            .id = 7,
                            .agent = {.name = SLICE("a"),
                                      .provider = SLICE("openai"),
                                      .api_key = SLICE("sk-1"),
                                      .fallbacks = {fallbacks, ARRAY_LEN(fallbacks)}}};
    struct put_agent got;
    struct job job;
    (void)state;
    assert_string_equal(fallback_type()->fields[3].name, "api_key");
    seal_with(KMS_KEY, &put, &job);
    assert_true(job.passed_on);
    assert_null(memmem(job.request.data, job.request.len, "sk-1", 4));
    assert_null(memmem(job.request.data, job.request.len, "mk-2", 4));
    assert_int_equal(record_decode(put_agent_type(), buffer_slice(&job.request), &job.arena, &got),
                     OK);
    const struct fallback *sealed = got.agent.fallbacks.items;
    assert_opens_to(got.agent.api_key, "sk-1");
    assert_opens_to(sealed[0].api_key, "mk-2");
    assert_int_equal(sealed[1].api_key.len, 0);
    assert_true(sealed[1].present & 1u << 3);
    assert_false(sealed[2].present & 1u << 3);
    assert_int_equal(got.id, 7);
    assert_true(slice_equal(got.tenant, TENANT));
    assert_true(slice_equal(got.agent.provider, SLICE("openai")));
    job_free(&job);
}

static void what_cannot_be_sealed_ends_the_job_and_leaves_its_frame(void **state)
{
    struct fallback sealed[] = {
        {.provider = SLICE("openai"), .api_key = SLICE("v1.0123456789abcdef.QUJD")}};
    struct put_agent plain = {.tenant = TENANT, .agent = {.api_key = SLICE("sk-1")}};
    struct put_agent smuggled = {.tenant = TENANT,
                                 .agent = {.api_key = SLICE("v1.0123456789abcdef.QUJD")}};
    struct put_agent below = {.tenant = TENANT, .agent = {.fallbacks = {sealed, 1}}};
    const struct {
        const char *kms_key;
        const struct put_agent *put;
        err_t want;
    } table[] = {
        {"", &plain, ERR_KMS_KEY_MISSING},
        {KMS_KEY, &smuggled, ERR_INVALID_FIELD},
        {KMS_KEY, &below, ERR_INVALID_FIELD},
        {KMS_KEY, NULL, ERR_BAD_FRAME},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct job job;
        seal_with(table[i].kms_key, table[i].put, &job);
        assert_false(job.passed_on);
        assert_int_equal(job.error, table[i].want);
        job_free(&job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_sealed_and_nothing_else_changes),
        cmocka_unit_test(what_cannot_be_sealed_ends_the_job_and_leaves_its_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
