#include "tests/bench/postgres_fill.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "workers/retriever/postgres_values.h"
#include "workers/retriever/scan.h"
#include "workers/retriever/terms.h"

enum {
    DOCUMENT_CHUNKS = 20,
    CHUNK_WORDS = 80, /* stop words apart: about 1,000 characters with them */
    COPY_BYTES = 1 << 18,
};

static void fail(PGconn *db, const char *what)
{
    fprintf(stderr, "%s: %s", what, PQerrorMessage(db));
    exit(1);
}

double fill_ask(PGconn *db, const char *sql)
{
    PGresult *result = PQexec(db, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(db, sql);
    double value = PQntuples(result) ? strtod(PQgetvalue(result, 0, 0), NULL) : 0;
    PQclear(result);
    return value;
}

/* --- COPY, some rows at a time --- */

struct copy {
    PGconn *db;
    const char *sql;
    struct buffer rows; /* postgres_row's */
};

static void copy_send(struct copy *copy)
{
    if (!copy->rows.len) return;
    postgres_rows_end(&copy->rows);
    PGresult *result = PQexec(copy->db, copy->sql);
    if (PQresultStatus(result) != PGRES_COPY_IN) fail(copy->db, copy->sql);
    PQclear(result);
    if (PQputCopyData(copy->db, copy->rows.data, (int)copy->rows.len) < 0 ||
        PQputCopyEnd(copy->db, NULL) < 0)
        fail(copy->db, "COPY");
    for (; (result = PQgetResult(copy->db)); PQclear(result))
        if (PQresultStatus(result) != PGRES_COMMAND_OK) fail(copy->db, "COPY");
    copy->rows.len = 0;
}

/* After each row. */
static void copy_go_on(struct copy *copy)
{
    if (copy->rows.len > COPY_BYTES) copy_send(copy);
}

static void copy_end(struct copy *copy)
{
    copy_send(copy);
    buffer_free(&copy->rows);
}

/* --- a portfolio --- */

static void insert_documents(const struct fill *fill, uint64_t id, size_t chunks)
{
    char sql[1200];
    uint64_t first = fill->documents + 1, last = first + (chunks - 1) / DOCUMENT_CHUNKS;
    snprintf(sql, sizeof(sql),
             "INSERT INTO portfolios (id, tenant, name, embedder, documents, chunks)"
             " VALUES (%" PRIu64 ", 'default', 'bench', '%s', %" PRIu64 ", %zu)",
             id, fill->embedder, last - first + 1, chunks);
    fill_ask(fill->db, sql);
    snprintf(sql, sizeof(sql),
             "INSERT INTO documents (id, portfolio_id, source, title, given_title, format,"
             " metadata, hash, bytes, status, first_chunk, chunks)"
             " SELECT n, %" PRIu64 ", '', 'Made up', '', 'text', '{}', '', 1, 'stored',"
             " %" PRIu64 " + at, least(%d, %zu - at) FROM generate_series(%" PRIu64 ", %" PRIu64
             ") n, LATERAL (SELECT (n - %" PRIu64 ") * %d AS at) a",
             id, fill->chunks + 1, DOCUMENT_CHUNKS, chunks, first, last, first, DOCUMENT_CHUNKS);
    fill_ask(fill->db, sql);
}

static void put_chunk(struct copy *copy, const struct fill *fill, size_t at)
{
    struct buffer text = {0}, terms = {0};
    uint64_t position = at % DOCUMENT_CHUNKS;
    made_up_words(fill->made, CHUNK_WORDS, &text);
    terms_encode(language_find(SLICE("en")), SLICE(""), SLICE(""), buffer_slice(&text), &terms);
    postgres_row(&copy->rows, "iiiiittbbt", fill->chunks + 1 + at,
                 fill->documents + 1 + at / DOCUMENT_CHUNKS, position, position * 1000,
                 position * 1000 + text.len, SLICE("en"), SLICE(""), SLICE(""),
                 buffer_slice(&terms), buffer_slice(&text));
    copy_go_on(copy);
    buffer_free(&text);
    buffer_free(&terms);
}

static void copy_chunks(const struct fill *fill, size_t chunks)
{
    struct copy copy = {
        .db = fill->db,
        .sql = "COPY chunks (id, document_id, position, start, \"end\", language, heading, hash,"
               " terms, text) FROM STDIN BINARY"};
    for (size_t i = 0; i < chunks; i++) put_chunk(&copy, fill, i);
    copy_end(&copy);
}

/* A float32 scale, then a byte a dimension. */
static void pack_vector(const float *vector, size_t dimensions, int8_t *bytes,
                        struct buffer *packed)
{
    int32_t sum;
    float scale = scan_quantise(vector, dimensions, bytes, &sum);
    packed->len = 0;
    buffer_append(packed, &scale, sizeof(scale));
    buffer_append(packed, bytes, dimensions);
}

static void copy_vectors(const struct fill *fill, uint64_t id, size_t chunks)
{
    size_t dimensions = fill->made->dimensions;
    float *vector = xcalloc(dimensions, sizeof(*vector));
    int8_t *bytes = xaligned(scan_stride(dimensions));
    struct buffer packed = {0};
    struct copy copy = {.db = fill->db, .sql = "COPY vectors (slot, vector) FROM STDIN BINARY"};
    for (size_t i = 0; i < chunks; i++) {
        uint64_t chunk_id = fill->chunks + 1 + i;
        made_up_stored_vector(fill->made, vector);
        pack_vector(vector, dimensions, bytes, &packed);
        postgres_row(&copy.rows, "ib", 2 * chunk_id, buffer_slice(&packed));
        copy_go_on(&copy);
        if (fill->on_vector) fill->on_vector(fill->context, id, chunk_id, vector);
    }
    copy_end(&copy);
    buffer_free(&packed);
    free(vector);
    free(bytes);
}

void fill_portfolio(struct fill *fill, uint64_t id, size_t chunks)
{
    fill_ask(fill->db, "SET millrace.writes = '1'"); /* as the programs do: no trigger a row */
    insert_documents(fill, id, chunks);
    copy_chunks(fill, chunks);
    copy_vectors(fill, id, chunks);
    fill->documents += (chunks - 1) / DOCUMENT_CHUNKS + 1;
    fill->chunks += chunks;
}

void fill_settle(PGconn *db)
{
    fill_ask(db, "VACUUM ANALYZE");
}
