#include "workers/retriever/crew.h"

#include <stdlib.h>

#include "common/thread.h"

struct member {
    struct crew *crew;
    struct db *db;
    pthread_t thread;
};

struct crew {
    struct member *members;
    size_t count;
    struct mailbox *finished;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t pushed;
    struct mails waiting;
    bool stopping;
};

/* --- the threads --- */

/* NULL when there is nothing left to do, ever. */
static struct task *take(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    while (!crew->waiting.first && !crew->stopping) pthread_cond_wait(&crew->pushed, &crew->lock);
    struct mail *mail = mails_take(&crew->waiting, 1);
    pthread_mutex_unlock(&crew->lock);
    return (struct task *)mail;
}

void crew_hand(struct crew *crew, struct task *task)
{
    mailbox_post(crew->finished, &task->mail);
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

static void deliver(void *context, struct mail *mail)
{
    struct task *task = (struct task *)mail;
    (void)context;
    task->done(task);
}

void crew_push(struct crew *crew, struct task *task)
{
    pthread_mutex_lock(&crew->lock);
    mails_push(&crew->waiting, &task->mail);
    pthread_cond_signal(&crew->pushed);
    pthread_mutex_unlock(&crew->lock);
}

struct crew *crew_new(struct event_base *base, struct db **dbs, size_t count)
{
    struct crew *crew = xcalloc(1, sizeof(*crew));
    crew->members = xcalloc(count, sizeof(*crew->members));
    crew->count = count;
    crew->finished = mailbox_new(base, deliver, NULL);
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->pushed, NULL);
    for (size_t i = 0; i < count; i++) {
        crew->members[i] = (struct member){.crew = crew, .db = dbs[i]};
        if (!thread_start(&crew->members[i].thread, work, &crew->members[i])) abort();
    }
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
    mailbox_destroy(&old->finished);
    pthread_cond_destroy(&old->pushed);
    pthread_mutex_destroy(&old->lock);
    free(old->members);
    free(old);
    *crew = NULL;
}
