/* Threads that wait for a database so that the loop does not: each takes the next task, runs it
 * with a connection of its own, and hands it back to the loop.
 *
 *      loop                            a thread of the crew
 *      crew_push ──▶ tasks ──▶ run(task, db) ──▶ finished ──eventfd──▶ done(task), on the loop
 *
 * Tasks that were pushed together may run together, in any order. */
#ifndef MILLRACE_RETRIEVER_CREW_H
#define MILLRACE_RETRIEVER_CREW_H

#include "common/mailbox.h"
#include "workers/retriever/db.h"

struct crew;

/* Part of the caller's own struct, which owns it. */
struct task {
    struct mail mail;                              /* first */
    void (*run)(struct task *task, struct db *db); /* on a thread; NULL for crew_hand */
    void (*done)(struct task *task);               /* on the loop */
};

/* `dbs` are `count` connections, one a thread; they must live on. */
struct crew *crew_new(struct event_base *base, struct db **dbs, size_t count) MUST_USE;
/* Runs what was pushed (done() comes from here), then ends the threads. */
void crew_destroy(struct crew **crew);
void crew_push(struct crew *crew, struct task *task);
/* From any thread: only calls done() on the loop. */
void crew_hand(struct crew *crew, struct task *task);

#endif
