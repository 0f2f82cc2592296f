/* Searches in the database: both legs in one statement, each the best 100 of its portfolio's own
 * tables. The rest is done as for a portfolio in memory: blended, near-duplicates dropped,
 * neighbours merged; what that has to know of chunks is read of the best ones alone.
 *
 *     loop: the question's terms ─▶ crew: both legs ─▶ fusion ─▶ chunks ─▶ choice ─▶ loop: done
 *                                                                 ▲ too few │
 *                                                                 └─────────┘ */
#include <inttypes.h>
#include <stdlib.h>

#include "workers/retriever/fusion.h"
#include "workers/retriever/id_map.h"
#include "workers/retriever/passages.h"
#include "workers/retriever/postgres_graph.h"
#include "workers/retriever/postgres_store.h"
#include "workers/retriever/postgres_values.h"
#include "workers/retriever/postgres_words.h"

struct search {
    struct task task; /* first */
    struct store_search *wanted;
    struct words_asked words;
    struct buffer vector; /* as pgvector takes it; empty: words alone */
    err_t error;
};

/* --- the question --- */

static void put_vector(const struct store_search *wanted, struct buffer *out)
{
    if (!wanted->query->vector) return;
    postgres_vector_head(out, wanted->dimensions);
    for (size_t i = 0; i < wanted->dimensions; i++)
        postgres_vector_number(out, wanted->query->vector[i]);
}

/* --- the statement --- */

/* ?2 is the question's vector, the others are words_write_leg's. By the graph; or, where %5$s is +
 * 0, which no index knows, by looking at every vector. */
#define NEAREST                                                                            \
    "SELECT chunk_id, 1 - ((embedding::%1$s(%2$zu)) <=> ?2::vector::%1$s(%2$zu)) AS score" \
    " FROM rag_embedding_%3$" PRIu64 " WHERE embedding IS NOT NULL"                        \
    " ORDER BY ((embedding::%1$s(%2$zu)) <=> ?2::vector::%1$s(%2$zu)) %5$s LIMIT %4$d"
#define NOTHING "SELECT 0::bigint AS chunk_id, 0::float8 AS score WHERE ?2::bytea IS NULL AND false"

#define FOUND                                         \
    " SELECT 0::bigint, chunk_id, score FROM nearest" \
    " UNION ALL SELECT 1, chunk_id, score::float8 FROM worded"

static void write_statement(const struct search *search, bool exact, struct buffer *sql)
{
    uint64_t id = search->wanted->portfolio_id;
    size_t dimensions = search->wanted->dimensions;
    buffer_append_text(sql, "WITH nearest AS (");
    if (search->vector.len)
        buffer_printf(sql, NEAREST, postgres_graph_type(dimensions), dimensions, id, BEST_MAX,
                      exact ? "+ 0" : "");
    else
        buffer_append_text(sql, NOTHING);
    buffer_append_text(sql, "), ");
    words_write_leg(&search->words, id, sql);
    buffer_append_text(sql, FOUND);
    buffer_append_char(sql, '\0');
}

/* --- what was found --- */

struct found {
    struct id_map slots;
    struct best legs[2];  /* vectors, words */
    struct fusion ranked; /* all that was found, the best first */
    size_t known;         /* so many of them have their place and terms */
    struct place places[FUSED_MAX];
    struct bm25 *bm25;
};

static struct found *found_new(void)
{
    struct found *found = xcalloc(1, sizeof(*found));
    best_init(&found->legs[0]);
    best_init(&found->legs[1]);
    found->bm25 = bm25_new();
    return found;
}

static void found_free(struct found *found)
{
    bm25_destroy(&found->bm25);
    id_map_free(&found->slots);
    free(found);
}

static uint32_t slot_of_chunk(struct found *found, uint64_t id)
{
    uint32_t slot = id_map_find(&found->slots, id);
    if (slot != ID_MAP_NONE) return slot;
    slot = (uint32_t)found->slots.count;
    id_map_put(&found->slots, id, slot);
    return slot;
}

static void add_row(struct found *found, const struct rows *rows)
{
    struct best *leg = &found->legs[rows_u64(rows, 0) & 1];
    uint64_t id = rows_u64(rows, 1);
    best_offer(leg, (struct candidate){(float)rows_f64(rows, 2), slot_of_chunk(found, id), id});
}

static void rank(struct found *found, const struct resident_query *query)
{
    struct fusion heap;
    struct fused best;
    best_select(&found->legs[0]);
    best_select(&found->legs[1]);
    fusion_blend(&found->legs[0], &found->legs[1], query->vector ? query->vector_weight : 0, &heap);
    while (fusion_next(&heap, &best)) found->ranked.items[found->ranked.count++] = best;
}

/* --- what a passage has to know of it --- */

/* "{17,4,80}" */
static void list_unknown(const struct found *found, size_t count, struct buffer *ids)
{
    for (size_t i = found->known; i < count; i++)
        buffer_printf(ids, "%c%" PRIu64, i == found->known ? '{' : ',', found->ranked.items[i].id);
    buffer_append_char(ids, '}');
}

