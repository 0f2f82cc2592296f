#include "workers/generator/generator.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/codec.h"
#include "workers/generator/provider.h"
#include "workers/generator/seal_agent.h"

static const struct provider *const providers[] = {&provider_extractive, &provider_remote};

struct generator {
    struct worker *worker;
    struct targets *targets;
    void *contexts[ARRAY_LEN(providers)];
};

/* --- the pool opens and closes --- */

static err_t generator_open(struct worker *worker, void **context)
{
    struct generator *generator = xcalloc(1, sizeof *generator);
    err_t error = targets_new(worker_settings(worker), &generator->targets);
    generator->worker = worker;
    for (size_t i = 0; !error && i < ARRAY_LEN(providers); i++)
        error = providers[i]->open(worker, &generator->contexts[i]);
    if (error) return error; /* the process ends */
    worker_serves(worker, targets_default(generator->targets));
    *context = generator;
    return OK;
}

static void generator_close(void *context)
{
    struct generator *generator = context;
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) providers[i]->close(generator->contexts[i]);
    targets_destroy(&generator->targets);
    free(generator);
}

/* --- a job is read --- */

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
    generation->answer_in = language_find(request->agent.language);
    if (!generation->answer_in) generation->answer_in = generation->language;
    generation->level = level_of(request->complexity);
    if (generation->level == COMPLEXITY_COUNT)
        generation->level = complexity_classify(generation->language, request->message);
}

/* --- who writes --- */

static bool is_extractive(const struct target *target)
{
    return !strcmp(target->provider, provider_extractive.name);
}

static size_t provider_index(const struct target *target)
{
    return is_extractive(target) ? 0 : 1;
}

/* The list with the extractive generator behind it, unless it is there. */
static void allow_extractive(struct arena *arena, struct target **list, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        if (is_extractive(&(*list)[i])) return;
    struct target *longer = arena_alloc(arena, (*count + 1) * sizeof *longer);
    if (*count) memcpy(longer, *list, *count * sizeof *longer);
    longer[(*count)++].provider = provider_extractive.name;
    *list = longer;
}

static const char *author_of(const struct target *target, struct arena *arena)
{
    return providers[provider_index(target)]->author(target, arena);
}

/* Who began an answer that another worker died with is asked first: only he can go on with it. */
static void put_writer_first(struct job *job, struct target *list, size_t count)
{
    struct slice writer = job_prefix_by(job);
    for (size_t i = 1; writer.len && i < count; i++) {
        if (!slice_equal(slice_of(author_of(&list[i], job_arena(job))), writer)) continue;
        struct target first = list[i];
        memmove(&list[1], &list[0], i * sizeof *list);
        list[0] = first;
        return;
    }
}

static err_t find_targets(struct generator *generator, struct generation *generation)
{
    struct job *job = generation->job;
    struct target *list = NULL;
    bool fallback = !strcmp(worker_settings(generator->worker)->extractive_fallback, "yes");
    err_t error = targets_of(generator->targets, &generation->request, job_arena(job), &list,
                             &generation->target_count);
    if (error) worker_count(generator->worker, error_code(error), 1);
    if (error && !fallback) return error;
    if (fallback) allow_extractive(job_arena(job), &list, &generation->target_count);
    put_writer_first(job, list, generation->target_count);
    generation->targets = list;
    return OK;
}

/* What the client has of the answer, if this author wrote it. */
static struct slice prefix_of(struct job *job, const char *author)
{
    struct slice prefix = job_frame(job, JOB_PREFIX);
    bool ours = job_resume_from(job) > 0 && job_resume_from(job) == prefix.len &&
                slice_equal(job_prefix_by(job), slice_of(author));
    return ours ? prefix : (struct slice){0};
}

/* Asks the target whose turn it is. */
static void start_target(struct generation *generation)
{
    const struct target *target = generation_target(generation);
    size_t index = provider_index(target);
    generation->provider = providers[index];
    generation->context = generation->generator->contexts[index];
    generation->author = author_of(target, job_arena(generation->job));
    generation->prefix = prefix_of(generation->job, generation->author);
    job_set_author(generation->job, generation->author);
    generation->provider->start(generation);
}

