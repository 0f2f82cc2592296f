#include "workers/retriever/postgres_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "workers/retriever/best.h"
#include "workers/retriever/chunk_languages.h"

#define LANGUAGE_MARK ':' /* no word has it */
#define SQL_MAX       512

/* --- the tally --- */

void words_tally_add(struct words_tally *tally, struct slice term, int64_t chunks)
{
    if (!tally->lexicon) tally->lexicon = lexicon_new();
    uint32_t known = lexicon_count(tally->lexicon), number = lexicon_add(tally->lexicon, term);
    tally->counts =
        xgrow(tally->counts, &tally->capacity, (size_t)number + 1, sizeof(*tally->counts));
    if (number == known) tally->counts[number] = 0;
    tally->counts[number] += chunks;
}

void words_tally_free(struct words_tally *tally)
{
    lexicon_destroy(&tally->lexicon);
    free(tally->counts);
    *tally = (struct words_tally){0};
}

struct slice words_language_term(struct slice language)
{
    static _Thread_local char term[16];
    const char *code = language_code(language_at(chunk_language_number(language)));
    int len = snprintf(term, sizeof(term), "%c%s", LANGUAGE_MARK, code);
    return (struct slice){term, (size_t)len};
}

err_t words_take_out(struct db *db, uint64_t portfolio_id, const struct chunk_range *range,
                     struct words_tally *tally)
{
    struct rows rows = db_select(
        db,
        "WITH gone AS (DELETE FROM rag_posting WHERE portfolio_id = ? AND chunk_id BETWEEN ? AND ?"
        " RETURNING term) SELECT term, count(*) FROM gone GROUP BY term",
        "iii", portfolio_id, range->first, range->last);
    while (rows_next(&rows))
        words_tally_add(tally, rows_text(&rows, 0), -(int64_t)rows_u64(&rows, 1));
    return rows_end(&rows);
}

/* A term that came as often as it went has not changed: nobody is told of it. */
static void list_changed(const struct words_tally *tally, struct buffer *terms,
                         struct buffer *counts)
{
    uint32_t count = tally->lexicon ? lexicon_count(tally->lexicon) : 0;
    for (uint32_t i = 0; i < count; i++) {
        char number[24];
        if (!tally->counts[i]) continue;
        int len = snprintf(number, sizeof(number), "%" PRId64, tally->counts[i]);
        if (terms->len) buffer_append_char(terms, ' ');
        if (counts->len) buffer_append_char(counts, ' ');
        buffer_append_slice(terms, lexicon_text(tally->lexicon, i));
        buffer_append(counts, number, (size_t)len);
    }
}

err_t words_store(struct db *db, uint64_t portfolio_id, uint64_t version,
                  const struct words_tally *tally)
{
    struct buffer terms = {0}, counts = {0};
    char sql[SQL_MAX];
    list_changed(tally, &terms, &counts);
    snprintf(sql, sizeof(sql),
             "INSERT INTO rag_term_%" PRIu64 " AS t (portfolio_id, term, chunks, version)"
             " SELECT ?1, c.term, c.chunks::bigint, ?2"
             " FROM ROWS FROM (string_to_table(?3, ' '), string_to_table(?4, ' '))"
             " AS c (term, chunks) ON CONFLICT (portfolio_id, term)"
             " DO UPDATE SET chunks = t.chunks + excluded.chunks, version = excluded.version",
             portfolio_id);
    struct rows rows = postgres_db_ask((struct postgres_db *)db, sql, "iitt", portfolio_id, version,
                                       buffer_slice(&terms), buffer_slice(&counts));
    buffer_free(&terms);
    buffer_free(&counts);
    return rows_end(&rows);
}

/* --- what retrievers are told --- */

static err_t read_size(struct db *db, uint64_t portfolio_id, uint64_t since,
                       struct words_change *change)
{
    struct rows rows = db_select(
        db, "SELECT version, made, chunks, terms FROM rag_searched WHERE portfolio_id = ?", "i",
        portfolio_id);
    if (rows_next(&rows)) {
        uint64_t made = rows_u64(&rows, 1);
        change->whole = !since || made > since;
        change->version = made ? rows_u64(&rows, 0) : 0;
        change->chunks = rows_u64(&rows, 2);
        change->length = rows_u64(&rows, 3);
    }
    return rows_end(&rows);
}

