/* The local model as a backend. Forward passes run on a helper thread, so that heartbeats, CANCEL
 * and credits go on; the loop and the thread share one queue:
 *
 *     loop: run() ─▶ waiting: questions │ passages ─▶ thread: one pass ─▶ again, until it is done
 *     loop: on_finished() ─ done() ◀─ finished ◀─ eventfd ◀──────────────────────┘
 *
 * A pass is some texts of one batch, about PASS_TOKENS: longer ones gain nothing (measured, a core
 * of 2.5 GHz with AVX-512: 214 tokens 5.3 ms alone, 5.6 ms for each of eight such texts together;
 * 14 tokens .78 ms alone, .44 ms for each of eight). After each pass the thread chooses anew,
 * questions first, so none waits longer than for the pass under way: PASS_US_MAX. Where the
 * processor is too slow for that (without AVX2 MODEL_TOKENS_MAX take 60 ms), a text is read in
 * several passes. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/thread.h"
#include "workers/embedder/backend.h"
#include "workers/embedder/model.h"

enum {
    PASS_TOKENS = 256,
    PASS_TEXTS_MAX = 64,
    PASS_US_MAX = 20000,
    PASS_TOKENS_LEAST = 32, /* of fewer most would be those that are read again */
    BATCHES_MAX = 3,        /* the thread has the next one at hand when it has finished one */
    FOLLOW_US = 1000,   /* questions that come together go together: that is .3 ms less for each */
    BYTES_PER_TOKEN = 3 /* of ordinary text it is 4 and more */
};

static const struct backend_limits model_limits = {.texts_max = PASS_TEXTS_MAX,
                                                   .tokens_max = 2 * PASS_TOKENS,
                                                   .batches_max = BATCHES_MAX,
                                                   .follow_us = FOLLOW_US};

struct task {
    struct embed_batch *batch;
    size_t next;  /* item to embed; the thread's */
    bool partial; /* the item before it has been read in part */
    bool running, cancelled, finished;
    TAILQ_ENTRY(task) link;
};

TAILQ_HEAD(tasks, task);

struct runner {
    struct model *model; /* the thread's */
    size_t pass_tokens;  /* that one pass has time for */
    int wake;            /* eventfd: something has finished */
    struct event *finished_event;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct tasks questions, passages, finished;
    bool stop;
};

/* --- the thread --- */

struct pass {
    struct model_text texts[PASS_TEXTS_MAX];
    int32_t tokens[PASS_TEXTS_MAX][MODEL_TOKENS_MAX];
    size_t count;
    /* of a text that takes several: */
    size_t read;
    _Alignas(64) float sums[MODEL_FEATURES];
};

static void add_to_pass(struct runner *runner, struct pass *pass, const struct embed_item *item,
                        bool question, struct buffer *memory)
{
    int32_t *tokens = pass->tokens[pass->count];
    struct slice text =
        question ? item->text : model_passage(item->title, item->heading, item->text, memory);
    size_t count = model_cut(runner->model, text, tokens);
    pass->texts[pass->count++] = (struct model_text){tokens, count, item->vector};
}

/* Takes the task's next texts. */
static void pass_fill(struct runner *runner, struct task *task, struct pass *pass,
                      struct buffer *memory)
{
    const struct embed_batch *batch = task->batch;
    const size_t tokens_max = MIN(runner->pass_tokens, (size_t)PASS_TOKENS);
    size_t tokens = 0;
    pass->count = pass->read = 0;
    memset(pass->sums, 0, sizeof pass->sums);
    while (task->next < batch->count && pass->count < PASS_TEXTS_MAX) {
        const struct embed_item *item = &batch->items[task->next];
        tokens += item->tokens;
        if (pass->count && tokens > tokens_max) break;
        add_to_pass(runner, pass, item, batch->question, memory);
        task->next++;
    }
}

