/* When a process that died is started again: at once, but with growing pauses from the third death
 * within ten seconds on. Pure. */
#ifndef MILLRACE_CLI_RESTART_H
#define MILLRACE_CLI_RESTART_H

#include "common/base.h"

#define RESTART_WINDOW_MS    10000
#define RESTART_PAUSE_MS     250
#define RESTART_PAUSE_MAX_MS 4000

/* The deaths of one process. Zero-initialised is none. */
struct restart {
    uint64_t previous[2]; /* times of the last two deaths, newest first */
    unsigned deaths;      /* of those two, how many there were */
    uint64_t pause_ms;    /* before the latest start */
};

/* A death at `now`: how long to wait before the next start. */
uint64_t restart_delay_ms(struct restart *restart, uint64_t now_ms);

#endif
