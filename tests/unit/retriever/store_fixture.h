/* A fresh store for each test, and calls that turn the loop until they are done. The tests that use
 * only this know no backend: MILLRACE_TEST_STORE names a PostgreSQL server for them, on which each
 * test has a database of its own (tests/support/postgres.py starts one); without it they use files.
 */
#ifndef MILLRACE_TESTS_STORE_FIXTURE_H
#define MILLRACE_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/codec.h"
#include "workers/embedder/embedder.h"
#include "workers/retriever/store.h"

#define WAIT_MS    10000
#define VERSIONS   64
#define DIMENSIONS 384

struct heard {
    struct version_of versions[VERSIONS];
    size_t count;
    uint64_t pending; /* the portfolio last told of */
    size_t pendings;
};

struct fixture {
    struct event_base *base;
    struct event *tick; /* the loop turns also where nothing happens: deadlines are looked at */
    struct store *store;
    struct arena arena;
    struct heard heard;
    struct index_options index;    /* of stores opened from now on */
    struct portfolio_terms *terms; /* of the last portfolio that a store said it searches */
    char folder[64];
    char database[64]; /* empty: a file */
    char url[256];
};

static inline void fixture_on_version(void *context, const char *kind, uint64_t id,
                                      uint64_t version)
{
    struct heard *heard = context;
    if (heard->count < VERSIONS)
        heard->versions[heard->count++] = (struct version_of){0, slice_of(kind), id, version};
}

static inline void fixture_on_pending(void *context, uint64_t portfolio_id)
{
    struct heard *heard = context;
    heard->pending = portfolio_id;
    heard->pendings++;
}

/* Runs SQL on the server, in the database that the environment names. */
static inline bool fixture_on_server(const char *sql)
{
    PGconn *server = PQconnectdb(getenv("MILLRACE_TEST_STORE"));
    PGresult *result = PQexec(server, sql);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!done) fprintf(stderr, "%s: %s", sql, PQerrorMessage(server));
    PQclear(result);
    PQfinish(server);
    return done;
}

/* A database for this test, and its URL: postgresql:///DATABASE?host=... */
static inline bool fixture_make_database(struct fixture *f)
{
    static unsigned number;
    const char *server = getenv("MILLRACE_TEST_STORE"), *options = strchr(server, '?');
    char sql[128];
    snprintf(f->database, sizeof(f->database), "test_%d_%u", (int)getpid(), number++);
    snprintf(f->url, sizeof(f->url), "postgresql:///%s%s", f->database, options ? options : "");
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", f->database);
    return fixture_on_server(sql);
}

static inline void fixture_drop_database(struct fixture *f)
{
    char sql[128];
    if (!*f->database) return;
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", f->database);
    fixture_on_server(sql);
}

static inline err_t fixture_open(struct fixture *f, struct store **store)
{
    static const struct store_listener listener = {fixture_on_version, fixture_on_pending};
    struct store_options options = {
        .url = f->url,
        .embedder = "hashing",
        .history_messages_max = 4,
        .document_bytes_max = 100000,
        .answer_ttl_ms = 3600000,
        .connections_max = 5,
        .index = f->index,
        .listener = &listener,
        .listener_context = &f->heard,
    };
    return store_open(f->base, &options, store);
}

static inline void fixture_on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
}

static inline int fixture_setup(void **state)
{
    static const struct timeval interval = {.tv_usec = 20000};
    struct fixture *f = xcalloc(1, sizeof(*f));
    log_open("test", "error");
    strcpy(f->folder, "/tmp/millrace-store-XXXXXX");
    if (!mkdtemp(f->folder)) return -1;
    snprintf(f->url, sizeof(f->url), "sqlite:%s/deep/store.db", f->folder);
    if (getenv("MILLRACE_TEST_STORE") && !fixture_make_database(f)) return -1;
    f->base = event_base_new();
    f->terms = portfolio_terms_new();
    f->tick = event_new(f->base, -1, EV_PERSIST, fixture_on_tick, NULL);
    event_add(f->tick, &interval);
    *state = f;
    return fixture_open(f, &f->store) ? -1 : 0;
}

