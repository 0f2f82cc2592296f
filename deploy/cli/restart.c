#include "deploy/cli/restart.h"

uint64_t restart_delay_ms(struct restart *restart, uint64_t now_ms)
{
    bool third = restart->deaths == 2 && now_ms - restart->previous[1] < RESTART_WINDOW_MS;
    restart->previous[1] = restart->previous[0];
    restart->previous[0] = now_ms;
    restart->deaths = MIN(restart->deaths + 1, 2u);
    if (!third)
        restart->pause_ms = 0;
    else
        restart->pause_ms = MIN(MAX(restart->pause_ms * 2, (uint64_t)RESTART_PAUSE_MS),
                                (uint64_t)RESTART_PAUSE_MAX_MS);
    return restart->pause_ms;
}
