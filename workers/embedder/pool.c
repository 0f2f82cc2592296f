/* Jobs and what they want embedded; which embedder does it (engine.h) is said by the job, since a
 * portfolio's questions need the one that made its vectors.
 *
 *     start() ─ texts ─▶ its embedder's engine ─▶ on_ended() ─┬ chat, search, index ─▶ job_next
 *                                                             └ embed ─▶ job_answer
 *
 * While the embedder of a question is away it goes on without a vector, to be answered by words.
 *
 * Open from the start are the default one, hashing (it costs nothing) and the model where there is
 * one. A model of a provider is opened by the first job that names it. */
#include "workers/embedder/pool.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/codec.h"
#include "workers/embedder/engine.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors travel as the machine has them");

enum { QUESTION_TEXTS_MAX = 16 }; /* a longer list of a client's texts waits as passages do */

/* An embedder that was asked for; those that cannot be opened here are remembered too. */
struct choice {
    const struct embedder_info *info;
    struct engine *engine; /* NULL: not on this machine */
    struct choice *next;
};

struct embedder_pool {
    struct worker *worker;
    struct choice *choices; /* the default one first */
};

/* A job under way; in its arena. */
struct task {
    struct embed_work work; /* first: task_of */
    struct embedder_pool *pool;
    struct job *job;
    struct engine *engine;
    float *vectors;
    uint64_t began_us;
};

/* --- what a job wants: its texts, and the embedder's name --- */

static void take_texts(struct task *task, size_t count)
{
    task->work.items = arena_alloc(job_arena(task->job), count * sizeof *task->work.items);
    task->work.count = count;
}

static err_t read_question(struct task *task, struct slice *embedder)
{
    struct chat_request request;
    struct job *job = task->job;
    err_t error =
        record_decode(chat_request_type(), job_frame(job, JOB_REQUEST), job_arena(job), &request);
    if (error) return error;
    *embedder = request.embedder;
    take_texts(task, 1);
    task->work.items[0].text = request.message;
    task->work.question = true;
    return OK;
}

static err_t read_passages(struct task *task, struct slice *embedder)
{
    struct index_request request;
    struct context context;
    struct job *job = task->job;
    err_t error =
        record_decode(index_request_type(), job_frame(job, JOB_REQUEST), job_arena(job), &request);
    if (!error)
        error =
            record_decode(context_type(), job_frame(job, JOB_CONTEXT), job_arena(job), &context);
    if (error) return error;
    const struct passage *passages = context.passages.items;
    *embedder = request.embedder;
    take_texts(task, context.passages.count);
    for (size_t i = 0; i < task->work.count; i++)
        task->work.items[i] = (struct embed_item){
            .title = passages[i].title, .heading = passages[i].heading, .text = passages[i].text};
    return OK;
}

static err_t read_list(struct task *task, struct slice *embedder)
{
    struct embed_request request;
    struct job *job = task->job;
    err_t error =
        record_decode(embed_request_type(), job_frame(job, JOB_REQUEST), job_arena(job), &request);
    if (error) return error;
    const struct embed_text *texts = request.texts.items;
    *embedder = request.embedder;
    take_texts(task, request.texts.count);
    for (size_t i = 0; i < task->work.count; i++) task->work.items[i].text = texts[i].text;
    task->work.question = task->work.count <= QUESTION_TEXTS_MAX;
    return OK;
}

static err_t (*const readers[KIND_COUNT])(struct task *task, struct slice *embedder) = {
    [KIND_CHAT] = read_question,
    [KIND_SEARCH] = read_question,
    [KIND_INDEX] = read_passages,
    [KIND_EMBED] = read_list,
};

/* --- the ends --- */

static void fail(struct job *job, err_t error)
{
    bool elsewhere = error == ERR_EMBEDDER_UNAVAILABLE; /* another worker may serve it */
    job_fail(&job, error, elsewhere, NULL, NULL);
}

/* The job goes on with its vectors, or is answered with them. */
static void pass_on(struct task *task)
{
    struct buffer frame = {0};
    struct job *job = task->job;
    const struct embedder_info *info = engine_info(task->engine);
    const struct meta meta = {.work_us = clock_us() - task->began_us};
    struct embedding embedding = {
        .embedder = slice_of(info->name),
        .dimensions = info->dimensions,
        .count = task->work.count,
        .vectors = {(const char *)task->vectors,
                    task->work.count * info->dimensions * sizeof *task->vectors},
    };
    record_encode(embedding_type(), &embedding, &frame);
    if (job_kind(job) == KIND_EMBED) {
        job_answer(&job, &meta, buffer_slice(&frame));
    } else {
        job_set_frame(job, JOB_EMBEDDING, buffer_slice(&frame));
        job_next(&job, &meta);
    }
    buffer_free(&frame);
}

/* An embedder that is away or overloaded. What is wrong with a key, a model or vectors is told to
 * those who ask instead: it would not pass by itself, and hardly be noticed. */
static bool is_outage(err_t error)
{
    static const err_t outages[] = {ERR_PROVIDER_RATE_LIMITED, ERR_PROVIDER_CIRCUIT_OPEN,
                                    ERR_PROVIDER_UNAVAILABLE,  ERR_PROVIDER_TIMEOUT,
                                    ERR_PROVIDER_FAILED,       ERR_PROVIDER_CUT};
    size_t i = 0;
    while (i < ARRAY_LEN(outages) && outages[i] != error) i++;
    return i < ARRAY_LEN(outages);
}

static bool goes_by_words(const struct task *task, err_t error)
{
    enum kind kind = job_kind(task->job);
    return (kind == KIND_CHAT || kind == KIND_SEARCH) && is_outage(error);
}

