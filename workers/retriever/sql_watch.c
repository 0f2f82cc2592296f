/* What any process changed: reads it, and names it to whoever tells it on. */
#include "workers/retriever/sql_store.h"

/* The name that outlives the row. */
static const char *kind_of(struct slice name)
{
    static const char *const kinds[] = {"portfolio", "agent", "embedder"};
    size_t i = ARRAY_LEN(kinds) - 1;
    while (i && !slice_equal(name, slice_of(kinds[i]))) i--;
    return kinds[i];
}

static err_t newest_change(struct db *db, uint64_t *seq)
{
    return db_value(db, seq, "SELECT coalesce(max(seq), 0) FROM changes", "");
}

err_t watch_versions(struct db *db, uint64_t *seq,
                     void (*tell)(void *context, const struct announcement *announcement),
                     void *context)
{
    if (!tell) return newest_change(db, seq);
    struct rows rows = db_select(db,
                                 "SELECT kind, object_id, max(version), max(seq) FROM changes"
                                 " WHERE seq > ? GROUP BY kind, object_id",
                                 "i", *seq);
    while (rows_next(&rows)) {
        *seq = MAX(*seq, rows_u64(&rows, 3));
        tell(context, &(struct announcement){kind_of(rows_text(&rows, 0)), rows_u64(&rows, 1),
                                             rows_u64(&rows, 2)});
    }
    return rows_end(&rows);
}

err_t watch_pending(struct db *db,
                    void (*tell)(void *context, const struct announcement *announcement),
                    void *context)
{
    struct rows rows =
        db_select(db,
                  "SELECT DISTINCT p.id FROM portfolios p, (SELECT 0 AS side UNION ALL SELECT 1) s"
                  " WHERE EXISTS (SELECT 1 FROM unindexed) AND EXISTS (SELECT 1 FROM unindexed u"
                  " WHERE u.portfolio_id = p.id AND u.side = s.side AND u.expires <= ?1)"
                  " AND NOT EXISTS (SELECT 1 FROM embedding_troubles t"
                  " WHERE t.portfolio_id = p.id AND t.side = s.side AND t.retry_at > ?1)",
                  "i", db_now_ms(db));
    while (rows_next(&rows))
        tell(context, &(struct announcement){.kind = "pending", .id = rows_u64(&rows, 0)});
    return rows_end(&rows);
}
