#include "gateway/worker_counts.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/metrics.h"

#define WORKERS_MAX    256 /* known at once; one more takes the place of the one longest unheard */
#define EVENTS_MAX     32  /* of one worker */
#define NAME_BYTES_MAX 48

struct event_total {
    char name[NAME_BYTES_MAX];
    uint64_t value;
};

struct counted_worker {
    uint64_t boot;
    uint64_t heard; /* greater: later */
    struct event_total events[EVENTS_MAX];
    size_t event_count;
};

struct worker_counts {
    struct counted_worker *workers;
    size_t count, capacity;
    uint64_t heard;
};

struct worker_counts *worker_counts_new(void)
{
    return xcalloc(1, sizeof(struct worker_counts));
}

void worker_counts_free(struct worker_counts **counts)
{
    if (!*counts) return;
    free((*counts)->workers);
    free(*counts);
    *counts = NULL;
}

static struct counted_worker *longest_unheard(struct worker_counts *counts)
{
    struct counted_worker *found = counts->workers;
    for (size_t i = 1; i < counts->count; i++)
        if (counts->workers[i].heard < found->heard) found = &counts->workers[i];
    return found;
}

static struct counted_worker *worker_add(struct worker_counts *counts)
{
    if (counts->count == WORKERS_MAX) return longest_unheard(counts);
    counts->workers =
        xgrow(counts->workers, &counts->capacity, counts->count + 1, sizeof(struct counted_worker));
    return &counts->workers[counts->count++];
}

static struct counted_worker *worker_of(struct worker_counts *counts, uint64_t boot)
{
    for (size_t i = 0; i < counts->count; i++)
        if (counts->workers[i].boot == boot) return &counts->workers[i];
    struct counted_worker *worker = worker_add(counts);
    *worker = (struct counted_worker){.boot = boot};
    return worker;
}

/* NULL for a name that is one too many. */
static struct event_total *event_of(struct counted_worker *worker, struct slice name)
{
    for (size_t i = 0; i < worker->event_count; i++)
        if (slice_equal(slice_of(worker->events[i].name), name)) return &worker->events[i];
    if (worker->event_count == EVENTS_MAX || name.len >= NAME_BYTES_MAX) return NULL;
    struct event_total *event = &worker->events[worker->event_count++];
    snprintf(event->name, sizeof(event->name), "%.*s", (int)name.len, name.ptr);
    return event;
}

void worker_counts_take(struct worker_counts *counts, enum pool pool, uint64_t boot,
                        const struct list *told)
{
    const struct count_of *totals = told->items;
    struct counted_worker *worker = worker_of(counts, boot);
    worker->heard = ++counts->heard;
    for (size_t i = 0; i < told->count; i++) {
        struct event_total *event = event_of(worker, totals[i].name);
        if (!event || totals[i].value <= event->value) continue;
        metric_add(METRIC_WORKER_EVENTS, (double)(totals[i].value - event->value), pool_name(pool),
                   event->name);
        event->value = totals[i].value;
    }
}
