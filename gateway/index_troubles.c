#include "gateway/index_troubles.h"

#include <stdlib.h>
#include <sys/queue.h>

#define TROUBLES_MAX 256
#define FORGET_MS    60000 /* after its retry was due: deleted, or another gateway's by now */

struct known {
    TAILQ_ENTRY(known) link;
    uint64_t portfolio_id, retry_at_ms;
    char *embedder;
    err_t error;
};

struct index_troubles {
    TAILQ_HEAD(, known) list;
    size_t count;
};

static void drop(struct index_troubles *troubles, struct known *known)
{
    TAILQ_REMOVE(&troubles->list, known, link);
    troubles->count--;
    free(known->embedder);
    free(known);
}

static struct known *find(const struct index_troubles *troubles, uint64_t portfolio_id,
                          struct slice embedder)
{
    struct known *known = TAILQ_FIRST(&troubles->list);
    while (known && !(known->portfolio_id == portfolio_id &&
                      slice_equal(slice_of(known->embedder), embedder)))
        known = TAILQ_NEXT(known, link);
    return known;
}

static struct known *add(struct index_troubles *troubles, uint64_t portfolio_id,
                         struct slice embedder)
{
    if (troubles->count == TROUBLES_MAX) drop(troubles, TAILQ_FIRST(&troubles->list));
    struct known *known = xcalloc(1, sizeof(*known));
    known->portfolio_id = portfolio_id;
    known->embedder = xstrndup(embedder.ptr, embedder.len);
    TAILQ_INSERT_TAIL(&troubles->list, known, link);
    troubles->count++;
    return known;
}

void index_troubles_put(struct index_troubles *troubles, uint64_t portfolio_id,
                        struct slice embedder, err_t error, uint64_t retry_at_ms)
{
    struct known *known = find(troubles, portfolio_id, embedder);
    if (!known) known = add(troubles, portfolio_id, embedder);
    known->error = error;
    known->retry_at_ms = retry_at_ms;
}

void index_troubles_clear(struct index_troubles *troubles, uint64_t portfolio_id,
                          struct slice embedder)
{
    struct known *known = find(troubles, portfolio_id, embedder);
    if (known) drop(troubles, known);
}

size_t index_troubles_count(struct index_troubles *troubles, uint64_t now_ms)
{
    struct known *known = TAILQ_FIRST(&troubles->list), *next;
    for (; known; known = next) {
        next = TAILQ_NEXT(known, link);
        if (now_ms > known->retry_at_ms + FORGET_MS) drop(troubles, known);
    }
    return troubles->count;
}

bool index_troubles_at(const struct index_troubles *troubles, size_t index,
                       struct index_trouble *trouble)
{
    const struct known *known = TAILQ_FIRST(&troubles->list);
    while (known && index--) known = TAILQ_NEXT(known, link);
    if (!known) return false;
    *trouble = (struct index_trouble){known->portfolio_id, known->embedder, known->error,
                                      known->retry_at_ms};
    return true;
}

struct index_troubles *index_troubles_new(void)
{
    struct index_troubles *troubles = xcalloc(1, sizeof(*troubles));
    TAILQ_INIT(&troubles->list);
    return troubles;
}

void index_troubles_destroy(struct index_troubles **troubles)
{
    struct index_troubles *old = *troubles;
    if (!old) return;
    *troubles = NULL;
    while (!TAILQ_EMPTY(&old->list)) drop(old, TAILQ_FIRST(&old->list));
    free(old);
}
