#include "workers/retriever/crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
    struct task *first, **end;
};

struct member {
    struct crew *crew;
    struct db *db;
    pthread_t thread;
};

struct crew {
    struct member *members;
    size_t count;
    struct event *wake;
    int wake_fd;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t pushed;
    struct queue waiting, finished;
    bool stopping;
};

static void queue_push(struct queue *queue, struct task *task)
{
    if (!queue->first) queue->end = &queue->first;
    task->next = NULL;
    *queue->end = task;
    queue->end = &task->next;
}

/* --- the threads --- */

/* NULL when there is nothing left to do, ever. */
static struct task *take(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    while (!crew->waiting.first && !crew->stopping) pthread_cond_wait(&crew->pushed, &crew->lock);
    struct task *task = crew->waiting.first;
    if (task) crew->waiting.first = task->next;
    pthread_mutex_unlock(&crew->lock);
    return task;
}

void crew_hand(struct crew *crew, struct task *task)
{
    pthread_mutex_lock(&crew->lock);
    bool first = !crew->finished.first;
    queue_push(&crew->finished, task);
    pthread_mutex_unlock(&crew->lock);
    if (first && eventfd_write(crew->wake_fd, 1)) abort();
}

static void *work(void *context)
{
    struct member *member = context;
    struct task *task;
    while ((task = take(member->crew))) {
        task->run(task, member->db);
        crew_hand(member->crew, task);
    }
    return NULL;
}

/* --- the loop --- */

static void deliver(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    struct task *list = crew->finished.first;
    crew->finished.first = NULL;
    pthread_mutex_unlock(&crew->lock);
    while (list) {
        struct task *task = list;
        list = task->next;
        task->done(task);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    eventfd_t count;
    (void)what;
    if (eventfd_read(fd, &count) && errno != EAGAIN) abort();
    deliver(context);
}

void crew_push(struct crew *crew, struct task *task)
{
    pthread_mutex_lock(&crew->lock);
    queue_push(&crew->waiting, task);
    pthread_cond_signal(&crew->pushed);
    pthread_mutex_unlock(&crew->lock);
}

/* Signals are the loop's affair. */
static void start(struct crew *crew)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < crew->count; i++)
        if (pthread_create(&crew->members[i].thread, NULL, work, &crew->members[i])) abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct crew *crew_new(struct event_base *base, struct db **dbs, size_t count)
{
    struct crew *crew = xcalloc(1, sizeof(*crew));
    crew->members = xcalloc(count, sizeof(*crew->members));
    crew->count = count;
    for (size_t i = 0; i < count; i++)
        crew->members[i] = (struct member){.crew = crew, .db = dbs[i]};
    crew->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    crew->wake = event_new(base, crew->wake_fd, EV_READ | EV_PERSIST, on_wake, crew);
    if (crew->wake_fd < 0 || !crew->wake || event_add(crew->wake, NULL)) abort();
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->pushed, NULL);
    start(crew);
    return crew;
}

void crew_destroy(struct crew **crew)
{
    struct crew *old = *crew;
    if (!old) return;
    pthread_mutex_lock(&old->lock);
    old->stopping = true;
    pthread_cond_broadcast(&old->pushed);
    pthread_mutex_unlock(&old->lock);
    for (size_t i = 0; i < old->count; i++) pthread_join(old->members[i].thread, NULL);
    deliver(old);
    event_free(old->wake);
    close(old->wake_fd);
    pthread_cond_destroy(&old->pushed);
    pthread_mutex_destroy(&old->lock);
    free(old->members);
    free(old);
    *crew = NULL;
}
