#include "gateway/refused_workers.h"

#include <stdio.h>
#include <stdlib.h>

#define KEPT_MAX 64 /* of a pool; then the one that is silent for longest makes room */

struct kept {
    char address[64];
    uint64_t protocol, times, last_ms;
};

struct refused_workers {
    struct kept kept[POOL_COUNT][KEPT_MAX];
    size_t count[POOL_COUNT];
};

static void forget_silent(struct refused_workers *refused, enum pool pool, uint64_t now_ms)
{
    struct kept *kept = refused->kept[pool];
    for (size_t i = 0; i < refused->count[pool];) {
        if (now_ms > kept[i].last_ms + REFUSED_FORGET_MS)
            kept[i] = kept[--refused->count[pool]];
        else
            i++;
    }
}

static struct kept *find(struct refused_workers *refused, enum pool pool, const char *address,
                         uint64_t protocol)
{
    for (size_t i = 0; i < refused->count[pool]; i++) {
        struct kept *kept = &refused->kept[pool][i];
        if (kept->protocol == protocol && !strcmp(kept->address, address)) return kept;
    }
    return NULL;
}

static struct kept *add(struct refused_workers *refused, enum pool pool)
{
    struct kept *oldest = refused->kept[pool];
    if (refused->count[pool] < KEPT_MAX) return &refused->kept[pool][refused->count[pool]++];
    for (size_t i = 1; i < KEPT_MAX; i++)
        if (refused->kept[pool][i].last_ms < oldest->last_ms) oldest = &refused->kept[pool][i];
    return oldest;
}

bool refused_workers_note(struct refused_workers *refused, enum pool pool, const char *address,
                          uint64_t protocol, uint64_t now_ms)
{
    forget_silent(refused, pool, now_ms);
    struct kept *kept = find(refused, pool, address, protocol);
    bool news = !kept;
    if (news) {
        kept = add(refused, pool);
        *kept = (struct kept){.protocol = protocol};
        snprintf(kept->address, sizeof(kept->address), "%s", address);
    }
    kept->times++;
    kept->last_ms = now_ms;
    return news;
}

size_t refused_workers_count(struct refused_workers *refused, enum pool pool, uint64_t now_ms)
{
    forget_silent(refused, pool, now_ms);
    return refused->count[pool];
}

bool refused_workers_at(const struct refused_workers *refused, enum pool pool, size_t index,
                        struct refused_worker *worker)
{
    if (index >= refused->count[pool]) return false;
    const struct kept *kept = &refused->kept[pool][index];
    *worker = (struct refused_worker){kept->address, kept->protocol, kept->times, kept->last_ms};
    return true;
}

struct refused_workers *refused_workers_new(void)
{
    return xcalloc(1, sizeof(struct refused_workers));
}

void refused_workers_destroy(struct refused_workers **refused)
{
    free(*refused);
    *refused = NULL;
}