/* Reads on in the pass's only text. True when all of it has been read. */
static bool pass_read_on(struct runner *runner, struct pass *pass)
{
    const struct model_text *text = &pass->texts[0];
    size_t parts = (text->count + runner->pass_tokens - 1) / runner->pass_tokens;
    size_t step = (text->count + parts - 1) / parts;
    struct model_part part = {.tokens = text->tokens,
                              .count = text->count,
                              .first = pass->read,
                              .end = MIN(pass->read + step, text->count),
                              .sums = pass->sums};
    model_read(runner->model, &part, 1);
    pass->read = part.end;
    if (pass->read < text->count) return false;
    model_finish(runner->model, text, pass->sums, 1);
    return true;
}

/* Embeds the task's next texts, or a part of one. */
static void run_pass(struct runner *runner, struct task *task, struct pass *pass,
                     struct buffer *memory)
{
    if (!task->partial) pass_fill(runner, task, pass, memory);
    if (pass->count == 1 && pass->texts[0].count > runner->pass_tokens)
        task->partial = !pass_read_on(runner, pass);
    else
        model_run(runner->model, pass->texts, pass->count);
}

/* Waits for a task; NULL: the thread shall end. The lock is held. */
static struct task *next_task(struct runner *runner)
{
    for (;;) {
        struct task *task = TAILQ_FIRST(&runner->questions);
        if (!task) task = TAILQ_FIRST(&runner->passages);
        if (runner->stop || task) return runner->stop ? NULL : task;
        pthread_cond_wait(&runner->changed, &runner->lock);
    }
}

static struct tasks *queue_of(struct runner *runner, const struct embed_batch *batch)
{
    return batch->question ? &runner->questions : &runner->passages;
}

static void finish(struct runner *runner, struct task *task)
{
    static const uint64_t one = 1;
    task->finished = true;
    TAILQ_REMOVE(queue_of(runner, task->batch), task, link);
    TAILQ_INSERT_TAIL(&runner->finished, task, link);
    if (write(runner->wake, &one, sizeof one) < 0) abort(); /* 2^64 batches have finished */
}

static void *work(void *context)
{
    struct runner *runner = context;
    struct pass *question = xaligned(sizeof *question), *passages = xaligned(sizeof *passages);
    struct buffer memory = {0};
    struct task *task;
    pthread_mutex_lock(&runner->lock);
    while ((task = next_task(runner))) {
        task->running = true;
        pthread_mutex_unlock(&runner->lock);
        run_pass(runner, task, task->batch->question ? question : passages, &memory);
        pthread_mutex_lock(&runner->lock);
        task->running = false;
        if (task->cancelled || (task->next == task->batch->count && !task->partial))
            finish(runner, task);
    }
    pthread_mutex_unlock(&runner->lock);
    buffer_free(&memory);
    free(question);
    free(passages);
    return NULL;
}

/* --- the loop --- */

static struct task *take_finished(struct runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    struct task *task = TAILQ_FIRST(&runner->finished);
    if (task) TAILQ_REMOVE(&runner->finished, task, link);
    pthread_mutex_unlock(&runner->lock);
    return task;
}

static void on_finished(evutil_socket_t wake, short what, void *context)
{
    uint64_t times;
    struct task *task;
    (void)what;
    if (read(wake, &times, sizeof times) < 0) return; /* a batch may have been taken before */
    while ((task = take_finished(context))) {
        struct embed_batch *batch = task->batch;
        err_t error = task->cancelled ? ERR_CANCELLED : OK;
        free(task);
        batch->done(batch, error);
    }
}

