/* The runtime in a test's hands: a job of our own, that notes what becomes of it, and a worker that
 * counts. For tests that include cmocka before this. */
#ifndef MILLRACE_TESTS_GENERATOR_FAKE_RUNTIME_H
#define MILLRACE_TESTS_GENERATOR_FAKE_RUNTIME_H

#include <stdio.h>

#include "common/buffer.h"
#include "workers/worker.h"

/* --- a job --- */

struct job {
    enum kind kind;
    struct buffer frames[JOB_FRAMES];
    uint64_t resume_from;
    struct slice prefix_by;
    struct arena arena;
    void *data;
    struct buffer text, author;
    size_t tokens, room; /* room: tokens until the window is full */
    bool continued, ended;
    err_t error;
    bool requeue, next;
    struct meta meta; /* its citations live in the arena */
    struct buffer message;
    uint64_t deadline_ms; /* 0: far away */
};

enum kind job_kind(const struct job *job)
{
    return job->kind;
}

struct slice job_frame(const struct job *job, enum job_frame frame)
{
    return buffer_slice(&job->frames[frame]);
}

uint64_t job_resume_from(const struct job *job)
{
    return job->resume_from;
}

struct slice job_prefix_by(const struct job *job)
{
    return job->prefix_by;
}

void *job_data(const struct job *job)
{
    return job->data;
}

void job_set_data(struct job *job, void *data)
{
    job->data = data;
}

struct arena *job_arena(struct job *job)
{
    return &job->arena;
}

void job_set_author(struct job *job, const char *author)
{
    job->author.len = 0;
    buffer_append_text(&job->author, author);
}

void job_continue(struct job *job)
{
    assert_int_equal(job->tokens, 0);
    job->continued = true;
}

const char *job_trace(const struct job *job)
{
    (void)job;
    return "test";
}

uint64_t job_deadline_ms(const struct job *job)
{
    return job->deadline_ms ? job->deadline_ms : UINT64_MAX;
}

void job_set_frame(struct job *job, enum job_frame frame, struct slice bytes)
{
    job->frames[frame].len = 0;
    buffer_append_slice(&job->frames[frame], bytes);
}

bool job_token(struct job *job, struct slice text)
{
    assert_false(job->ended);
    assert_true(text.len > 0);
    assert_true(job->room > 0);
    buffer_append_slice(&job->text, text);
    job->tokens++;
    return --job->room > 0;
}

static void end_job(struct job **job, err_t error, const struct meta *meta)
{
    assert_false((*job)->ended);
    (*job)->ended = true;
    (*job)->error = error;
    if (meta) (*job)->meta = *meta;
    *job = NULL;
}

void job_next(struct job **job, const struct meta *meta)
{
    (*job)->next = true;
    end_job(job, OK, meta);
}

void job_done(struct job **job, const struct meta *meta)
{
    end_job(job, OK, meta);
}

void job_fail(struct job **job, err_t error, bool requeue, const char *message,
              const struct meta *meta)
{
    (*job)->requeue = requeue;
    if (message) buffer_append_text(&(*job)->message, message);
    end_job(job, error, meta);
}

/* The text so far, NUL-terminated. */
static inline const char *text_of(struct job *job)
{
    buffer_append_char(&job->text, '\0');
    job->text.len--;
    return job->text.data;
}

static inline void job_free(struct job *job)
{
    for (size_t i = 0; i < JOB_FRAMES; i++) buffer_free(&job->frames[i]);
    buffer_free(&job->text);
    buffer_free(&job->author);
    buffer_free(&job->message);
    arena_free(&job->arena);
    test_free(job);
}

/* --- the worker --- */

static struct {
    struct event_base *base;
    struct settings settings;
    struct {
        const char *name;
        uint64_t value;
    } counts[WORKER_COUNTS_MAX];
    char serves[64], trouble[128];
} fake_worker;

struct event_base *worker_base(const struct worker *worker)
{
    (void)worker;
    return fake_worker.base;
}

const struct settings *worker_settings(const struct worker *worker)
{
    (void)worker;
    return &fake_worker.settings;
}

void worker_serves(struct worker *worker, const char *serves)
{
    (void)worker;
    snprintf(fake_worker.serves, sizeof fake_worker.serves, "%s", serves);
}

void worker_count(struct worker *worker, const char *name, uint64_t by)
{
    size_t i = 0;
    (void)worker;
    while (fake_worker.counts[i].name && strcmp(fake_worker.counts[i].name, name)) i++;
    assert_true(i < WORKER_COUNTS_MAX);
    fake_worker.counts[i].name = name;
    fake_worker.counts[i].value += by;
}

void worker_trouble(struct worker *worker, const char *trouble)
{
    (void)worker;
    snprintf(fake_worker.trouble, sizeof fake_worker.trouble, "%s", trouble ? trouble : "");
}

static inline uint64_t counted(const char *name)
{
    for (size_t i = 0; i < WORKER_COUNTS_MAX && fake_worker.counts[i].name; i++)
        if (!strcmp(fake_worker.counts[i].name, name)) return fake_worker.counts[i].value;
    return 0;
}

/* The settings are the environment's. */
static inline void fake_worker_open(void)
{
    char *program[] = {(char *)"test", NULL};
    fake_worker.base = event_base_new();
    if (settings_load(OF_GENERATOR, "test", 1, program, &fake_worker.settings, NULL)) fail();
}

static inline void fake_worker_close(void)
{
    event_base_free(fake_worker.base);
}

#endif