/* --- the pool's callbacks --- */

static void start_chat(struct generator *generator, struct job *job)
{
    struct generation *generation = arena_alloc(job_arena(job), sizeof *generation);
    generation->generator = generator;
    generation->job = job;
    generation->started_us = clock_us();
    err_t error = read_frames(job, generation);
    if (!error) error = find_targets(generator, generation);
    if (error) return job_fail(&job, error, false, NULL, NULL);
    judge_message(generation);
    job_set_data(job, generation);
    start_target(generation);
}

static void generator_start(void *context, struct job *job)
{
    struct generator *generator = context;
    switch (job_kind(job)) {
    case KIND_CHAT: return start_chat(generator, job);
    case KIND_AGENT_CREATE:
    case KIND_AGENT_UPDATE: return seal_agent(targets_sealer(generator->targets), job);
    default: return job_fail(&job, ERR_UNKNOWN_KIND, false, NULL, NULL);
    }
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

static struct usage usage_sum(const struct usage *a, const struct usage *b)
{
    struct usage sum = {.prompt_tokens = a->prompt_tokens + b->prompt_tokens,
                        .completion_tokens = a->completion_tokens + b->completion_tokens};
    sum.total_tokens = sum.prompt_tokens + sum.completion_tokens;
    return sum;
}

void generation_retry(struct generation *generation)
{
    generation->spent = usage_sum(&generation->spent, &generation->usage);
    generation->usage = (struct usage){0};
}

bool generation_text(struct generation *generation, struct slice text)
{
    generation->begun = true;
    citations_read(&generation->citations, text);
    return job_token(generation->job, text);
}

static struct meta meta_of(const struct generation *generation, const char *finish_reason)
{
    struct list passages = generation->passages.passages;
    struct arena *arena = job_arena(generation->job);
    passages.count = MIN(passages.count, generation->citable);
    uint64_t dropped = citations_dropped(&generation->citations, passages.count);
    if (dropped) worker_count(generation->generator->worker, "citation_dropped", dropped);
    struct meta meta = {
        .work_us = clock_us() - generation->started_us,
        .finish_reason = slice_of(finish_reason),
        .written_by = slice_of(generation->author),
        .usage = usage_sum(&generation->spent, &generation->usage),
        .citations = citations_list(&generation->citations, &passages, arena),
    };
    return meta;
}

void generation_done(struct generation **generation, const char *finish_reason)
{
    struct job *job = (*generation)->job;
    struct meta meta = meta_of(*generation, finish_reason);
    *generation = NULL;
    job_done(&job, &meta);
}

static void count_failure(const struct generation *generation, err_t error)
{
    worker_count(generation->generator->worker, error_code(error), 1);
    log_warn("provider failed provider=%s code=%s begun=%d request=%s",
             generation_target(generation)->provider, error_code(error), generation->begun,
             job_trace(generation->job));
}

static void end_failed(struct generation *generation, err_t error)
{
    struct job *job = generation->job;
    struct meta meta = meta_of(generation, NULL);
    job_fail(&job, error, false, NULL, &meta);
}

/* Before the first text: the next target is asked. Once all have failed, the client is told of a
 * failure that may pass, where there was one; else of the first. */
static void pass_on(struct generation *generation, err_t error)
{
    if (!generation->error || (!error_retryable(generation->error) && error_retryable(error)))
        generation->error = error;
    if (generation->target + 1 == generation->target_count)
        return end_failed(generation, generation->error);
    generation->target++;
    worker_count(generation->generator->worker, "fallback", 1);
    generation_retry(generation);
    start_target(generation);
}

void generation_fail(struct generation **at, err_t error)
{
    struct generation *generation = *at;
    *at = NULL;
    if (error != ERR_CANCELLED) count_failure(generation, error);
    if (error == ERR_CANCELLED || generation->begun)
        end_failed(generation, error);
    else
        pass_on(generation, error);
}
