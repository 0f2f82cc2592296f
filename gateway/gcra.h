/* The generic cell rate algorithm (ITU-T I.371), which spreads what is allowed evenly and keeps one
 * number for each caller: by when all that was taken would have been due, its theoretical arrival
 * time. Pure: the caller brings the clock.
 *
 *     now ├───── debt: `interval` for each request taken ─────┤ due
 *         ├──────────────────── burst × interval ──────────────────────┤ no debt goes beyond this
 */
#ifndef MILLRACE_GATEWAY_GCRA_H
#define MILLRACE_GATEWAY_GCRA_H

#include "common/base.h"

struct gcra_rule {
    uint64_t interval_us; /* between two requests in the long run */
    uint64_t burst;       /* that may come at once; at least 1 */
};

struct gcra_verdict {
    bool allowed;
    uint64_t remaining; /* more that may come now */
    uint64_t retry_us;  /* of one that is refused: when it would be allowed */
    uint64_t reset_us;  /* when all of the burst may come again */
    uint64_t due_us;    /* to be kept; as it was for one that is refused */
};

struct gcra_verdict gcra_take(const struct gcra_rule *rule, uint64_t due_us, uint64_t now_us);

#endif