/* The rarest last: they are passed over where there are too many. */
static struct rows select_terms(struct db *db, uint64_t portfolio_id, uint64_t since)
{
    return db_select(db,
                     "SELECT term, chunks FROM rag_term WHERE portfolio_id = ? AND version > ?"
                     " ORDER BY chunks DESC LIMIT ?",
                     "iii", portfolio_id, since, (uint64_t)PORTFOLIO_TERMS_MAX + 1);
}

static err_t read_snapshot(struct db *db, uint64_t portfolio_id, uint64_t since,
                           struct words_change *change)
{
    err_t error = read_size(db, portfolio_id, since, change);
    if (error || change->version == since) return error;
    change->rows = select_terms(db, portfolio_id, change->whole ? 0 : since);
    return change->rows.error;
}

err_t words_read(struct db *db, uint64_t portfolio_id, uint64_t since, struct words_change *change)
{
    *change = (struct words_change){0};
    err_t error = postgres_db_snapshot((struct postgres_db *)db);
    if (error) return error;
    error = read_snapshot(db, portfolio_id, since, change);
    if (!error) return db_commit(db);
    return db_rollback(db) ? ERR_STORE_UNAVAILABLE : error;
}

bool words_tell(struct words_change *change, struct portfolio_terms *terms)
{
    struct rows *rows = &change->rows;
    if (!rows->handle || !rows_next(rows)) return false;
    struct slice term = rows_text(rows, 0);
    uint64_t chunks = rows_u64(rows, 1);
    if (term.len && term.ptr[0] == LANGUAGE_MARK)
        portfolio_terms_put_language(terms, (struct slice){term.ptr + 1, term.len - 1}, chunks);
    else
        portfolio_terms_put(terms, term, chunks);
    return true;
}

void words_change_free(struct words_change *change)
{
    if (change->rows.handle) (void)!rows_end(&change->rows);
    *change = (struct words_change){0};
}

/* --- what a question asks for --- */

/* A term in more than one of so many chunks is common, if it weighs little beside the rest. */
#define COMMON_SHARE 8
#define COMMON_REACH 0.4 /* of the heaviest rare term: what the best 100 surely have of it */

enum { TERMS_MAX = QUERY_CONCEPTS_MAX * ARRAY_LEN(((struct concept *)0)->terms) };

struct weights {
    const struct corpus *corpus;
    uint32_t terms[TERMS_MAX];
    double weights[TERMS_MAX];
    size_t count;
};

/* A term that several concepts ask for weighs what they give it together. */
static void add_weight(struct weights *weights, uint32_t term, double weight)
{
    size_t at = 0;
    while (at < weights->count && weights->terms[at] != term) at++;
    if (at == weights->count) {
        weights->terms[weights->count++] = term;
        weights->weights[at] = 0;
    }
    weights->weights[at] += weight;
}

static void weigh(const struct query *query, struct weights *weights)
{
    for (size_t i = 0; i < query->count; i++) {
        float weight = corpus_weigh(weights->corpus, &query->concepts[i]);
        for (size_t k = 0; weight > 0 && k < query->concepts[i].count; k++)
            add_weight(weights, query->concepts[i].terms[k], (double)weight);
    }
}

static bool is_frequent(const struct weights *weights, size_t at)
{
    const struct corpus *corpus = weights->corpus;
    return corpus->frequencies[weights->terms[at]] > corpus->texts / COMMON_SHARE;
}

/* How much the 100 best probably have of rare terms alone. */
static double reach_of(const struct weights *weights)
{
    double heaviest = 0;
    for (size_t i = 0; i < weights->count; i++) {
        bool enough = weights->corpus->frequencies[weights->terms[i]] >= BEST_MAX;
        if (enough && !is_frequent(weights, i)) heaviest = MAX(heaviest, weights->weights[i]);
    }
    return heaviest * COMMON_REACH;
}

