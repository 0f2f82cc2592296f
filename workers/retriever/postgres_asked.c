#include "workers/retriever/postgres_asked.h"

#include <stdlib.h>

#include "common/hash.h"

/* Few enough that a look at every hash costs nothing beside a round trip. */
struct postgres_asked {
    uint64_t times; /* that anything was asked: the clock of `last` */
    uint64_t hashes[POSTGRES_ASKED_MAX];
    uint64_t last[POSTGRES_ASKED_MAX]; /* 0: never */
    char *texts[POSTGRES_ASKED_MAX];
    struct postgres_statement statements[POSTGRES_ASKED_MAX];
};

struct postgres_asked *postgres_asked_new(void)
{
    return xcalloc(1, sizeof(struct postgres_asked));
}

void postgres_asked_destroy(struct postgres_asked **asked)
{
    struct postgres_asked *old = *asked;
    if (!old) return;
    for (size_t i = 0; i < POSTGRES_ASKED_MAX; i++) free(old->texts[i]);
    free(old);
    *asked = NULL;
}

static bool is_at(const struct postgres_asked *asked, size_t at, const char *sql, uint64_t hash)
{
    return asked->hashes[at] == hash && asked->texts[at] && !strcmp(asked->texts[at], sql);
}

/* Where the text is, or else the place that was asked for longest ago. */
static size_t place_of(const struct postgres_asked *asked, const char *sql, uint64_t hash)
{
    size_t oldest = 0;
    for (size_t i = 0; i < POSTGRES_ASKED_MAX; i++) {
        if (is_at(asked, i, sql, hash)) return i;
        if (asked->last[i] < asked->last[oldest]) oldest = i;
    }
    return oldest;
}

struct postgres_statement *postgres_asked_find(struct postgres_asked *asked, const char *sql,
                                               size_t *number, bool *gone)
{
    uint64_t hash = hash_fnv64(slice_of(sql), 0);
    size_t at = *number = place_of(asked, sql, hash);
    struct postgres_statement *statement = &asked->statements[at];
    bool known = is_at(asked, at, sql, hash);
    asked->last[at] = ++asked->times;
    *gone = !known && statement->prepared;
    if (known) return statement;
    free(asked->texts[at]);
    asked->texts[at] = xstrdup(sql);
    asked->hashes[at] = hash;
    *statement = (struct postgres_statement){.sql = asked->texts[at]};
    return statement;
}

void postgres_asked_forget(struct postgres_asked *asked)
{
    for (size_t i = 0; i < POSTGRES_ASKED_MAX; i++) asked->statements[i].prepared = false;
}
