#include "gateway/gcra.h"

struct gcra_verdict gcra_take(const struct gcra_rule *rule, uint64_t due_us, uint64_t now_us)
{
    uint64_t debt_us = due_us > now_us ? due_us - now_us : 0;
    uint64_t most_us = rule->burst * rule->interval_us;
    struct gcra_verdict verdict = {.allowed = debt_us + rule->interval_us <= most_us};
    if (verdict.allowed)
        debt_us += rule->interval_us;
    else
        verdict.retry_us = debt_us + rule->interval_us - most_us;
    verdict.remaining = debt_us < most_us ? (most_us - debt_us) / rule->interval_us : 0;
    verdict.reset_us = debt_us;
    verdict.due_us = now_us + debt_us;
    return verdict;
}
