#include "workers/retriever/postgres_words.h"

#include <inttypes.h>

#include "workers/retriever/best.h"

/* --- the question --- */

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
#define ASKED    TERMS("asked", "?1", "?2")
#define COMMON   TERMS("common", "?5", "?6")
#define POSTINGS "rag_posting_%1$" PRIu64
#define SCORE    "a.weight * p.count / (p.count + ?3 + ?4 * p.length)"
#define SUMS                                                  \
    "SELECT p.chunk_id, sum(" SCORE ") AS score FROM asked a" \
    " JOIN " POSTINGS " p ON p.term = a.term GROUP BY p.chunk_id"

/* float4, so that sums which differ only in their order are equal and go by chunk id. */
#define BEST_OF "SELECT chunk_id, score::float4::float8 AS score FROM ("
#define BEST    ") s ORDER BY score::float4 DESC, chunk_id LIMIT %2$d"

static const char all_alike[] = "WITH " ASKED " " BEST_OF SUMS BEST;

/* MaxScore (Turtle and Flood 1995): where the hundredth by rare terms alone has more than common
 * ones could give a chunk, nothing that lacks the rare ones gets in, and the common ones are looked
 * up for those that may; their postings are not gone through. Else all are, as above. */
#define HUNDREDTH "SELECT score FROM rare ORDER BY score DESC OFFSET %2$d - 1 LIMIT 1"
#define LOOKED_UP                                                                          \
    "SELECT r.chunk_id, r.score + coalesce((SELECT sum(" SCORE ") FROM common a"           \
    " CROSS JOIN LATERAL (SELECT count, length FROM " POSTINGS                             \
    " WHERE term = a.term AND chunk_id = r.chunk_id OFFSET 0) p), 0) AS score FROM rare r" \
    " WHERE (SELECT yes FROM decided) AND r.score + ?7 >= (SELECT score FROM hundredth)"
#define GONE_THROUGH                                                     \
    "SELECT chunk_id, sum(score) FROM (SELECT chunk_id, score FROM rare" \
    " UNION ALL SELECT p.chunk_id, " SCORE " FROM common a"              \
    " JOIN " POSTINGS " p ON p.term = a.term) p"                         \
    " WHERE NOT (SELECT yes FROM decided) GROUP BY chunk_id"

#define APART                                                                             \
    "rare AS MATERIALIZED (" SUMS "), hundredth AS MATERIALIZED (" HUNDREDTH "), decided" \
    " AS MATERIALIZED (SELECT coalesce((SELECT score FROM hundredth) > ?7, false) AS yes) "

static const char common_apart[] =
    "WITH " ASKED ", " COMMON ", " APART BEST_OF LOOKED_UP " UNION ALL " GONE_THROUGH BEST;

void words_write_leg(const struct words_asked *asked, uint64_t portfolio_id, struct buffer *sql)
{
    const char *format = asked->common.terms.len ? common_apart : all_alike;
    buffer_printf(sql, format, portfolio_id, BEST_MAX);
}