static void know(struct found *found, const struct rows *rows)
{
    uint64_t id = rows_u64(rows, 0);
    uint32_t slot = id_map_find(&found->slots, id);
    found->places[slot] = (struct place){.id = id,
                                         .document_id = rows_u64(rows, 1),
                                         .position = (uint32_t)rows_u64(rows, 2),
                                         .start = rows_u64(rows, 3),
                                         .end = rows_u64(rows, 4)};
    bm25_put(found->bm25, slot, rows_blob(rows, 5));
}

/* Leaves out, of the first `count`, those whose chunks have gone since they were found. */
static void leave_out_gone(struct found *found, size_t count)
{
    struct fusion *ranked = &found->ranked;
    size_t kept = found->known;
    for (size_t i = kept; i < count; i++)
        if (found->places[ranked->items[i].slot].id) ranked->items[kept++] = ranked->items[i];
    memmove(&ranked->items[kept], &ranked->items[count],
            (ranked->count - count) * sizeof(ranked->items[0]));
    ranked->count -= count - kept;
    found->known = kept;
}

static err_t get_to_know(struct found *found, struct db *db, size_t count)
{
    struct buffer ids = {0};
    if (count == found->known) return OK;
    list_unknown(found, count, &ids);
    struct rows rows = db_select(db,
                                 "SELECT id, document_id, position, start, \"end\", terms"
                                 " FROM chunks WHERE id = ANY (?::bigint[])",
                                 "t", buffer_slice(&ids));
    while (rows_next(&rows)) know(found, &rows);
    buffer_free(&ids);
    leave_out_gone(found, count);
    return rows_end(&rows);
}

/* --- the choice --- */

static size_t choose_of_known(const struct found *found, const struct store_search *wanted)
{
    struct fusion known = found->ranked; /* being sorted it is a heap */
    known.count = found->known;
    struct passages passages = {.bm25 = found->bm25,
                                .places = found->places,
                                .fusion = &known,
                                .top_k = wanted->query->top_k,
                                .merge = wanted->query->merge};
    return passages_choose(&passages, wanted->hits);
}

/* Few of those that were found are ever looked at: twice as many as are asked for are read at
 * first, and more where too many of them were the same, or neighbours. */
static err_t choose(struct found *found, struct db *db, struct store_search *wanted)
{
    size_t top_k = wanted->query->top_k;
    err_t error;
    rank(found, wanted->query);
    do {
        error = get_to_know(found, db, MIN(found->ranked.count, 2 * MAX(found->known, top_k)));
        wanted->count = error ? 0 : choose_of_known(found, wanted);
    } while (!error && wanted->count < top_k && found->known < found->ranked.count);
    return error;
}

/* --- asking --- */

/* *enough is false where the graph led to fewer vectors than a leg has room for. */
static err_t ask(struct search *search, struct db *db, bool exact, bool *enough)
{
    struct found *found = found_new();
    struct buffer sql = {0};
    write_statement(search, exact, &sql);
    const struct words_asked *words = &search->words;
    struct rows rows = postgres_db_ask(
        (struct postgres_db *)db, sql.data, search->vector.len ? "tvtddttd" : "tbtddttd",
        buffer_slice(&words->rare.terms), buffer_slice(&search->vector),
        buffer_slice(&words->rare.weights), (double)words->norm.base, (double)words->norm.slope,
        buffer_slice(&words->common.terms), buffer_slice(&words->common.weights),
        words->common_most);
    buffer_free(&sql);
    while (rows_next(&rows)) add_row(found, &rows);
    err_t error = rows_end(&rows);
    *enough = exact || !search->vector.len || found->legs[0].count >= BEST_MAX;
    if (!error && *enough) error = choose(found, db, search->wanted);
    found_free(found);
    return error;
}

/* A graph may not lead everywhere, and never to vectors that are not there yet. */
static void search_run(struct task *task, struct db *db)
{
    struct search *search = (struct search *)task;
    bool enough = true;
    search->error = ask(search, db, false, &enough);
    if (!search->error && !enough) search->error = ask(search, db, true, &enough);
}

static void search_done(struct task *task)
{
    struct search *search = (struct search *)task;
    struct store_search *wanted = search->wanted;
    wanted->error = search->error;
    words_asked_free(&search->words);
    buffer_free(&search->vector);
    free(search);
    wanted->done(wanted);
}

void postgres_search(struct store *base, struct store_search *wanted)
{
    struct search *search = xcalloc(1, sizeof(*search));
    search->task = (struct task){.run = search_run, .done = search_done};
    search->wanted = wanted;
    if (wanted->terms) words_ask(wanted->terms, wanted->query, &search->words);
    put_vector(wanted, &search->vector);
    crew_push(((struct postgres_store *)base)->crew, &search->task);
}
