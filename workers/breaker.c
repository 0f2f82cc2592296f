#include "workers/breaker.h"

/* The only mover. */
static void breaker_move(struct breaker *breaker, enum breaker_state state, uint64_t until_ms)
{
    breaker->state = state;
    breaker->until_ms = until_ms;
}

bool breaker_admits(struct breaker *breaker, const struct breaker_limits *limits, uint64_t now_ms)
{
    if (breaker->state == BREAKER_CLOSED) return true;
    if (breaker->state == BREAKER_HALF_OPEN && now_ms >= breaker->until_ms)
        breaker_failure(breaker, limits, breaker->until_ms); /* the trial never came back */
    if (breaker->state == BREAKER_HALF_OPEN || now_ms < breaker->until_ms) return false;
    breaker_move(breaker, BREAKER_HALF_OPEN, now_ms + limits->open_ms);
    return true;
}

void breaker_success(struct breaker *breaker)
{
    breaker->failures = 0;
    breaker_move(breaker, BREAKER_CLOSED, 0);
}

/* In OPEN, calls that were admitted earlier still fail: they must not keep it open for longer. */
void breaker_failure(struct breaker *breaker, const struct breaker_limits *limits, uint64_t now_ms)
{
    breaker->failures++;
    if (breaker->state == BREAKER_OPEN) return;
    if (breaker->state == BREAKER_HALF_OPEN || breaker->failures >= limits->failures)
        breaker_move(breaker, BREAKER_OPEN, now_ms + limits->open_ms);
}

/* The next call may be the trial, at once. */
void breaker_forget(struct breaker *breaker)
{
    if (breaker->state == BREAKER_HALF_OPEN) breaker_move(breaker, BREAKER_OPEN, 0);
}

uint64_t breaker_wait_ms(const struct breaker *breaker, uint64_t now_ms)
{
    if (breaker->state == BREAKER_CLOSED || now_ms >= breaker->until_ms) return 0;
    return breaker->until_ms - now_ms;
}
