/* Lanes that a test plays itself: jobs are listed as they are submitted, and the test ends them.
 * Included by one test program; its definitions take the place of lane_io.c's. */
#ifndef TEST_FAKE_LANES_H
#define TEST_FAKE_LANES_H

#include <stdlib.h>

#include "gateway/lane_io.h"
#include "proto/codec.h"

#define FAKE_JOBS_MAX 256

struct fake_job {
    uint64_t id;
    enum kind kind;
    char stages[8]; /* "" for the kind's own */
    char op[64], trace[80];
    struct body *body;
    const struct job_handler *handler;
    void *context;
    uint64_t taken, extended_ms;
    size_t told; /* bytes of the answer */
    bool cancelled, ended, record, tentative;
};

static struct fake_job fake_jobs[FAKE_JOBS_MAX];
static size_t fake_job_count;
static err_t fake_refusal; /* what job_submit answers; OK: admitted */
static bool fake_ready = true;
static const char *fake_trouble = "";         /* of every pool's only worker */
static const char *fake_serves = "hashing-1"; /* every pool's only worker */
static uint64_t fake_queued;                  /* in every lane */
static uint64_t fake_workers = 1;             /* that every lane counts */

err_t job_submit(struct lane_io *io, const struct job_spec *spec, const struct job_handler *handler,
                 void *context, uint64_t *job)
{
    struct body *body = spec->body;
    (void)io;
    if (fake_refusal || fake_job_count == FAKE_JOBS_MAX) {
        body_unref(&body);
        return fake_refusal ? fake_refusal : ERR_LANE_FULL;
    }
    struct fake_job *made = &fake_jobs[fake_job_count++];
    *made = (struct fake_job){.id = fake_job_count,
                              .kind = spec->kind,
                              .body = body,
                              .handler = handler,
                              .context = context,
                              .record = spec->record,
                              .tentative = spec->tentative};
    if (spec->stages) strncpy(made->stages, spec->stages, sizeof(made->stages) - 1);
    if (spec->op) strncpy(made->op, spec->op, sizeof(made->op) - 1);
    if (spec->trace) strncpy(made->trace, spec->trace, sizeof(made->trace) - 1);
    *job = made->id;
    return OK;
}

void job_cancel(struct lane_io *io, uint64_t job)
{
    (void)io;
    if (job && job <= fake_job_count) fake_jobs[job - 1].cancelled = true;
}

void job_taken(struct lane_io *io, uint64_t job, uint64_t bytes)
{
    (void)io;
    if (job && job <= fake_job_count) fake_jobs[job - 1].taken = bytes;
}

void job_extend(struct lane_io *io, uint64_t job, uint64_t timeout_ms)
{
    (void)io;
    if (job && job <= fake_job_count) fake_jobs[job - 1].extended_ms = timeout_ms;
}

struct lane_io *lane_io_new(struct event_base *base, const struct settings *settings)
{
    (void)base, (void)settings;
    return NULL;
}
err_t lane_io_open(struct lane_io *io)
{
    (void)io;
    return OK;
}
void lane_io_destroy(struct lane_io **io)
{
    (void)io;
}
void lane_io_listen(struct lane_io *io, const struct lane_listener *listener, void *context)
{
    (void)io, (void)listener, (void)context;
}
bool lane_io_ready(const struct lane_io *io, enum pool pool)
{
    (void)io, (void)pool;
    return fake_ready;
}
const char *lane_io_serves(const struct lane_io *io, enum pool pool)
{
    (void)io;
    return pool == POOL_GENERATE ? "openai/gpt-4o-mini" : fake_serves;
}
void lane_io_drain(struct lane_io *io)
{
    (void)io;
}
size_t lane_io_jobs(const struct lane_io *io)
{
    (void)io;
    return 0;
}
void lane_io_view(const struct lane_io *io, enum pool pool, struct lane_view *view)
{
    (void)io;
    *view = (struct lane_view){
        .pool = pool_name(pool), .queued = fake_queued, .oldest_ms = 1500, .workers = fake_workers};
}
bool lane_io_worker(const struct lane_io *io, enum pool pool, size_t index,
                    struct worker_view *view)
{
    (void)io;
    *view = (struct worker_view){.pool = pool_name(pool),
                                 .name = "worker-1",
                                 .serves = fake_serves,
                                 .state = "ready",
                                 .slots = 64};
    return index == 0;
}
const char *lane_io_trouble(const struct lane_io *io, enum pool pool)
{
    (void)io, (void)pool;
    return fake_ready ? fake_trouble : NULL;
}
bool lane_io_refused(const struct lane_io *io, enum pool pool, size_t index,
                     struct refused_worker *worker)
{
    (void)io;
    *worker = (struct refused_worker){.address = "10.0.0.7", .protocol = 9, .times = 3};
    return pool == POOL_GENERATE && index == 0;
}

/* --- the test's side --- */

/* The newest job of a kind that has not ended, or NULL. */
__attribute__((unused)) static struct fake_job *fake_job_of(enum kind kind)
{
    for (size_t i = fake_job_count; i > 0; i--)
        if (fake_jobs[i - 1].kind == kind && !fake_jobs[i - 1].ended) return &fake_jobs[i - 1];
    return NULL;
}

__attribute__((unused)) static size_t fake_count_of(enum kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < fake_job_count; i++) count += fake_jobs[i].kind == kind;
    return count;
}

/* More of the answer. */
__attribute__((unused)) static void fake_say(struct fake_job *job, struct slice text)
{
    job->handler->on_text(job->context, job->told, text);
    job->told += text.len;
}

static void fake_end(struct fake_job *job, const struct job_end *end)
{
    job->ended = true;
    body_unref(&job->body);
    job->handler->on_end(job->context, end);
}

__attribute__((unused)) static void fake_fail(struct fake_job *job, err_t error)
{
    struct meta meta = {0};
    fake_end(job,
             &(struct job_end){.error = error, .retryable = error_retryable(error), .meta = &meta});
}

/* Ends a job with a record of its kind's result. */
__attribute__((unused)) static void fake_answer(struct fake_job *job, const void *record)
{
    struct meta meta = {0};
    struct buffer result = {0};
    record_encode(kind_info(job->kind)->result(), record, &result);
    fake_end(job,
             &(struct job_end){.meta = &meta, .result = buffer_slice(&result), .answered = true});
    buffer_free(&result);
}

__attribute__((unused)) static void fake_done(struct fake_job *job, const struct meta *meta)
{
    fake_end(job, &(struct job_end){
                      .meta = meta, .queue_us = {10, 20, 30}, .stage_us = {100, 200, 300}});
}

__attribute__((unused)) static void fake_forget_all(void)
{
    for (size_t i = 0; i < fake_job_count; i++)
        if (!fake_jobs[i].ended) fake_fail(&fake_jobs[i], ERR_CANCELLED);
    for (size_t i = 0; i < fake_job_count; i++) body_unref(&fake_jobs[i].body);
    fake_job_count = 0;
    fake_refusal = OK;
    fake_ready = true;
    fake_queued = 0;
}

#endif
