/* Portfolios as bench_postgres wants them: filled, and made searchable by the store itself. */
#include "tests/bench/postgres_groups.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/bench/postgres_fill.h"

enum {
    QUESTION_WORDS = 4,
    POLL_US = 20000, /* between two looks at what is being made */
};

/* --- filling --- */

static struct group *group_of(struct bench *bench, uint64_t portfolio_id)
{
    struct group *group = bench->groups;
    while (portfolio_id >= group->first_id + group->count) group++;
    return group;
}

static void on_vector(void *context, uint64_t portfolio_id, uint64_t chunk_id, const float *vector)
{
    struct bench *bench = context;
    struct group *group = group_of(bench, portfolio_id);
    for (size_t i = portfolio_id - group->first_id; i < QUESTIONS; i += group->count) {
        struct question *question = &group->questions[i];
        nearest_offer(&question->nearest, question->vector, vector, bench->dimensions, chunk_id);
    }
}

static void make_questions(struct bench *bench, struct group *group)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct question *question = &group->questions[i];
        question->portfolio_id = group->first_id + i % group->count;
        question->vector = xcalloc(bench->dimensions, sizeof(float));
        made_up_vector(&bench->made, question->vector);
        made_up_words(&bench->made, QUESTION_WORDS, &question->text);
        question->text.len--; /* the last space */
    }
}

void groups_make(struct bench *bench)
{
    struct fill fill = {.db = bench->db,
                        .made = &bench->made,
                        .embedder = bench->embedder,
                        .on_vector = on_vector,
                        .context = bench};
    uint64_t began_us = clock_us();
    for (size_t i = 0; i < bench->group_count; i++) make_questions(bench, &bench->groups[i]);
    for (size_t i = 0; i < bench->group_count; i++)
        for (size_t k = 0; k < bench->groups[i].count; k++)
            fill_portfolio(&fill, bench->groups[i].first_id + k, bench->groups[i].chunks);
    fill_settle(bench->db);
    printf("layout chunks_max=%" PRIu64 " filled_s=%.1f\n", bench->chunks_max,
           (double)(clock_us() - began_us) / 1e6);
}

void groups_write_questions(const struct bench *bench)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s.vectors", bench->questions_file);
    FILE *texts = fopen(bench->questions_file, "w"), *vectors = fopen(path, "w");
    if (!texts || !vectors) exit(2);
    for (size_t g = 0; g < bench->group_count; g++) {
        for (size_t i = 0; i < QUESTIONS; i++) {
            const struct question *question = &bench->groups[g].questions[i];
            fprintf(texts, "%zu %" PRIu64 " %.*s\n", g, question->portfolio_id,
                    (int)question->text.len, question->text.data);
            fwrite(question->vector, sizeof(float), bench->dimensions, vectors);
        }
    }
    if (fclose(texts) || fclose(vectors)) exit(2);
}

/* --- until it is searched in the database --- */

struct look {
    struct store_refresh refresh;
    bool done;
};

static void on_begin(void *context, bool whole, struct slice embedder)
{
    (void)context, (void)whole, (void)embedder;
}

static void on_end(void *context, err_t error, uint64_t version)
{
    (void)version;
    if (error) fprintf(stderr, "refresh: %s\n", error_text(error));
    ((struct look *)context)->done = true;
}

/* As one asks who has version 1 in memory, which is the newest: nothing is told but where to
 * search. */
static bool is_searched(struct bench *bench, struct group *group, size_t at)
{
    static const struct store_sink sink = {.begin = on_begin, .end = on_end};
    if (!group->terms[at]) group->terms[at] = portfolio_terms_new();
    struct look look = {.refresh = {.portfolio_id = group->first_id + at,
                                    .since = 1,
                                    .embedder = slice_of(bench->embedder),
                                    .sink = &sink,
                                    .context = &look,
                                    .terms = group->terms[at]}};
    store_refresh(bench->stores[0], &look.refresh);
    while (!look.done) event_base_loop(bench->base, EVLOOP_ONCE);
    return look.refresh.in_store;
}

static bool all_searched(struct bench *bench, struct group *group)
{
    bool all = true;
    for (size_t i = 0; i < group->count; i++) all &= is_searched(bench, group, i);
    return all;
}

/* Bytes of what group's portfolios have in the database, or of their graphs alone. */
static double bytes_of(struct bench *bench, const struct group *group, bool graphs)
{
    static const char *const sizes[] = {
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND",
        "SELECT sum(pg_relation_size(i.indexrelid)) FROM pg_class JOIN pg_index i ON i.indrelid ="
        " pg_class.oid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam AND"
        " a.amname = 'hnsw' WHERE",
    };
    char sql[1024];
    snprintf(sql, sizeof(sql),
             "%s pg_class.relname ~ '^rag_.*_[0-9]+$' AND"
             " substring(pg_class.relname, '[0-9]+$')::bigint BETWEEN %" PRIu64 " AND %" PRIu64,
             sizes[graphs], group->first_id, group->first_id + group->count - 1);
    return fill_ask(bench->db, sql);
}

static void build(struct bench *bench, struct group *group)
{
    struct timeval pause = {.tv_usec = POLL_US};
    uint64_t began_us = clock_us();
    while (!all_searched(bench, group)) {
        event_base_loopexit(bench->base, &pause);
        event_base_dispatch(bench->base);
    }
    printf("built group=%td chunks=%zu portfolios=%zu build_s=%.2f graph_bytes=%.0f"
           " all_bytes=%.0f\n",
           group - bench->groups, group->chunks, group->count,
           (double)(clock_us() - began_us) / 1e6, bytes_of(bench, group, true),
           bytes_of(bench, group, false));
    fflush(stdout);
}

void groups_build(struct bench *bench)
{
    for (size_t i = 0; i < bench->group_count; i++) build(bench, &bench->groups[i]);
    fill_settle(bench->db);
}

void groups_free(struct bench *bench)
{
    for (size_t g = 0; g < bench->group_count; g++) {
        for (size_t i = 0; i < QUESTIONS; i++) {
            free(bench->groups[g].questions[i].vector);
            buffer_free(&bench->groups[g].questions[i].text);
            if (bench->groups[g].terms[i]) portfolio_terms_destroy(&bench->groups[g].terms[i]);
        }
    }
}