static void run(void *context, struct embed_batch *batch)
{
    struct runner *runner = context;
    struct task *task = xcalloc(1, sizeof *task);
    task->batch = batch;
    batch->data = task;
    pthread_mutex_lock(&runner->lock);
    TAILQ_INSERT_TAIL(queue_of(runner, batch), task, link);
    pthread_cond_signal(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
}

/* A pass under way goes to its end. */
static void cancel(void *context, struct embed_batch *batch)
{
    struct runner *runner = context;
    struct task *task = batch->data;
    pthread_mutex_lock(&runner->lock);
    task->cancelled = true;
    if (!task->running && !task->finished) finish(runner, task);
    pthread_mutex_unlock(&runner->lock);
}

static size_t tokens(void *context, const struct embed_item *item)
{
    (void)context;
    size_t bytes = item->title.len + item->heading.len + item->text.len;
    return MIN(bytes / BYTES_PER_TOKEN + 2, MODEL_TOKENS_MAX);
}

static const struct backend_limits *limits(const void *context)
{
    (void)context;
    return &model_limits;
}

/* --- opening and closing --- */

static uint64_t cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* How many tokens this processor reads in PASS_US_MAX. */
static size_t measure_pass(struct model *model)
{
    static const int32_t tokens[PASS_TOKENS];
    float vector[MODEL_DIMENSIONS];
    const struct model_text text = {tokens, PASS_TOKENS, vector};
    model_run(model, &text, 1); /* memory is there from now on */
    uint64_t began_us = cpu_us();
    model_run(model, &text, 1);
    uint64_t fits = (uint64_t)PASS_US_MAX * PASS_TOKENS / MAX(cpu_us() - began_us, (uint64_t)1);
    return (size_t)MIN(MAX(fits, (uint64_t)PASS_TOKENS_LEAST), (uint64_t)MODEL_TOKENS_MAX);
}

static err_t start(struct worker *worker, struct runner *runner)
{
    runner->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (runner->wake < 0 || !thread_start(&runner->thread, work, runner)) {
        log_error("the model's thread cannot be started");
        if (runner->wake >= 0) close(runner->wake);
        return ERR_EMBEDDER_UNAVAILABLE;
    }
    runner->finished_event =
        event_new(worker_base(worker), runner->wake, EV_READ | EV_PERSIST, on_finished, runner);
    event_add(runner->finished_event, NULL);
    return OK;
}

static err_t open_model(struct worker *worker, const struct embedder_info *info, void **context)
{
    const char *folder = worker_settings(worker)->model_dir;
    (void)info;
    if (!*folder) {
        log_error("the model needs MODEL_DIR");
        return ERR_EMBEDDER_UNAVAILABLE;
    }
    struct runner *runner = xcalloc(1, sizeof *runner);
    TAILQ_INIT(&runner->questions);
    TAILQ_INIT(&runner->passages);
    TAILQ_INIT(&runner->finished);
    pthread_mutex_init(&runner->lock, NULL);
    pthread_cond_init(&runner->changed, NULL);
    err_t error = model_open(folder, &runner->model);
    if (!error) runner->pass_tokens = measure_pass(runner->model);
    if (!error) error = start(worker, runner);
    if (!error) {
        *context = runner;
        return OK;
    }
    model_close(&runner->model);
    free(runner);
    return error;
}

static void drop(struct tasks *tasks)
{
    struct task *task;
    while ((task = TAILQ_FIRST(tasks))) {
        TAILQ_REMOVE(tasks, task, link);
        free(task);
    }
}

static void close_model(void *context)
{
    struct runner *runner = context;
    pthread_mutex_lock(&runner->lock);
    runner->stop = true;
    pthread_cond_signal(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
    pthread_join(runner->thread, NULL);
    drop(&runner->questions);
    drop(&runner->passages);
    drop(&runner->finished);
    event_free(runner->finished_event);
    close(runner->wake);
    pthread_cond_destroy(&runner->changed);
    pthread_mutex_destroy(&runner->lock);
    model_close(&runner->model);
    free(runner);
}

const struct backend backend_model = {
    .open = open_model,
    .close = close_model,
    .limits = limits,
    .tokens = tokens,
    .run = run,
    .cancel = cancel,
};
