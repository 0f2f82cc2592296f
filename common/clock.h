/* Time. Deadlines, heartbeats and measurements use the monotonic clock; wall time is only for what
 * is shown or stored. Pure cores never read a clock: they are told `now`. */
#ifndef MILLRACE_COMMON_CLOCK_H
#define MILLRACE_COMMON_CLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_us(void)
{
    return clock_ns() / 1000;
}

static inline uint64_t clock_ms(void)
{
    return clock_ns() / 1000000;
}

/* Milliseconds since 1970, UTC. */
static inline int64_t clock_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* How libevent is told to wait so long. */
static inline struct timeval clock_timeval_us(uint64_t us)
{
    return (struct timeval){(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
}

static inline struct timeval clock_timeval_ms(uint64_t ms)
{
    return (struct timeval){(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
}

#endif
