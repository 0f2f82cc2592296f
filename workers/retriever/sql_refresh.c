/* Portfolios into memory: what a refresh has to read, and what a sink hears of it. How rows come
 * from the one to the other is the backend's: SQLite's in steps on the loop, PostgreSQL's from
 * another thread.
 *
 *     same version, same embedder    ─▶ nothing
 *     every version since is logged  ─▶ the chunks that those versions touched
 *     else                           ─▶ the whole portfolio */
#include <stdlib.h>

#include "common/language.h"
#include "workers/embedder/embedder.h"
#include "workers/retriever/sql_store.h"

#define CHUNK_COLUMNS \
    "SELECT c.id, c.document_id, c.position, c.start, c.\"end\", c.language, c.terms, v.vector"

/* --- what to read --- */

static err_t read_portfolio(struct db *db, const struct store_refresh *refresh,
                            struct refresh_plan *plan)
{
    struct rows rows = db_select(
        db, "SELECT version, embedder, side, chunks FROM portfolios WHERE id = ? AND tenant = ?",
        "it", refresh->portfolio_id, tenant_of(refresh->tenant));
    bool found = rows_next(&rows);
    if (found) {
        struct slice name = rows_text(&rows, 1);
        bool same = slice_equal(name, refresh->embedder);
        plan->version = rows_u64(&rows, 0);
        plan->embedder = embedder_find(name);
        plan->side = rows_u64(&rows, 2);
        plan->chunks = rows_u64(&rows, 3);
        plan->whole = !refresh->since || !same;
        plan->changed = plan->whole || plan->version != refresh->since;
    }
    err_t error = rows_end(&rows);
    return error ? error : found ? OK : ERR_PORTFOLIO_NOT_FOUND;
}

static void add_range(struct refresh_plan *plan, struct chunk_range range)
{
    struct chunk_range *last = plan->count ? &plan->ranges[plan->count - 1] : NULL;
    if (last && range.first <= last->last + 1) {
        last->last = MAX(last->last, range.last);
        return;
    }
    plan->ranges = xgrow(plan->ranges, &plan->capacity, plan->count + 1, sizeof(*plan->ranges));
    plan->ranges[plan->count++] = range;
}

/* The ranges that changed since, merged; *known says that the log goes back so far. */
static err_t read_changes(struct db *db, const struct store_refresh *refresh,
                          struct refresh_plan *plan, bool *known)
{
    uint64_t oldest = 0;
    err_t error = db_value(db, &oldest,
                           "SELECT min(version) FROM changes WHERE kind = 'portfolio'"
                           " AND object_id = ? AND version > ?",
                           "ii", refresh->portfolio_id, refresh->since);
    *known = oldest == refresh->since + 1;
    if (error || !*known) return error;
    struct rows rows =
        db_select(db,
                  "SELECT first_chunk, last_chunk FROM changes WHERE kind = 'portfolio'"
                  " AND object_id = ? AND version > ? AND first_chunk > 0 ORDER BY first_chunk",
                  "ii", refresh->portfolio_id, refresh->since);
    while (rows_next(&rows))
        add_range(plan, (struct chunk_range){rows_u64(&rows, 0), rows_u64(&rows, 1)});
    return rows_end(&rows);
}

err_t refresh_plan_read(struct db *db, const struct store_refresh *refresh,
                        struct refresh_plan *plan)
{
    bool known = true;
    plan->count = 0;
    err_t error = read_portfolio(db, refresh, plan);
    if (!error && plan->changed && !plan->whole) error = read_changes(db, refresh, plan, &known);
    if (!known) plan->whole = true;
    return error;
}

void refresh_plan_free(struct refresh_plan *plan)
{
    free(plan->ranges);
    *plan = (struct refresh_plan){0};
}

size_t refresh_parts(const struct refresh_plan *plan)
{
    return plan->whole ? 1 : plan->count;
}

