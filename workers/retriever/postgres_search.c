/* Searches in the database: both legs in one statement, each the best 100 of its portfolio's own
 * tables, with what a passage has to know of their chunks. The rest is done as for a portfolio in
 * memory: blended, near-duplicates dropped, neighbours merged.
 *
 *     loop: the question's terms ─▶ crew: one statement, then fusion and choice ─▶ loop: done */
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "workers/retriever/fusion.h"
#include "workers/retriever/id_map.h"
#include "workers/retriever/passages.h"
#include "workers/retriever/postgres_store.h"
#include "workers/retriever/terms.h"
#include "workers/retriever/words.h"

#define HALF_DIMENSIONS 2000 /* more are indexed as halfvec */
#define SQL_MAX         3072

struct search {
    struct task task; /* first */
    struct store_search *wanted;
    struct buffer terms;  /* separated by spaces */
    struct buffer vector; /* as pgvector takes it; empty: words alone */
    err_t error;
};

/* --- the question --- */

/* A word by its stems in every language, as chunks of all may be asked for. */
static void on_word(void *context, const struct word *word)
{
    struct buffer *terms = context;
    for (size_t i = 0; language_at(i); i++) {
        struct slice term = terms_of_word(language_at(i), word);
        if (!term.len) continue;
        if (terms->len) buffer_append(terms, " ", 1);
        buffer_append_slice(terms, term);
    }
}

static void put_vector(const struct store_search *wanted, struct buffer *out)
{
    uint16_t head[] = {htobe16((uint16_t)wanted->dimensions), 0};
    if (!wanted->query->vector) return;
    buffer_append(out, head, sizeof(head));
    for (size_t i = 0; i < wanted->dimensions; i++) {
        uint32_t bits;
        memcpy(&bits, &wanted->query->vector[i], sizeof(bits));
        bits = htobe32(bits);
        buffer_append(out, &bits, sizeof(bits));
    }
}

/* --- the statement --- */

/* ?1 the question's terms, ?2 its vector. By the graph; or, where %5$s is + 0, which no index
 * knows, by looking at every vector. */
#define NEAREST                                                                            \
    "SELECT chunk_id, 1 - ((embedding::%1$s(%2$zu)) <=> ?2::vector::%1$s(%2$zu)) AS score" \
    " FROM rag_embedding_%3$" PRIu64 " WHERE embedding IS NOT NULL"                        \
    " ORDER BY ((embedding::%1$s(%2$zu)) <=> ?2::vector::%1$s(%2$zu)) %5$s LIMIT %4$d"
#define NOTHING "SELECT 0::bigint AS chunk_id, 0::float8 AS score WHERE ?2::bytea IS NULL AND false"

/* BM25 with k1 1.2 and b 0.75, as in memory. */
#define WORDED                                                                                     \
    "asked AS (SELECT DISTINCT term FROM string_to_table(?1, ' ') AS term),"                       \
    " hit AS (SELECT p.term, p.chunk_id, p.count, p.length FROM asked a"                           \
    " JOIN rag_posting_%1$" PRIu64 " p ON p.term = a.term),"                                       \
    " idf AS (SELECT term, ln(1 + (s.chunks - count(*) + 0.5) / (count(*) + 0.5))::float8 AS idf," \
    " greatest(s.terms, 1)::float8 / greatest(s.chunks, 1) AS average"                             \
    " FROM hit, rag_searched s WHERE s.portfolio_id = %1$" PRIu64                                  \
    " GROUP BY term, s.chunks, s.terms),"                                                          \
    " worded AS (SELECT h.chunk_id, sum(i.idf * h.count * 2.2 /"                                   \
    " (h.count + 1.2 * (0.25 + 0.75 * h.length / i.average))) AS score"                            \
    " FROM hit h JOIN idf i ON i.term = h.term GROUP BY h.chunk_id"                                \
    " ORDER BY score DESC, h.chunk_id LIMIT %2$d)"

#define FOUND                                                                              \
    " SELECT l.leg, l.score::float8, c.id, c.document_id, c.position, c.start, c.\"end\"," \
    " c.terms FROM (SELECT 0 AS leg, chunk_id, score FROM nearest"                         \
    " UNION ALL SELECT 1, chunk_id, score FROM worded) l"                                  \
    " JOIN chunks c ON c.id = l.chunk_id"

