#include "gateway/embedders.h"

#include "common/metrics.h"

/* Takes the next name off the front of a comma-separated list. */
static bool next_name(struct slice *list, struct slice *name)
{
    if (!list->len) return false;
    const char *comma = memchr(list->ptr, ',', list->len);
    name->ptr = list->ptr;
    name->len = comma ? (size_t)(comma - list->ptr) : list->len;
    size_t taken = MIN(name->len + 1, list->len);
    *list = (struct slice){list->ptr + taken, list->len - taken};
    return true;
}

/* "openai/" is every model of that provider. */
static bool is_one_of(struct slice name, struct slice wanted)
{
    bool all = name.len > 1 && name.ptr[name.len - 1] == '/' && wanted.len > name.len;
    if (all) wanted.len = name.len;
    return slice_equal(name, wanted);
}

/* Who names nothing takes whatever comes. */
static bool names(struct slice list, struct slice wanted)
{
    struct slice name;
    if (!list.len) return true;
    while (next_name(&list, &name))
        if (is_one_of(name, wanted)) return true;
    return false;
}

bool embedder_is_served(const struct lane_io *lanes, struct slice name)
{
    struct worker_view worker;
    for (size_t i = 0; lane_io_worker(lanes, POOL_EMBED, i, &worker); i++)
        if (!strcmp(worker.state, "ready") && names(slice_of(worker.serves), name)) return true;
    return false;
}

struct slice embedder_default(const struct lane_io *lanes)
{
    struct slice list = slice_of(lane_io_serves(lanes, POOL_EMBED)), name = {"", 0};
    next_name(&list, &name);
    return name;
}

const char *embedder_itinerary(const struct lane_io *lanes, enum kind kind, struct slice embedder)
{
    if (!embedder.len || !lane_io_ready(lanes, POOL_EMBED) || embedder_is_served(lanes, embedder))
        return NULL;
    metric_add(METRIC_QUESTIONS_BY_WORDS, 1, kind_info(kind)->name, NULL);
    return strchr(kind_info(kind)->stages, 'R');
}
