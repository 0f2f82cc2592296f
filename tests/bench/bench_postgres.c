/* Portfolios in PostgreSQL, on the empty database that MILLRACE_TEST_STORE names: how long a cold
 * one takes into memory, and how well and fast a large one is searched in the database. Chunks are
 * made up: vectors in clusters, as texts have topics; the floor is a bare round trip.
 *
 *     postgres.py exec bench_postgres [CHUNKS] */
#include <libpq-fe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/bench/samples.h"
#include "workers/retriever/store.h"

enum { DIMENSIONS = 384, CLUSTERS = 200, COLD = 5000, QUESTIONS = 200, TOP = 10, CHUNKS = 10000 };

static uint64_t random_state = 88172645463325252u;

/* xorshift64 (Marsaglia 2003): the same numbers in every run. */
static double next_unit(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0 - 0.5;
}

static float centres[CLUSTERS][DIMENSIONS];

static void make_vector(float vector[DIMENSIONS])
{
    const float *centre = centres[(size_t)((next_unit() + 0.5) * CLUSTERS) % CLUSTERS];
    float square = 0;
    for (size_t i = 0; i < DIMENSIONS; i++) {
        vector[i] = centre[i] + (float)next_unit();
        square += vector[i] * vector[i];
    }
    for (size_t i = 0; i < DIMENSIONS; i++) vector[i] /= sqrtf(square);
}

/* --- filling, by plain SQL of the programs' kind --- */

static void run(PGconn *db, const char *sql)
{
    PGresult *result = PQexec(db, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN) {
        fprintf(stderr, "%s: %s", sql, PQerrorMessage(db));
        exit(1);
    }
    PQclear(result);
}

/* float32 scale and a byte a dimension, in hexadecimal. */
static size_t write_vector(const float vector[DIMENSIONS], char *out)
{
    uint8_t packed[sizeof(float) + DIMENSIONS];
    float largest = 0;
    for (size_t i = 0; i < DIMENSIONS; i++) largest = fmaxf(largest, fabsf(vector[i]));
    float scale = largest / 127;
    memcpy(packed, &scale, sizeof(scale));
    for (size_t i = 0; i < DIMENSIONS; i++)
        packed[sizeof(scale) + i] = (uint8_t)(int8_t)lrintf(vector[i] / scale);
    for (size_t i = 0; i < sizeof(packed); i++) sprintf(out + 2 * i, "%02x", packed[i]);
    return 2 * sizeof(packed);
}

static void copy_vectors(PGconn *db, size_t first, size_t count)
{
    char line[64 + 2 * (sizeof(float) + DIMENSIONS)];
    float vector[DIMENSIONS];
    run(db, "COPY vectors FROM STDIN");
    for (size_t i = 0; i < count; i++) {
        make_vector(vector);
        size_t len = (size_t)sprintf(line, "%zu\t\\\\x", 2 * (first + i));
        len += write_vector(vector, line + len);
        line[len++] = '\n';
        if (PQputCopyData(db, line, (int)len) < 0) exit(1);
    }
    if (PQputCopyEnd(db, NULL) < 0) exit(1);
    PQclear(PQgetResult(db));
    while (PQgetResult(db)) continue;
}

/* One document of `count` chunks, each with forty terms out of ten thousand (a length, letters, a
 * count each). */
static uint64_t make_portfolio(PGconn *db, uint64_t id, size_t count)
{
    static size_t chunks;
    char sql[1200];
    size_t first = chunks + 1;
    chunks += count;
    run(db, "SET millrace.writes = '1'");
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO portfolios (id, tenant, name, embedder, documents, chunks)"
        " VALUES (%zu, 'default', 'bench', 'hashing-1', 1, %zu);"
        "INSERT INTO documents (id, portfolio_id, source, title, given_title, format, metadata,"
        " hash, bytes, status, first_chunk, chunks) VALUES (%zu, %zu, '', 'bench', '', 'text',"
        " '{}', '', 1, 'stored', %zu, %zu)",
        (size_t)id, count, (size_t)id, (size_t)id, first, count);
    run(db, sql);
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO chunks (id, document_id, position, start, \"end\", language, heading, hash,"
        " terms, text) SELECT n, %zu, n - %zu, (n - %zu) * 1000, (n - %zu) * 1000 + 999, 'en', '',"
        " '', (SELECT decode(string_agg('06' || encode(('w' || lpad((hashint8(n * 41 + t) & 8191)"
        "::text, 5, '0'))::bytea, 'hex') || '01', ''), 'hex') FROM generate_series(1, 40) t),"
        " repeat('word ', 200) FROM generate_series(%zu::bigint, %zu::bigint) n",
        (size_t)id, first, first, first, first, first + count - 1);
    run(db, sql);
    copy_vectors(db, first, count);
    return id;
}

/* --- a portfolio into memory --- */

struct memory {
    struct resident *resident;
    struct store_refresh refresh;
    bool done;
};

static void on_begin(void *context, bool whole, struct slice embedder)
{
    struct memory *memory = context;
    (void)whole, (void)embedder;
    resident_destroy(&memory->resident);
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
    struct memory *memory = context;
    (void)version;
    if (error) fprintf(stderr, "refresh: %s\n", error_text(error));
    memory->done = true;
}

static const struct store_sink sink = {on_begin, on_put, on_remove, on_end};

