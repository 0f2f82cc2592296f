#include "workers/retriever/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/thread.h"

#define GROUP_MAX 512 /* small writes in one transaction */

struct writer {
    const struct writer_work *work;
    void *context;
    struct mailbox *finished;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t pushed;
    struct mails small, bulk;
    bool stopping;

    bool more_bulk;        /* the helper's */
    uint64_t next_idle_ms; /* the helper's */
};

/* --- the helper --- */

static struct mail *take(struct writer *writer, struct mails *mails, size_t max)
{
    pthread_mutex_lock(&writer->lock);
    struct mail *list = mails_take(mails, max);
    pthread_mutex_unlock(&writer->lock);
    return list;
}

struct mail *writer_next_bulk(struct writer *writer)
{
    return take(writer, &writer->bulk, 1);
}

void writer_serve_small(struct writer *writer)
{
    struct mail *list;
    while ((list = take(writer, &writer->small, GROUP_MAX)))
        writer->work->small(writer->context, list);
}

void writer_finish(struct writer *writer, struct mail *write)
{
    mailbox_post(writer->finished, write);
}

static void serve_idle(struct writer *writer)
{
    if (clock_ms() < writer->next_idle_ms) return;
    unsigned wait_ms = writer->work->idle(writer->context);
    writer->next_idle_ms = clock_ms() + wait_ms;
}

/* False when there is nothing left to do, ever. */
static bool wait_for_work(struct writer *writer)
{
    struct timespec until = {.tv_sec = (time_t)(writer->next_idle_ms / 1000),
                             .tv_nsec = (long)(writer->next_idle_ms % 1000 * 1000000)};
    int waited = 0;
    pthread_mutex_lock(&writer->lock);
    while (!writer->small.first && !writer->bulk.first && !writer->more_bulk && !writer->stopping &&
           waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&writer->pushed, &writer->lock, &until);
    bool end =
        writer->stopping && !writer->small.first && !writer->bulk.first && !writer->more_bulk;
    pthread_mutex_unlock(&writer->lock);
    return !end;
}

static void *helper(void *context)
{
    struct writer *writer = context;
    while (wait_for_work(writer)) {
        writer_serve_small(writer);
        writer->more_bulk = writer->work->bulk(writer->context);
        serve_idle(writer);
    }
    return NULL;
}

/* --- the loop --- */

void writer_push(struct writer *writer, struct mail *write, bool bulk)
{
    pthread_mutex_lock(&writer->lock);
    mails_push(bulk ? &writer->bulk : &writer->small, write);
    pthread_cond_signal(&writer->pushed);
    pthread_mutex_unlock(&writer->lock);
}

struct writer *writer_new(struct event_base *base, const struct writer_work *work, void *context)
{
    struct writer *writer = xcalloc(1, sizeof(*writer));
    pthread_condattr_t monotonic;
    writer->work = work;
    writer->context = context;
    writer->finished = mailbox_new(base, work->done, context);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->pushed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return writer;
}

void writer_start(struct writer *writer)
{
    if (!thread_start(&writer->thread, helper, writer)) abort();
    writer->started = true;
}

void writer_destroy(struct writer **writer)
{
    struct writer *old = *writer;
    if (!old) return;
    pthread_mutex_lock(&old->lock);
    old->stopping = true;
    pthread_cond_signal(&old->pushed);
    pthread_mutex_unlock(&old->lock);
    if (old->started) pthread_join(old->thread, NULL);
    mailbox_destroy(&old->finished);
    pthread_cond_destroy(&old->pushed);
    pthread_mutex_destroy(&old->lock);
    free(old);
    *writer = NULL;
}
