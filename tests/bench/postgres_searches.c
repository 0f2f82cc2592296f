/* What bench_postgres measures: searches by the store's own interface, as the retriever's loop
 * makes them, one at a time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/bench/postgres_fill.h"
#include "tests/bench/postgres_groups.h"
#include "tests/bench/samples.h"
#include "workers/embedder/embedder.h"

enum { WARM_UP = 60, FLOORS = 1000 };

static const struct leg {
    const char *name;
    bool words, vectors;
} legs[] = {{"vectors", false, true}, {"words", true, false}, {"both", true, true}};

struct result {
    struct samples ns;
    size_t found, nearest, rows, rows_wanted, errors;
};

static void on_done(struct store_search *search)
{
    *(bool *)search->context = true;
}

static void search_once(struct bench *bench, struct store *store, const struct leg *leg,
                        const struct group *group, const struct question *question,
                        struct result *result)
{
    const struct embedder_info *info = embedder_find(slice_of(bench->embedder));
    struct resident_hit hits[EXACT_TOP];
    uint64_t ids[EXACT_TOP];
    bool done = false;
    struct resident_query query = {.text = leg->words ? buffer_slice(&question->text)
                                                      : (struct slice){0},
                                   .language = language_find(SLICE("en")),
                                   .vector = leg->vectors ? question->vector : NULL,
                                   .vector_weight = !leg->vectors ? 0
                                                    : leg->words  ? info->vector_weight
                                                                  : 1,
                                   .top_k = EXACT_TOP};
    struct store_search search = {.portfolio_id = question->portfolio_id,
                                  .query = &query,
                                  .terms = group->terms[question->portfolio_id - group->first_id],
                                  .dimensions = bench->dimensions,
                                  .hits = hits,
                                  .done = on_done,
                                  .context = &done};
    uint64_t began_ns = clock_ns();
    store_search(store, &search);
    while (!done) event_base_loop(bench->base, EVLOOP_ONCE);
    samples_add(&result->ns, clock_ns() - began_ns);
    for (size_t i = 0; i < search.count; i++) ids[i] = hits[i].chunk_id;
    result->found += nearest_among(&question->nearest, ids, search.count);
    result->nearest += question->nearest.count;
    result->rows += search.count;
    result->rows_wanted += MIN(group->chunks, (size_t)EXACT_TOP);
    result->errors += search.error != OK;
}

static void search_all(struct bench *bench, struct store *store, const struct leg *leg,
                       const struct group *group, size_t count, struct result *result)
{
    *result = (struct result){0};
    for (size_t i = 0; i < count; i++)
        search_once(bench, store, leg, group, &group->questions[i % QUESTIONS], result);
    if (result->errors) {
        fprintf(stderr, "%s: %zu of %zu searches failed\n", leg->name, result->errors, count);
        exit(1);
    }
}

static double quantile_ms(struct samples *ns, double share)
{
    return (double)samples_quantile(ns, share) / 1e6;
}

static void measure(struct bench *bench, size_t round, size_t ef, const struct leg *leg,
                    const struct group *group)
{
    struct result result;
    search_all(bench, bench->stores[ef], leg, group, QUESTIONS, &result);
    printf("search round=%zu group=%td ef=%" PRIu64 " leg=%s p50_ms=%.3f p99_ms=%.3f rows=%.3f",
           round, group - bench->groups, bench->efs[ef], leg->name, quantile_ms(&result.ns, 0.5),
           quantile_ms(&result.ns, 0.99), (double)result.rows / (double)result.rows_wanted);
    if (!leg->words) printf(" recall=%.4f", (double)result.found / (double)result.nearest);
    printf("\n");
    samples_free(&result.ns);
}

static void measure_floor(struct bench *bench, size_t round)
{
    struct samples ns = {0};
    for (int i = 0; i < FLOORS; i++) {
        uint64_t began_ns = clock_ns();
        fill_ask(bench->db, "SELECT 1");
        samples_add(&ns, clock_ns() - began_ns);
    }
    printf("floor round=%zu p50_ms=%.3f p99_ms=%.3f\n", round, quantile_ms(&ns, 0.5),
           quantile_ms(&ns, 0.99));
    samples_free(&ns);
}

static void measure_group(struct bench *bench, size_t round, const struct group *group)
{
    for (size_t leg = 0; leg < ARRAY_LEN(legs); leg++)
        for (size_t ef = 0; ef < bench->ef_count; ef++)
            measure(bench, round, ef, &legs[leg], group);
}

/* Connections, caches and what a connection learns of each portfolio. */
void searches_warm_up(struct bench *bench)
{
    struct result result;
    for (size_t ef = 0; ef < bench->ef_count; ef++) {
        for (size_t i = 0; i < bench->group_count; i++) {
            const struct group *group = &bench->groups[i];
            search_all(bench, bench->stores[ef], &legs[ARRAY_LEN(legs) - 1], group,
                       MAX((size_t)WARM_UP, 2 * group->count), &result);
            samples_free(&result.ns);
        }
    }
}

void searches_measure(struct bench *bench, size_t round)
{
    measure_floor(bench, round);
    for (size_t i = 0; i < bench->group_count; i++) measure_group(bench, round, &bench->groups[i]);
}
