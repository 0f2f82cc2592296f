/* A file that is as old as the last moment at which a gateway heard this worker: for health checks,
 * which see no lanes. */
#ifndef MILLRACE_WORKERS_ALIVE_H
#define MILLRACE_WORKERS_ALIVE_H

#include <stdint.h>

#define ALIVE_EVERY_MS 1000

struct alive {
    const char *path; /* empty: there is no such file */
    uint64_t shown_ms;
};

/* To be called while a gateway hears the worker: touches the file, at most once in ALIVE_EVERY_MS.
 * One that cannot be touched is logged, and not tried again. */
void alive_show(struct alive *alive, uint64_t now_ms);

#endif