static struct rows select_whole(struct db *db, const struct store_refresh *refresh,
                                const struct refresh_plan *plan)
{
    return db_select(db,
                     CHUNK_COLUMNS " FROM documents d JOIN chunks c ON c.id BETWEEN d.first_chunk"
                                   " AND d.first_chunk + d.chunks - 1"
                                   " LEFT JOIN vectors v ON v.slot = 2 * c.id + ?"
                                   " WHERE d.portfolio_id = ? ORDER BY d.id, c.id",
                     "ii", plan->side, refresh->portfolio_id);
}

struct rows refresh_select(struct db *db, const struct store_refresh *refresh,
                           const struct refresh_plan *plan, size_t at)
{
    if (plan->whole) return select_whole(db, refresh, plan);
    return db_select(db,
                     CHUNK_COLUMNS " FROM chunks c LEFT JOIN vectors v ON v.slot = 2 * c.id + ?"
                                   " WHERE c.id BETWEEN ? AND ? ORDER BY c.id",
                     "iii", plan->side, plan->ranges[at].first, plan->ranges[at].last);
}

/* --- one chunk --- */

static const char *language_of(struct slice code)
{
    const struct language *language = language_find(code);
    return language ? language_code(language) : "en";
}

/* The row's vector, or NULL where it has none. */
static const float *unpack_vector(struct refresh_feed *feed, struct slice packed)
{
    size_t dimensions = feed->plan->embedder ? feed->plan->embedder->dimensions : 0;
    float scale;
    if (!packed.len || packed.len != sizeof(scale) + dimensions) return NULL;
    memcpy(&scale, packed.ptr, sizeof(scale));
    for (size_t i = 0; i < dimensions; i++)
        feed->vector[i] = scale * (float)(int8_t)packed.ptr[sizeof(scale) + i];
    return feed->vector;
}

static void put_chunk(struct refresh_feed *feed, const struct rows *rows)
{
    struct resident_chunk chunk = {
        .id = rows_u64(rows, 0),
        .document_id = rows_u64(rows, 1),
        .position = (uint32_t)rows_u64(rows, 2),
        .start = rows_u64(rows, 3),
        .end = rows_u64(rows, 4),
        .language = language_of(rows_text(rows, 5)),
        .terms = rows_blob(rows, 6),
        .vector = unpack_vector(feed, rows_blob(rows, 7)),
    };
    feed->refresh->sink->put(feed->refresh->context, &chunk);
}

/* --- to the sink --- */

void refresh_feed_begin(struct refresh_feed *feed, const struct refresh_plan *plan,
                        struct store_refresh *refresh)
{
    size_t dimensions = plan->embedder ? plan->embedder->dimensions : 0;
    feed->plan = plan;
    feed->refresh = refresh;
    feed->vector = xrealloc(feed->vector, dimensions * sizeof(float));
    refresh->sink->begin(refresh->context, plan->whole,
                         plan->embedder ? slice_of(plan->embedder->name) : (struct slice){0});
}

void refresh_feed_part(struct refresh_feed *feed, size_t at)
{
    feed->next_id = feed->plan->whole ? 0 : feed->plan->ranges[at].first;
}

/* Ids below `id` that the range names and the store no longer has. */
static void remove_below(struct refresh_feed *feed, uint64_t id)
{
    for (; feed->next_id < id; feed->next_id++)
        feed->refresh->sink->remove(feed->refresh->context, feed->next_id);
}

void refresh_feed_row(struct refresh_feed *feed, const struct rows *rows)
{
    if (!feed->plan->whole) {
        remove_below(feed, rows_u64(rows, 0));
        feed->next_id++;
    }
    put_chunk(feed, rows);
}

void refresh_feed_part_end(struct refresh_feed *feed, size_t at)
{
    if (!feed->plan->whole) remove_below(feed, feed->plan->ranges[at].last + 1);
}

void refresh_feed_free(struct refresh_feed *feed)
{
    free(feed->vector);
    *feed = (struct refresh_feed){0};
}