static inline int fixture_remove_one(const char *path, const struct stat *info, int type,
                                     struct FTW *ftw)
{
    (void)info, (void)type, (void)ftw;
    return remove(path);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    store_close(&f->store);
    portfolio_terms_destroy(&f->terms);
    fixture_drop_database(f);
    event_free(f->tick);
    event_base_free(f->base);
    arena_free(&f->arena);
    nftw(f->folder, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* Turns the loop until *done, or fails the test. */
static inline void fixture_wait(struct fixture *f, const bool *done)
{
    uint64_t until = clock_ms() + WAIT_MS;
    while (!*done && clock_ms() < until) event_base_loop(f->base, EVLOOP_ONCE);
    assert_true(*done);
}

/* --- calls --- */

struct made_call {
    struct store_call call;
    struct buffer request, embedding;
    bool done;
};

static inline void made_done(struct store_call *call)
{
    ((struct made_call *)call->context)->done = true;
}

static inline void call_begin(struct store *store, struct made_call *made, enum kind kind,
                              const char *op, const struct record_type *type, const void *request)
{
    memset(made, 0, sizeof(*made));
    record_encode(type ? type : kind_info(kind)->request(), request, &made->request);
    made->call = (struct store_call){.kind = kind,
                                     .op = slice_of(op),
                                     .request = buffer_slice(&made->request),
                                     .done = made_done,
                                     .context = made};
    store_call(store, &made->call);
}

/* Decodes the result into `result` (of the kind's type, or `type`), copied into the test's arena.
 */
static inline err_t call_end(struct fixture *f, struct made_call *made,
                             const struct record_type *type, void *result)
{
    fixture_wait(f, &made->done);
    err_t error = made->call.error;
    if (!error && result) {
        struct slice bytes = arena_slice(&f->arena, buffer_slice(&made->call.result));
        error = record_decode(type ? type : kind_info(made->call.kind)->result(), bytes, &f->arena,
                              result);
    }
    store_call_free(&made->call);
    buffer_free(&made->request);
    buffer_free(&made->embedding);
    return error;
}

static inline err_t call_on(struct fixture *f, struct store *store, enum kind kind, const char *op,
                            const void *request, void *result)
{
    struct made_call made;
    call_begin(store, &made, kind, op, NULL, request);
    return call_end(f, &made, NULL, result);
}

static inline err_t call(struct fixture *f, enum kind kind, const void *request, void *result)
{
    return call_on(f, f->store, kind, NULL, request, result);
}

/* --- what most tests need --- */

static inline uint64_t make_portfolio(struct fixture *f, const char *tenant)
{
    struct portfolio made;
    struct put_portfolio put = {.tenant = slice_of(tenant), .portfolio = {.name = SLICE("notes")}};
    assert_int_equal(call(f, KIND_PORTFOLIO_CREATE, &put, &made), OK);
    assert_true(made.id > 0);
    return made.id;
}

static inline err_t put_document(struct fixture *f, uint64_t portfolio_id, const char *source,
                                 const char *content, struct document *result)
{
    struct documents made;
    struct document given = {.content = slice_of(content), .source = slice_of(source)};
    struct put_documents put = {.portfolio_id = portfolio_id, .documents = {&given, 1}};
    err_t error = call(f, KIND_DOCUMENT_PUT, &put, &made);
    if (!error) *result = *(const struct document *)made.data.items;
    return error;
}

static inline void assert_text(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr ? got.ptr : "", want, got.len);
}

static inline uint64_t portfolio_version(struct fixture *f, uint64_t id)
{
    struct portfolio portfolio;
    assert_int_equal(call(f, KIND_PORTFOLIO_GET, &(struct select){.id = id}, &portfolio), OK);
    return portfolio.version;
}

/* --- portfolios in memory, without a resident index: just what the store tells --- */

struct loaded {
    uint64_t ids[4096], documents[4096];
    bool vectors[4096];
    size_t count;
    size_t begins, wholes, puts, removes;
    struct store_refresh refresh;
    err_t error;
    bool done;
};

static inline void loaded_remove(void *context, uint64_t id)
{
    struct loaded *loaded = context;
    loaded->removes++;
    for (size_t i = 0; i < loaded->count; i++)
        if (loaded->ids[i] == id) {
            loaded->count--;
            loaded->ids[i] = loaded->ids[loaded->count];
            loaded->documents[i] = loaded->documents[loaded->count];
            loaded->vectors[i] = loaded->vectors[loaded->count];
            return;
        }
}

static inline void loaded_begin(void *context, bool whole, struct slice embedder)
{
    struct loaded *loaded = context;
    assert_text(embedder, "hashing-1");
    loaded->begins++;
    loaded->wholes += whole;
    if (whole) loaded->count = 0;
}

static inline void loaded_put(void *context, const struct resident_chunk *chunk)
{
    struct loaded *loaded = context;
    loaded_remove(context, chunk->id);
    loaded->removes--;
    loaded->puts++;
    assert_true(loaded->count < ARRAY_LEN(loaded->ids));
    assert_true(chunk->terms.len > 0);
    loaded->ids[loaded->count] = chunk->id;
    loaded->documents[loaded->count] = chunk->document_id;
    loaded->vectors[loaded->count++] = chunk->vector;
}

static inline void loaded_end(void *context, err_t error, uint64_t version)
{
    struct loaded *loaded = context;
    loaded->error = error;
    loaded->done = true;
    if (!error) loaded->refresh.since = version;
    if (!error) loaded->refresh.embedder = SLICE("hashing-1");
}

static inline err_t refresh_on(struct fixture *f, struct store *store, struct loaded *loaded,
                               uint64_t portfolio_id)
{
    static const struct store_sink sink = {loaded_begin, loaded_put, loaded_remove, loaded_end};
    loaded->done = false;
    loaded->begins = loaded->wholes = loaded->puts = loaded->removes = 0;
    loaded->refresh.portfolio_id = portfolio_id;
    loaded->refresh.sink = &sink;
    loaded->refresh.context = loaded;
    loaded->refresh.terms = f->terms;
    store_refresh(store, &loaded->refresh);
    fixture_wait(f, &loaded->done);
    return loaded->error;
}

/* --- the two stages of `index` --- */

struct leased {
    err_t error;
    struct index_request request;
    struct context texts;
};

static inline struct leased lease_batch(struct fixture *f, uint64_t portfolio_id, const char *op)
{
    struct made_call made;
    struct leased leased = {0};
    call_begin(f->store, &made, KIND_INDEX, op, NULL,
               &(struct select){.portfolio_id = portfolio_id});
    fixture_wait(f, &made.done);
    struct slice texts = arena_slice(&f->arena, buffer_slice(&made.call.passages));
    assert_int_equal(record_decode(context_type(), texts, &f->arena, &leased.texts), OK);
    leased.error = call_end(f, &made, index_request_type(), &leased.request);
    return leased;
}

/* Gives every chunk of the batch a vector. */
static inline err_t store_batch(struct fixture *f, const struct leased *leased,
                                const char *embedder, const char *op, struct documents *result)
{
    struct made_call made = {0};
    size_t count = leased->request.chunks.count;
    float *vectors = arena_alloc(&f->arena, count * DIMENSIONS * sizeof(float));
    for (size_t i = 0; i < count; i++) vectors[i * DIMENSIONS + i % DIMENSIONS] = 1;
    struct embedding embedding = {
        .embedder = slice_of(embedder),
        .dimensions = DIMENSIONS,
        .count = count,
        .vectors = {(const char *)vectors, count * DIMENSIONS * sizeof(float)}};
    record_encode(index_request_type(), &leased->request, &made.request);
    record_encode(embedding_type(), &embedding, &made.embedding);
    made.call = (struct store_call){.kind = KIND_INDEX,
                                    .stage = 2,
                                    .op = slice_of(op),
                                    .request = buffer_slice(&made.request),
                                    .embedding = buffer_slice(&made.embedding),
                                    .done = made_done,
                                    .context = &made};
    store_call(f->store, &made.call);
    return call_end(f, &made, NULL, result);
}

#endif
