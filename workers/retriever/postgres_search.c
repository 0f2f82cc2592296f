/* Searches in the database: both legs in one round trip, each the best 100 of its portfolio's own
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

/* --- the legs --- */

/* ?1 is the question's vector. By the graph; or, where %5$s is + 0, which no index knows, by
 * looking at every vector. */
#define NEAREST                                                                            \
    "SELECT chunk_id, 1 - ((embedding::%1$s(%2$zu)) <=> ?1::vector::%1$s(%2$zu)) AS score" \
    " FROM rag_embedding_%3$" PRIu64 " WHERE embedding IS NOT NULL"                        \
    " ORDER BY ((embedding::%1$s(%2$zu)) <=> ?1::vector::%1$s(%2$zu)) %5$s LIMIT %4$d"

enum { VECTORS, WORDS, LEGS };

/* The statements of a question's legs. */
struct legs {
    struct buffer texts[LEGS];
    struct postgres_ask asks[LEGS];
    unsigned which[LEGS]; /* of each that is asked */
    size_t count;
};

static struct postgres_ask *legs_add(struct legs *legs, unsigned which)
{
    buffer_append_char(&legs->texts[which], '\0');
    legs->which[legs->count] = which;
    return &legs->asks[legs->count++];
}

static void add_vectors(struct legs *legs, const struct search *search,
                        const struct postgres_db *db, bool exact)
{
    size_t dimensions = search->wanted->dimensions;
    struct buffer *sql = &legs->texts[VECTORS];
    if (!search->vector.len) return;
    buffer_printf(sql, NEAREST, postgres_graph_type(dimensions), dimensions,
                  search->wanted->portfolio_id, BEST_MAX, exact ? "+ 0" : "");
    struct postgres_ask *ask = legs_add(legs, VECTORS);
    postgres_ask_bind(ask, db, sql->data, "v", buffer_slice(&search->vector));
}

static void add_words(struct legs *legs, const struct search *search, const struct postgres_db *db)
{
    const struct words_asked *words = &search->words;
    struct buffer *sql = &legs->texts[WORDS];
    if (!words->rare.terms.len && !words->common.terms.len) return;
    words_write_leg(words, search->wanted->portfolio_id, sql);
    struct postgres_ask *ask = legs_add(legs, WORDS);
    postgres_ask_bind(ask, db, sql->data, "ttddttd", buffer_slice(&words->rare.terms),
                      buffer_slice(&words->rare.weights), (double)words->norm.base,
                      (double)words->norm.slope, buffer_slice(&words->common.terms),
                      buffer_slice(&words->common.weights), words->common_most);
}

/* --- what was found --- */

struct found {
    struct id_map slots;
    struct best legs[LEGS];
    struct fusion ranked; /* all that was found, the best first */
    size_t known;         /* so many of them have their place and terms */
    struct place places[FUSED_MAX];
    struct bm25 *bm25;
};

static struct found *found_new(void)
{
    struct found *found = xcalloc(1, sizeof(*found));
    best_init(&found->legs[VECTORS]);
    best_init(&found->legs[WORDS]);
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

static err_t take_rows(struct found *found, struct best *leg, struct rows *rows)
{
    while (rows_next(rows)) {
        uint64_t id = rows_u64(rows, 0);
        float score = (float)rows_f64(rows, 1);
        best_offer(leg, (struct candidate){score, slot_of_chunk(found, id), id});
    }
    return rows_end(rows);
}

static void rank(struct found *found, const struct resident_query *query)
{
    struct fusion heap;
    struct fused best;
    best_select(&found->legs[VECTORS]);
    best_select(&found->legs[WORDS]);
    fusion_blend(&found->legs[VECTORS], &found->legs[WORDS],
                 query->vector ? query->vector_weight : 0, &heap);
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

/* Terms are for telling near-duplicates, of passages that are merged. */
static err_t get_to_know(struct found *found, struct db *db, bool terms, size_t count)
{
    struct buffer ids = {0};
    if (count == found->known) return OK;
    list_unknown(found, count, &ids);
    struct rows rows = db_select(db,
                                 "SELECT id, document_id, position, start, \"end\","
                                 " CASE WHEN ? = 1 THEN terms END"
                                 " FROM chunks WHERE id = ANY (?::bigint[])",
                                 "it", (uint64_t)terms, buffer_slice(&ids));
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

/* Few of those that were found are ever looked at: where passages are merged, twice as many as are
 * asked for are read at first, and more where too many of them were the same, or neighbours. */
static err_t choose(struct found *found, struct db *db, struct store_search *wanted)
{
    bool merge = wanted->query->merge;
    size_t top_k = wanted->query->top_k, next = merge ? 2 * top_k : top_k;
    err_t error;
    rank(found, wanted->query);
    do {
        error = get_to_know(found, db, merge, MIN(found->ranked.count, next));
        next = 2 * MAX(found->known, top_k);
        wanted->count = error ? 0 : choose_of_known(found, wanted);
    } while (!error && wanted->count < top_k && found->known < found->ranked.count);
    return error;
}

/* --- asking --- */

static err_t find(const struct search *search, struct postgres_db *db, bool exact,
                  struct found *found)
{
    struct legs legs = {0};
    err_t error = OK;
    add_vectors(&legs, search, db, exact);
    add_words(&legs, search, db);
    postgres_db_ask_all(db, legs.asks, legs.count);
    for (size_t i = 0; i < legs.count; i++) {
        err_t failed = take_rows(found, &found->legs[legs.which[i]], &legs.asks[i].rows);
        if (!error) error = failed;
    }
    buffer_free(&legs.texts[VECTORS]);
    buffer_free(&legs.texts[WORDS]);
    return error;
}

/* *enough is false where the graph led to fewer vectors than a leg has room for. */
static err_t ask(struct search *search, struct db *db, bool exact, bool *enough)
{
    struct found *found = found_new();
    err_t error = find(search, (struct postgres_db *)db, exact, found);
    *enough = exact || !search->vector.len || found->legs[VECTORS].count >= BEST_MAX;
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