static void refresh(struct event_base *base, struct store *store, struct memory *memory,
                    uint64_t id)
{
    memory->refresh = (struct store_refresh){.portfolio_id = id, .sink = &sink, .context = memory};
    memory->done = false;
    store_refresh(store, &memory->refresh);
    while (!memory->done) event_base_loop(base, EVLOOP_ONCE);
}

static void print(const char *name, struct samples *times)
{
    printf("%-52s p50 %8.3f ms   p99 %8.3f ms\n", name, (double)samples_quantile(times, 0.5) / 1e3,
           (double)samples_quantile(times, 0.99) / 1e3);
    samples_free(times);
}

static void measure_cold(struct event_base *base, struct store *store, uint64_t id)
{
    struct samples times = {0};
    for (int i = 0; i < 9; i++) {
        struct memory memory = {0};
        uint64_t began = clock_us();
        refresh(base, store, &memory, id);
        samples_add(&times, clock_us() - began);
        if (resident_count(memory.resident) != COLD) exit(1);
        resident_destroy(&memory.resident);
    }
    print("cold portfolio of 5,000 chunks into memory", &times);
}

/* --- searching in the database --- */

static void on_done(struct store_search *search)
{
    *(bool *)search->context = true;
}

static size_t found_of(const struct resident_hit *got, size_t count,
                       const struct resident_hit *want)
{
    size_t found = 0;
    for (size_t i = 0; i < TOP; i++)
        for (size_t k = 0; k < count; k++) found += got[k].chunk_id == want[i].chunk_id;
    return found;
}

static void measure_search(struct event_base *base, struct store *store, uint64_t id,
                           struct memory *exact, const char *name, bool words, double weight)
{
    struct samples times = {0};
    size_t found = 0, rows = 0;
    for (int i = 0; i < QUESTIONS; i++) {
        float vector[DIMENSIONS];
        char text[64];
        struct resident_hit hits[TOP], want[TOP];
        bool done = false;
        make_vector(vector);
        snprintf(text, sizeof(text), "w%05d w%05d w%05d", i, 3 * i, 7 * i);
        struct resident_query query = {.text = words ? slice_of(text) : (struct slice){0},
                                       .language = language_find(SLICE("en")),
                                       .vector = weight > 0 ? vector : NULL,
                                       .vector_weight = weight,
                                       .top_k = TOP};
        struct store_search search = {.portfolio_id = id,
                                      .query = &query,
                                      .dimensions = DIMENSIONS,
                                      .hits = hits,
                                      .done = on_done,
                                      .context = &done};
        uint64_t began = clock_us();
        store_search(store, &search);
        while (!done) event_base_loop(base, EVLOOP_ONCE);
        samples_add(&times, clock_us() - began);
        rows += search.count;
        resident_search(exact->resident, &query, want);
        found += found_of(hits, search.count, want);
    }
    print(name, &times);
    printf("%-52s recall@10 %.3f   rows %.1f of %d\n", "", (double)found / QUESTIONS / TOP,
           (double)rows / QUESTIONS, TOP);
}

static void measure_floor(PGconn *db)
{
    struct samples times = {0};
    for (int i = 0; i < 1000; i++) {
        uint64_t began = clock_us();
        run(db, "SELECT 1");
        samples_add(&times, clock_us() - began);
    }
    print("floor: SELECT 1", &times);
}

/* Waits until the large portfolio has its tables. */
static void settle(struct event_base *base, struct store *store, struct memory *memory, uint64_t id)
{
    uint64_t began = clock_us();
    do refresh(base, store, memory, id);
    while (!memory->refresh.in_store);
    printf("%-52s %.1f s\n", "tables and indexes of the large one made",
           (double)(clock_us() - began) / 1e6);
}

static void open_store(struct event_base *base, const char *url, uint64_t chunks_max,
                       struct store **store)
{
    struct store_options options = {
        .url = url,
        .embedder = "hashing",
        .connections_max = 6,
        .index = {.chunks_max = chunks_max, .m = 16, .ef_construction = 64, .ef_search = 100}};
    if (store_open(base, &options, store)) exit(1);
}

int main(int argc, char **argv)
{
    const char *url = getenv("MILLRACE_TEST_STORE");
    size_t chunks = argc > 1 ? strtoul(argv[1], NULL, 10) : CHUNKS;
    struct event_base *base = event_base_new();
    struct memory exact = {0}, none = {0};
    struct store *store;
    log_open("bench_postgres", "warn");
    if (!url || chunks <= COLD) return 2;
    for (size_t i = 0; i < CLUSTERS; i++)
        for (size_t k = 0; k < DIMENSIONS; k++) centres[i][k] = (float)next_unit();
    open_store(base, url, 0, &store); /* makes the schema; holds everything in memory */
    PGconn *db = PQconnectdb(url);
    uint64_t cold = make_portfolio(db, 1001, COLD), large = make_portfolio(db, 1002, chunks);
    measure_floor(db);
    measure_cold(base, store, cold);
    refresh(base, store, &exact, large);
    store_close(&store);
    open_store(base, url, COLD, &store);
    printf("large portfolio: %zu chunks of %d dimensions\n", chunks, DIMENSIONS);
    settle(base, store, &none, large);
    measure_search(base, store, large, &exact, "vectors alone", false, 1);
    measure_search(base, store, large, &exact, "words alone", true, 0);
    measure_search(base, store, large, &exact, "both", true, 0.5);
    measure_floor(db);
    store_close(&store);
    PQfinish(db);
    resident_destroy(&exact.resident);
    resident_destroy(&none.resident);
    event_base_free(base);
    return 0;
}
