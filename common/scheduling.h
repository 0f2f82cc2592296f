/* How the kernel schedules this process. */
#ifndef MILLRACE_COMMON_SCHEDULING_H
#define MILLRACE_COMMON_SCHEDULING_H

/* "batch": woken, it waits for its turn instead of taking the core from whoever runs (SCHED_BATCH,
 * sched(7)). Messages that arrive meanwhile are then read together, with fewer switches between the
 * loop and its I/O thread, and an idle machine wakes it as fast as ever. "other": the system's own
 * way. Call it before there are other threads, which inherit it. A kernel that forbids it is told
 * of in the log. */
void scheduling_set(const char *policy);

#endif
