#include "workers/generator/generator.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/codec.h"
#include "workers/generator/provider.h"

/* Every provider that an agent may have, by name; those without a struct are not built yet. */
static const struct {
    const char *name;
    const struct provider *provider;
} providers[] = {
    {"extractive", &provider_extractive}, {"openai", NULL}, {"mistral", NULL}, {"anthropic", NULL},
    {"openai-compatible", NULL},
};

struct generator {
    struct {
        bool open;
        void *context;
    } states[ARRAY_LEN(providers)];
};

/* --- the pool opens and closes --- */

static err_t generator_open(struct worker *worker, void **context)
{
    struct generator *generator = xcalloc(1, sizeof *generator);
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        const struct provider *provider = providers[i].provider;
        if (!provider) continue;
        err_t error = provider->open ? provider->open(worker, &generator->states[i].context) : OK;
        generator->states[i].open = !error;
        if (error)
            log_warn("provider unavailable name=%s code=%s", provider->name, error_code(error));
    }
    *context = generator;
    return OK;
}

static void generator_close(void *context)
{
    struct generator *generator = context;
    for (size_t i = 0; i < ARRAY_LEN(providers); i++)
        if (generator->states[i].open && providers[i].provider->close)
            providers[i].provider->close(generator->states[i].context);
    free(generator);
}

/* --- a job starts --- */

static err_t read_frame(struct job *job, enum job_frame frame, const struct record_type *type,
                        void *record)
{
    return record_decode(type, job_frame(job, frame), job_arena(job), record);
}

static err_t read_frames(struct job *job, struct generation *generation)
{
    err_t error = read_frame(job, JOB_REQUEST, chat_request_type(), &generation->request);
    if (!error) error = read_frame(job, JOB_HISTORY, history_type(), &generation->history);
    if (!error) error = read_frame(job, JOB_CONTEXT, context_type(), &generation->passages);
    return error;
}

static enum complexity level_of(struct slice name)
{
    for (enum complexity level = 0; level < COMPLEXITY_COUNT; level++)
        if (slice_equal(name, slice_of(complexity_profile(level)->name))) return level;
    return COMPLEXITY_COUNT;
}

/* The gateway says language and level; what it says and we do not know is judged again. */
static void judge_message(struct generation *generation)
{
    const struct chat_request *request = &generation->request;
    generation->language = language_find(request->language);
    if (!generation->language) generation->language = language_detect(request->message, NULL);
    generation->level = level_of(request->complexity);
    if (generation->level == COMPLEXITY_COUNT)
        generation->level = complexity_classify(generation->language, request->message);
}

/* An agent that names no provider has the one that needs nothing. */
static err_t find_provider(const struct generator *generator, struct slice name, size_t *index)
{
    size_t i = 0;
    while (name.len && i < ARRAY_LEN(providers) && !slice_equal(name, slice_of(providers[i].name)))
        i++;
    if (i == ARRAY_LEN(providers)) return ERR_PROVIDER_UNKNOWN;
    if (!generator->states[i].open) return ERR_PROVIDER_UNAVAILABLE;
    *index = i;
    return OK;
}

static void refuse_provider(struct job *job, err_t error, struct slice name)
{
    const char *why =
        error == ERR_PROVIDER_UNKNOWN ? "no such provider" : "this build has no such provider yet";
    char *message = arena_printf(job_arena(job), "provider %.*s: %s (extractive is available)",
                                 (int)MIN(name.len, (size_t)64), name.ptr, why);
    job_fail(&job, error, false, message, NULL);
}

/* What the client has of the answer, if this author wrote it. */
static struct slice prefix_of(struct job *job, const char *author)
{
    struct slice prefix = job_frame(job, JOB_PREFIX);
    bool ours = job_resume_from(job) > 0 && job_resume_from(job) == prefix.len &&
                slice_equal(job_prefix_by(job), slice_of(author));
    return ours ? prefix : (struct slice){0};
}

static void generator_start(void *context, struct job *job)
{
    struct generator *generator = context;
    struct generation *generation = arena_alloc(job_arena(job), sizeof *generation);
    size_t index = 0;
    if (job_kind(job) != KIND_CHAT) return job_fail(&job, ERR_UNKNOWN_KIND, false, NULL, NULL);
    err_t error = read_frames(job, generation);
    if (error) return job_fail(&job, error, false, NULL, NULL);
    error = find_provider(generator, generation->request.agent.provider, &index);
    if (error) return refuse_provider(job, error, generation->request.agent.provider);
    generation->job = job;
    generation->provider = providers[index].provider;
    generation->context = generator->states[index].context;
    generation->started_us = clock_us();
    judge_message(generation);
    generation->author = generation->provider->author(generation);
    generation->prefix = prefix_of(job, generation->author);
    job_set_author(job, generation->author);
    job_set_data(job, generation);
    generation->provider->start(generation);
}

static void generator_writable(void *context, struct job *job)
{
    struct generation *generation = job_data(job);
    (void)context;
    if (generation) generation->provider->writable(generation);
}

static void generator_cancel(void *context, struct job *job)
{
    struct generation *generation = job_data(job);
    (void)context;
    if (generation) generation->provider->cancel(generation);
}

const struct worker_pool generator_pool = {
    .pool = POOL_GENERATE,
    .settings = OF_GENERATOR,
    .slots = 1024, /* most of a stream is waiting for its provider */
    .open = generator_open,
    .start = generator_start,
    .cancel = generator_cancel,
    .writable = generator_writable,
    .close = generator_close,
};

/* --- what providers call --- */

void generation_continue(struct generation *generation)
{
    citations_read(&generation->citations, generation->prefix);
    job_continue(generation->job);
}

bool generation_text(struct generation *generation, struct slice text)
{
    citations_read(&generation->citations, text);
    return job_token(generation->job, text);
}

static struct meta meta_of(const struct generation *generation, const char *finish_reason)
{
    struct meta meta = {
        .work_us = clock_us() - generation->started_us,
        .finish_reason = slice_of(finish_reason),
        .written_by = slice_of(generation->author),
        .usage = generation->usage,
        .citations = citations_list(&generation->citations, &generation->passages.passages,
                                    job_arena(generation->job)),
    };
    meta.usage.total_tokens = meta.usage.prompt_tokens + meta.usage.completion_tokens;
    return meta;
}

void generation_done(struct generation **generation, const char *finish_reason)
{
    struct job *job = (*generation)->job;
    struct meta meta = meta_of(*generation, finish_reason);
    *generation = NULL;
    job_done(&job, &meta);
}

void generation_fail(struct generation **generation, err_t error, const char *message)
{
    struct job *job = (*generation)->job;
    struct meta meta = meta_of(*generation, NULL);
    *generation = NULL;
    job_fail(&job, error, false, message, &meta);
}
