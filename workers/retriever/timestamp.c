#include "workers/retriever/timestamp.h"

#include <time.h>

struct slice timestamp_text(struct arena *arena, uint64_t ms)
{
    char day[32];
    struct tm utc;
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &utc);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    return slice_of(arena_printf(arena, "%s.%03uZ", day, (unsigned)(ms % 1000)));
}
