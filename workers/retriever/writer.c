#include "workers/retriever/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define GROUP_MAX 512 /* small writes in one transaction */

struct queue {
    struct write *first, **end;
};

struct writer {
    const struct writer_work *work;
    void *context;
    pthread_t thread;
    bool started;
    struct event *wake;
    int wake_fd;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t pushed;
    struct queue small, bulk, finished;
    bool stopping;

    bool more_bulk;        /* the helper's */
    uint64_t next_idle_ms; /* the helper's */
};

static void queue_push(struct queue *queue, struct write *write)
{
    if (!queue->first) queue->end = &queue->first;
    write->next = NULL;
    *queue->end = write;
    queue->end = &write->next;
}

/* Takes up to `max` writes off the front, as a list. */
static struct write *queue_take(struct queue *queue, size_t max)
{
    struct write *list = queue->first, **end = &list;
    for (; *end && max; max--) end = &(*end)->next;
    queue->first = *end;
    *end = NULL;
    return list;
}

/* --- the helper --- */

static struct write *take(struct writer *writer, struct queue *queue, size_t max)
{
    pthread_mutex_lock(&writer->lock);
    struct write *list = queue_take(queue, max);
    pthread_mutex_unlock(&writer->lock);
    return list;
}

struct write *writer_next_bulk(struct writer *writer)
{
    return take(writer, &writer->bulk, 1);
}

void writer_serve_small(struct writer *writer)
{
    struct write *list;
    while ((list = take(writer, &writer->small, GROUP_MAX)))
        writer->work->small(writer->context, list);
}

void writer_finish(struct writer *writer, struct write *write)
{
    pthread_mutex_lock(&writer->lock);
    bool first = !writer->finished.first;
    queue_push(&writer->finished, write);
    pthread_mutex_unlock(&writer->lock);
    if (first && eventfd_write(writer->wake_fd, 1)) abort();
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

static void deliver(struct writer *writer)
{
    struct write *list = take(writer, &writer->finished, SIZE_MAX);
    while (list) {
        struct write *write = list;
        list = write->next;
        writer->work->done(writer->context, write);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    eventfd_t count;
    (void)what;
    if (eventfd_read(fd, &count) && errno != EAGAIN) abort();
    deliver(context);
}

void writer_push(struct writer *writer, struct write *write, bool bulk)
{
    pthread_mutex_lock(&writer->lock);
    queue_push(bulk ? &writer->bulk : &writer->small, write);
    pthread_cond_signal(&writer->pushed);
    pthread_mutex_unlock(&writer->lock);
}

struct writer *writer_new(struct event_base *base, const struct writer_work *work, void *context)
{
    struct writer *writer = xcalloc(1, sizeof(*writer));
    pthread_condattr_t monotonic;
    writer->work = work;
    writer->context = context;
    writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    writer->wake = event_new(base, writer->wake_fd, EV_READ | EV_PERSIST, on_wake, writer);
    if (writer->wake_fd < 0 || !writer->wake || event_add(writer->wake, NULL)) abort();
    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->pushed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return writer;
}

/* Signals are the loop's affair. */
void writer_start(struct writer *writer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&writer->thread, NULL, helper, writer)) abort();
    writer->started = true;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
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
    deliver(old);
    event_free(old->wake);
    close(old->wake_fd);
    pthread_cond_destroy(&old->pushed);
    pthread_mutex_destroy(&old->lock);
    free(old);
    *writer = NULL;
}
