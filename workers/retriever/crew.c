#include "workers/retriever/crew.h"

#include <stdlib.h>

#include "common/thread.h"

struct member {
    struct crew *crew;
    struct db *db;
    pthread_t thread;
    pthread_cond_t called;
    bool idle;
    struct member *next_idle;
};

struct crew {
    struct member *members;
    size_t count;
    struct mailbox *finished;

    pthread_mutex_t lock; /* guards what follows */
    struct member *idle;  /* who had work last is first */
    struct mails waiting;
    bool stopping;
};

/* --- the threads --- */

static void rest(struct member *member)
{
    struct crew *crew = member->crew;
    member->next_idle = crew->idle;
    crew->idle = member;
    member->idle = true;
    while (member->idle) pthread_cond_wait(&member->called, &crew->lock);
}

/* The one who had work last: his connection's statements are prepared, and the server's caches of
 * it warm. False where all are at work. */
static bool call_one(struct crew *crew)
{
    struct member *member = crew->idle;
    if (!member) return false;
    crew->idle = member->next_idle;
    member->idle = false;
    pthread_cond_signal(&member->called);
    return true;
}

/* NULL when there is nothing left to do, ever. */
static struct task *take(struct member *member)
{
    struct crew *crew = member->crew;
    pthread_mutex_lock(&crew->lock);
    while (!crew->waiting.first && !crew->stopping) rest(member);
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
    while ((task = take(member))) {
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
    call_one(crew);
    pthread_mutex_unlock(&crew->lock);
}

struct crew *crew_new(struct event_base *base, struct db **dbs, size_t count)
{
    struct crew *crew = xcalloc(1, sizeof(*crew));
    crew->members = xcalloc(count, sizeof(*crew->members));
    crew->count = count;
    crew->finished = mailbox_new(base, deliver, NULL);
    pthread_mutex_init(&crew->lock, NULL);
    for (size_t i = 0; i < count; i++) {
        crew->members[i] = (struct member){.crew = crew, .db = dbs[i]};
        pthread_cond_init(&crew->members[i].called, NULL);
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
    while (call_one(old)) continue;
    pthread_mutex_unlock(&old->lock);
    for (size_t i = 0; i < old->count; i++) {
        pthread_join(old->members[i].thread, NULL);
        pthread_cond_destroy(&old->members[i].called);
    }
    mailbox_destroy(&old->finished);
    pthread_mutex_destroy(&old->lock);
    free(old->members);
    free(old);
    *crew = NULL;
}
