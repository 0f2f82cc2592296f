/* How long a portfolio in PostgreSQL takes into a retriever's memory, on the empty database that
 * MILLRACE_TEST_STORE names.
 *
 *     postgres.py exec bench_postgres_cold */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/bench/postgres_fill.h"
#include "tests/bench/samples.h"
#include "workers/retriever/store.h"

enum { CHUNKS = 5000, DIMENSIONS = 384, LOADS = 9 };

struct memory {
    struct resident *resident;
    bool done;
};

static void on_begin(void *context, bool whole, struct slice embedder)
{
    struct memory *memory = context;
    (void)whole, (void)embedder;
    memory->resident = resident_new(DIMENSIONS);
}

static void on_put(void *context, const struct resident_chunk *chunk)
{
    resident_put(((struct memory *)context)->resident, chunk);
}

static void on_remove(void *context, uint64_t chunk_id)
{
    resident_remove(((struct memory *)context)->resident, chunk_id);
}

static void on_end(void *context, err_t error, uint64_t version)
{
    (void)version;
    if (error) fprintf(stderr, "refresh: %s\n", error_text(error));
    ((struct memory *)context)->done = true;
}

static const struct store_sink sink = {on_begin, on_put, on_remove, on_end};

/* Microseconds; ends the program unless all chunks came. */
static uint64_t time_load(struct event_base *base, struct store *store)
{
    struct memory memory = {0};
    struct store_refresh refresh = {.portfolio_id = 1, .sink = &sink, .context = &memory};
    uint64_t began_us = clock_us();
    store_refresh(store, &refresh);
    while (!memory.done) event_base_loop(base, EVLOOP_ONCE);
    uint64_t took_us = clock_us() - began_us;
    if (!memory.resident || resident_count(memory.resident) != CHUNKS) exit(1);
    resident_destroy(&memory.resident);
    return took_us;
}

static void make_portfolio(const char *url)
{
    struct made_up made;
    PGconn *db = PQconnectdb(url);
    struct fill fill = {.db = db, .made = &made, .embedder = "hashing-1"};
    made_up_begin(&made, DIMENSIONS, CONTENT_WORDS);
    fill_portfolio(&fill, 1, CHUNKS);
    fill_settle(db);
    made_up_end(&made);
    PQfinish(db);
}

int main(void)
{
    struct store_options options = {
        .url = getenv("MILLRACE_TEST_STORE"), .embedder = "hashing", .connections_max = 6};
    struct event_base *base = event_base_new();
    struct samples times = {0};
    struct store *store;
    log_open("bench_postgres_cold", "warn");
    if (!options.url || store_open(base, &options, &store)) return 2;
    make_portfolio(options.url);
    for (int i = 0; i < LOADS; i++) samples_add(&times, time_load(base, store));
    printf("cold chunks=%d p50_ms=%.3f p99_ms=%.3f\n", CHUNKS,
           (double)samples_quantile(&times, 0.5) / 1e3,
           (double)samples_quantile(&times, 0.99) / 1e3);
    samples_free(&times);
    store_close(&store);
    event_base_free(base);
    return 0;
}
