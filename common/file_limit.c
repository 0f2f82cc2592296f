#include "common/file_limit.h"

#include <sys/resource.h>

#include "common/base.h"
#include "common/log.h"

void file_limit_raise(uint64_t wanted, const char *setting)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = MIN((rlim_t)wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        log_warn("open files limited limit=%ju wanted=%ju setting=%s", (uintmax_t)limit.rlim_cur,
                 (uintmax_t)wanted, setting);
}
