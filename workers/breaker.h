/* A circuit breaker for one provider and key (M. Nygard, "Release It!"): after `failures` in a row
 * nobody is let through for `open_ms`; then one call tries, and its outcome decides. Pure: the
 * caller brings the clock.
 *
 *     CLOSED ── failures in a row ──▶ OPEN ── open_ms ──▶ HALF_OPEN ── success ──▶ CLOSED
 *                                      ▲                     │
 *                                      └────── failure ──────┘
 */
#ifndef MILLRACE_WORKERS_BREAKER_H
#define MILLRACE_WORKERS_BREAKER_H

#include "common/base.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
    enum breaker_state state;
    uint64_t failures; /* in a row */
    uint64_t until_ms; /* of OPEN, or of a trial that never came back */
};

struct breaker_limits {
    uint64_t failures, open_ms;
};

/* Whether a call may go out now. In HALF_OPEN only one may, until its outcome is told; a trial that
 * says nothing for open_ms counts as failed. */
bool breaker_admits(struct breaker *breaker, const struct breaker_limits *limits, uint64_t now_ms);
void breaker_success(struct breaker *breaker);
void breaker_failure(struct breaker *breaker, const struct breaker_limits *limits, uint64_t now_ms);
/* The trial was given up for a reason that says nothing about the provider (its client went). */
void breaker_forget(struct breaker *breaker);
/* Until a call may go out; 0: now. */
uint64_t breaker_wait_ms(const struct breaker *breaker, uint64_t now_ms);

#endif