static void write_statement(const struct search *search, bool exact, char sql[SQL_MAX])
{
    uint64_t id = search->wanted->portfolio_id;
    size_t dimensions = search->wanted->dimensions, len;
    const char *type = dimensions > HALF_DIMENSIONS ? "halfvec" : "vector";
    len = (size_t)snprintf(sql, SQL_MAX, "WITH nearest AS (");
    if (search->vector.len)
        len += (size_t)snprintf(sql + len, SQL_MAX - len, NEAREST, type, dimensions, id, BEST_MAX,
                                exact ? "+ 0" : "");
    else
        len += (size_t)snprintf(sql + len, SQL_MAX - len, NOTHING);
    len += (size_t)snprintf(sql + len, SQL_MAX - len, "), ");
    len += (size_t)snprintf(sql + len, SQL_MAX - len, WORDED, id, BEST_MAX);
    snprintf(sql + len, SQL_MAX - len, FOUND);
}

/* --- what was found --- */

struct found {
    struct bm25 *bm25;
    struct id_map slots;
    struct place places[FUSED_MAX];
    uint32_t count;
    struct best legs[2]; /* vectors, words */
};

static uint32_t slot_of_row(struct found *found, const struct rows *rows)
{
    uint64_t id = rows_u64(rows, 2);
    uint32_t slot = id_map_find(&found->slots, id);
    if (slot != ID_MAP_NONE) return slot;
    slot = found->count++;
    found->places[slot] = (struct place){.id = id,
                                         .document_id = rows_u64(rows, 3),
                                         .position = (uint32_t)rows_u64(rows, 4),
                                         .start = rows_u64(rows, 5),
                                         .end = rows_u64(rows, 6)};
    bm25_put(found->bm25, slot, rows_blob(rows, 7));
    id_map_put(&found->slots, id, slot);
    return slot;
}

static void add_row(struct found *found, const struct rows *rows)
{
    struct best *leg = &found->legs[rows_u64(rows, 0) & 1];
    uint32_t slot = slot_of_row(found, rows);
    best_offer(leg, (struct candidate){(float)rows_f64(rows, 1), slot, found->places[slot].id});
}

static void choose(struct found *found, struct store_search *wanted)
{
    const struct resident_query *query = wanted->query;
    struct fusion fusion;
    best_select(&found->legs[0]);
    best_select(&found->legs[1]);
    fusion_blend(&found->legs[0], &found->legs[1], query->vector ? query->vector_weight : 0,
                 &fusion);
    struct passages passages = {.bm25 = found->bm25,
                                .places = found->places,
                                .fusion = &fusion,
                                .top_k = query->top_k,
                                .merge = query->merge};
    wanted->count = passages_choose(&passages, wanted->hits);
}

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

/* *enough is false where the graph led to fewer vectors than are asked for. */
static err_t ask(struct search *search, struct db *db, bool exact, bool *enough)
{
    struct found *found = found_new();
    char sql[SQL_MAX];
    write_statement(search, exact, sql);
    struct rows rows =
        postgres_db_ask((struct postgres_db *)db, sql, search->vector.len ? "tv" : "tb",
                        buffer_slice(&search->terms), buffer_slice(&search->vector));
    while (rows_next(&rows)) add_row(found, &rows);
    err_t error = rows_end(&rows);
    *enough = exact || !search->vector.len ||
              found->legs[0].count >= MIN(search->wanted->query->top_k, (size_t)BEST_MAX);
    if (!error && *enough) choose(found, search->wanted);
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
    buffer_free(&search->terms);
    buffer_free(&search->vector);
    free(search);
    wanted->done(wanted);
}

void postgres_search(struct store *base, struct store_search *wanted)
{
    struct search *search = xcalloc(1, sizeof(*search));
    search->task = (struct task){.run = search_run, .done = search_done};
    search->wanted = wanted;
    words_scan(wanted->query->language, wanted->query->text, on_word, &search->terms);
    put_vector(wanted, &search->vector);
    crew_push(((struct postgres_store *)base)->crew, &search->task);
}