static void list_term(const struct weights *weights, size_t at, struct words_list *list)
{
    struct slice term = lexicon_text(weights->corpus->lexicon, weights->terms[at]);
    const char *gap = list->terms.len ? " " : "";
    buffer_printf(&list->terms, "%s%.*s", gap, (int)term.len, term.ptr);
    buffer_printf(&list->weights, "%s%.9g", gap, weights->weights[at]);
}

void words_ask(struct portfolio_terms *terms, const struct resident_query *question,
               struct words_asked *asked)
{
    struct query query;
    struct weights weights = {.corpus = portfolio_terms_corpus(terms)};
    portfolio_terms_read(terms, question->text, question->language, &query);
    weigh(&query, &weights);
    asked->norm = corpus_norm(weights.corpus);
    double reach = reach_of(&weights);
    for (size_t i = 0; i < weights.count; i++) {
        bool common = is_frequent(&weights, i) && asked->common_most + weights.weights[i] <= reach;
        if (common) asked->common_most += weights.weights[i];
        list_term(&weights, i, common ? &asked->common : &asked->rare);
    }
}

void words_asked_free(struct words_asked *asked)
{
    buffer_free(&asked->rare.terms);
    buffer_free(&asked->rare.weights);
    buffer_free(&asked->common.terms);
    buffer_free(&asked->common.weights);
}

/* --- the leg --- */

/* Weights are read once and not with every posting. */
#define TERMS(name, terms, weights)                                                             \
    name " AS MATERIALIZED (SELECT t.term, t.weight::float8 AS weight"                          \
         " FROM ROWS FROM (string_to_table(" terms ", ' '), string_to_table(" weights ", ' '))" \
         " AS t (term, weight))"
#define SCORE "a.weight * p.count / (p.count + ?4 + ?5 * p.length)"
#define SUMS                                                  \
    "SELECT p.chunk_id, sum(" SCORE ") AS score FROM asked a" \
    " JOIN rag_posting_%1$" PRIu64 " p ON p.term = a.term GROUP BY p.chunk_id"

/* float4, so that sums which differ only in their order are equal and go by chunk id. */
#define WORDED "worded AS (SELECT chunk_id, score::float4 AS score FROM ("
#define BEST   ") s ORDER BY score::float4 DESC, chunk_id LIMIT %2$d)"

static const char all_alike[] = TERMS("asked", "?1", "?3") ", " WORDED SUMS BEST;

/* MaxScore (Turtle and Flood 1995): where the hundredth by rare terms alone has more than common
 * ones could give a chunk, nothing that lacks the rare ones gets in, and the common ones are looked
 * up for those that may; their postings are not gone through. Else all are, as above. */
static const char common_apart[] = TERMS("asked", "?1", "?3") ", " TERMS(
    "common", "?6",
    "?7") ","
          " rare AS MATERIALIZED (" SUMS "),"
          " hundredth AS MATERIALIZED (SELECT score FROM rare ORDER BY score DESC OFFSET %2$d - 1 "
          "LIMIT 1),"
          " enough AS MATERIALIZED (SELECT coalesce((SELECT score FROM hundredth) > ?8, false) AS "
          "yes),"
          " " WORDED "SELECT r.chunk_id, r.score + coalesce((SELECT sum(" SCORE
          ") FROM common a CROSS JOIN LATERAL"
          " (SELECT count, length FROM rag_posting_%1$" PRIu64 " WHERE term = a.term"
          " AND chunk_id = r.chunk_id OFFSET 0) p), 0) AS score FROM rare r"
          " WHERE (SELECT yes FROM enough) AND r.score + ?8 >= (SELECT score FROM hundredth)"
          " UNION ALL SELECT chunk_id, sum(score) FROM (SELECT chunk_id, score FROM rare"
          " UNION ALL SELECT p.chunk_id, " SCORE " FROM common a"
          " JOIN rag_posting_%1$" PRIu64 " p ON p.term = a.term) p"
          " WHERE NOT (SELECT yes FROM enough) GROUP BY chunk_id" BEST;

size_t words_write_leg(const struct words_asked *asked, uint64_t portfolio_id, char *sql,
                       size_t room)
{
    const char *format = asked->common.terms.len ? common_apart : all_alike;
    return (size_t)snprintf(sql, room, format, portfolio_id, BEST_MAX);
}