static void pass_on_by_words(struct task *task)
{
    const struct meta meta = {.work_us = clock_us() - task->began_us};
    worker_count(task->pool->worker, "question_by_words", 1);
    job_next(&task->job, &meta);
}

static void on_ended(struct embed_work *work)
{
    struct task *task = (struct task *)work;
    job_set_data(task->job, NULL);
    if (goes_by_words(task, work->error))
        pass_on_by_words(task);
    else if (work->error)
        fail(task->job, work->error);
    else
        pass_on(task);
}

/* --- embedders --- */

static struct choice *open_choice(struct embedder_pool *pool, const struct embedder_info *info,
                                  err_t *error)
{
    struct choice *choice = xcalloc(1, sizeof *choice), **at = &pool->choices;
    choice->info = info;
    *error = engine_open(pool->worker, info, on_ended, &choice->engine);
    while (*at) at = &(*at)->next;
    return *at = choice;
}

static struct choice *find_choice(const struct embedder_pool *pool,
                                  const struct embedder_info *info)
{
    struct choice *choice = pool->choices;
    while (choice && choice->info != info) choice = choice->next;
    return choice;
}

/* Where nobody says which, it is the default: the vectors tell whose they are. NULL: not here. */
static struct engine *engine_of(struct embedder_pool *pool, struct slice name)
{
    err_t error;
    if (!name.len) return pool->choices->engine;
    const struct embedder_info *info = embedder_find(name);
    if (!info) return NULL;
    struct choice *choice = find_choice(pool, info);
    if (!choice) choice = open_choice(pool, info, &error);
    return choice->engine;
}

/* --- jobs --- */

static void embed(struct task *task)
{
    const size_t dimensions = engine_info(task->engine)->dimensions;
    struct embed_item *items = task->work.items;
    task->vectors =
        arena_alloc(job_arena(task->job), task->work.count * dimensions * sizeof *task->vectors);
    for (size_t i = 0; i < task->work.count; i++) items[i].vector = task->vectors + i * dimensions;
    job_set_data(task->job, task);
    engine_add(task->engine, &task->work);
}

static void start(void *context, struct job *job)
{
    struct embedder_pool *pool = context;
    enum kind kind = job_kind(job);
    struct task *task = arena_alloc(job_arena(job), sizeof *task);
    struct slice embedder = {0};
    task->pool = pool;
    task->job = job;
    task->began_us = clock_us();
    err_t error =
        kind < KIND_COUNT && readers[kind] ? readers[kind](task, &embedder) : ERR_UNKNOWN_KIND;
    if (!error) task->engine = engine_of(pool, embedder);
    if (!error && !task->engine) error = ERR_EMBEDDER_UNAVAILABLE;
    if (error)
        fail(job, error);
    else
        embed(task);
}

static void cancel(void *context, struct job *job)
{
    struct task *task = job_data(job);
    (void)context;
    if (!task) return;
    engine_cancel(task->engine, &task->work);
    fail(job, ERR_CANCELLED);
}

/* --- the pool --- */

/* The default one has to open; others are there if they can be. */
static err_t open_choices(struct embedder_pool *pool, const struct embedder_info *configured)
{
    const struct {
        const char *setting;
        bool wanted;
    } others[] = {{"hashing", true}, {"model", *worker_settings(pool->worker)->model_dir != 0}};
    err_t error, ignored;
    open_choice(pool, configured, &error);
    for (size_t i = 0; !error && i < ARRAY_LEN(others); i++) {
        const struct embedder_info *info = embedder_find(slice_of(others[i].setting));
        if (others[i].wanted && !find_choice(pool, info)) open_choice(pool, info, &ignored);
    }
    return error;
}

/* What is open, and the providers that can be asked, with whatever model. */
static void tell_choices(const struct embedder_pool *pool)
{
    const struct settings *settings = worker_settings(pool->worker);
    const struct {
        const char *name, *needs;
    } providers[] = {{"openai", settings->openai_api_key},
                     {"mistral", settings->mistral_api_key},
                     {"openai-compatible", settings->embedding_base_url}};
    struct buffer names = {0};
    for (const struct choice *choice = pool->choices; choice; choice = choice->next)
        if (choice->engine) buffer_printf(&names, "%s%s", names.len ? "," : "", choice->info->name);
    for (size_t i = 0; i < ARRAY_LEN(providers); i++)
        if (*providers[i].needs) buffer_printf(&names, ",%s/", providers[i].name);
    buffer_append_char(&names, '\0');
    worker_serves(pool->worker, names.data);
    log_info("embedders=%s", names.data);
    buffer_free(&names);
}

static void close_pool(void *context)
{
    struct embedder_pool *pool = context;
    while (pool->choices) {
        struct choice *choice = pool->choices;
        pool->choices = choice->next;
        engine_close(&choice->engine);
        free(choice);
    }
    free(pool);
}

static err_t open_pool(struct worker *worker, void **context)
{
    const struct embedder_info *configured;
    err_t error = embedder_configured(worker_settings(worker), &configured);
    if (error) return error;
    struct embedder_pool *pool = xcalloc(1, sizeof *pool);
    pool->worker = worker;
    error = open_choices(pool, configured);
    if (error) {
        log_error("embedder=%s cannot be opened: %s", configured->name, error_code(error));
        close_pool(pool);
        return error;
    }
    tell_choices(pool);
    *context = pool;
    return OK;
}

const struct worker_pool embedder_pool = {
    .pool = POOL_EMBED,
    .settings = OF_EMBEDDER,
    .open = open_pool,
    .start = start,
    .cancel = cancel,
    .close = close_pool,
};
