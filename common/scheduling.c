#include "common/scheduling.h"

#include <sched.h>
#include <string.h>

#include "common/log.h"

void scheduling_set(const char *policy)
{
    const struct sched_param none = {0};
    if (strcmp(policy, "batch") != 0) return;
    if (sched_setscheduler(0, SCHED_BATCH, &none)) log_warn("SCHEDULING=batch is not allowed: %m");
}
