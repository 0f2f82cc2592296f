/* Vectors that follow a stored document: lease a batch of chunks that wait, store what came back.
 *
 *     waiting ──lease──▶ leased ──store──▶ has its vector
 *        ▲                 ├── released: the embedder failed, the lease does not count
 *        └─────────────────┴── released or expired: it does. Each time the batch it goes in is
 *                              smaller; after LEASES_MAX the chunk is alone to blame, and its
 *                              document `failed`
 *
 * A batch is of one embedder: of the one that answers first, then of the one that the portfolio is
 * being rebuilt for (sql_embedders.c). Storing looks at chunk id and content hash, not at the
 * lease: a late vector of the same text is as good. Vectors are kept as int8 with a scale each: a
 * quarter of float32's bytes to write and to load, and the index in memory holds just that. */
#include <math.h>

#include "proto/codec.h"
#include "workers/embedder/embedder.h"
#include "workers/retriever/sql_store.h"

#define LEASE_MS    30000
#define LEASES_MAX  5
#define BATCH_MAX   64
#define BATCH_BYTES (128 * 1024)

/* Chunks in a batch, by how often one of them was leased in vain. */
static const size_t batch_max[LEASES_MAX] = {BATCH_MAX, BATCH_MAX, 8, 1, 1};

struct waiting {
    uint64_t chunk_id, document_id, leases, bytes;
    struct slice hash, error;
};

/* --- leasing --- */

static err_t read_waiting(struct work *work, uint64_t portfolio_id, uint64_t side,
                          struct waiting *waiting, size_t *count)
{
    struct rows rows =
        db_select(work->db,
                  "SELECT c.id, u.document_id, u.leases, octet_length(c.text), c.hash,"
                  " u.error FROM unindexed u JOIN chunks c ON c.id = u.slot / 2"
                  " WHERE u.portfolio_id = ? AND u.side = ? AND u.expires <= ?"
                  " ORDER BY u.expires, u.slot LIMIT ?",
                  "iiii", portfolio_id, side, db_now_ms(work->db), (uint64_t)BATCH_MAX);
    for (*count = 0; *count < BATCH_MAX && rows_next(&rows); ++*count)
        waiting[*count] = (struct waiting){
            .chunk_id = rows_u64(&rows, 0),
            .document_id = rows_u64(&rows, 1),
            .leases = rows_u64(&rows, 2),
            .bytes = rows_u64(&rows, 3),
            .hash = arena_slice(&work->arena, rows_blob(&rows, 4)),
            .error = rows_copy(&rows, 5, &work->arena),
        };
    return rows_end(&rows);
}

static err_t document_fail(struct work *work, const struct waiting *waiting, uint64_t side)
{
    struct slice code = waiting->error;
    if (!code.len) code = slice_of(error_code(ERR_EMBEDDER_UNAVAILABLE));
    err_t error = db_run(work->db, "UPDATE documents SET status = 'failed', error = ? WHERE id = ?",
                         "ti", code, waiting->document_id);
    if (error) return error;
    return db_run(work->db, "DELETE FROM unindexed WHERE document_id = ? AND side = ?", "ii",
                  waiting->document_id, side);
}

/* The waiting chunks, once the hopeless ones are out of the way. */
static err_t find_waiting(struct work *work, uint64_t portfolio_id, uint64_t side,
                          struct waiting *waiting, size_t *count)
{
    bool again = true;
    err_t error = OK;
    while (!error && again) {
        again = false;
        error = read_waiting(work, portfolio_id, side, waiting, count);
        for (size_t i = 0; !error && i < *count; i++)
            if (waiting[i].leases >= LEASES_MAX) {
                error = document_fail(work, &waiting[i], side);
                again = true;
            }
    }
    return error;
}

/* The side that has something to lease now; SIDES if none has. */
static err_t choose_side(struct work *work, const struct embedders *embedders,
                         struct waiting *waiting, size_t *count, uint64_t *chosen)
{
    const uint64_t order[SIDES] = {embedders->side, !embedders->side};
    err_t error = OK;
    *chosen = SIDES;
    *count = 0;
    for (size_t i = 0; !error && !*count && i < SIDES; i++) {
        bool holds = !embedders->names[order[i]].len;
        if (!holds) error = trouble_holds(work, embedders->portfolio_id, order[i], &holds);
        if (error || holds) continue;
        error = find_waiting(work, embedders->portfolio_id, order[i], waiting, count);
        if (*count) *chosen = order[i];
    }
    return error;
}

/* How many from the front go together. */
static size_t batch_size(const struct waiting *waiting, size_t count)
{
    size_t limit = BATCH_MAX, bytes = 0, n = 0;
    for (; n < count; n++) {
        limit = MIN(limit, batch_max[waiting[n].leases]);
        bytes += waiting[n].bytes;
        if (n && (n >= limit || bytes > BATCH_BYTES)) break;
    }
    return n;
}

/* Leased chunks with consecutive ids, from the front of a list: mostly all of it. They are read and
 * written by one statement together. */
struct run {
    const struct index_chunk *chunks;
    size_t count;
    uint64_t first, last;
};

static struct run run_of(const struct index_chunk *chunks, size_t count)
{
    struct run run = {chunks, 1, chunks->chunk_id, chunks->chunk_id};
    while (run.count < count && chunks[run.count].chunk_id == run.last + 1) {
        run.count++;
        run.last++;
    }
    return run;
}

static err_t lease_run(struct work *work, const struct run *run, uint64_t side)
{
    return db_run(work->db,
                  "UPDATE unindexed SET leases = leases + 1, expires = ?"
                  " WHERE slot BETWEEN ? AND ? AND side = ?",
                  "iiii", db_now_ms(work->db) + LEASE_MS, slot_of(run->first, side),
                  slot_of(run->last, side), side);
}

static err_t lease_batch(struct work *work, const struct embedders *embedders, uint64_t side,
                         const struct waiting *waiting, size_t count, struct index_request *leased)
{
    struct index_chunk *chunks = arena_alloc(&work->arena, count * sizeof(*chunks));
    err_t error = OK;
    for (size_t i = 0; i < count; i++)
        chunks[i] = (struct index_chunk){.chunk_id = waiting[i].chunk_id, .hash = waiting[i].hash};
    for (size_t at = 0; !error && at < count;) {
        struct run run = run_of(&chunks[at], count - at);
        error = lease_run(work, &run, side);
        at += run.count;
    }
    *leased = (struct index_request){.tenant = embedders->tenant,
                                     .portfolio_id = embedders->portfolio_id,
                                     .embedder = embedders->names[side],
                                     .chunks = {chunks, count}};
    return error;
}

err_t index_lease(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct embedders embedders;
    struct waiting waiting[BATCH_MAX];
    size_t waits = 0;
    uint64_t side, portfolio_id = select->portfolio_id ? select->portfolio_id : select->id;
    err_t error = embedders_read(work, portfolio_id, &embedders);
    if (error || !embedders.portfolio_id) return error;
    error = choose_side(work, &embedders, waiting, &waits, &side);
    if (error || !waits) return error ? error : rebuild_settle(work, portfolio_id);
    size_t count = batch_size(waiting, waits);
    if (count < waits || waits == BATCH_MAX) work->call->pending = portfolio_id;
    return lease_batch(work, &embedders, side, waiting, count, result);
}

/* What is embedded of each that was leased; one that has gone meanwhile keeps its place, empty. */
static err_t read_texts(struct work *work, const struct run *run, struct passage *passages)
{
    struct arena *arena = &work->arena;
    struct rows rows = db_select(work->db,
                                 "SELECT c.id, c.document_id, d.title, c.heading, c.text"
                                 " FROM chunks c JOIN documents d ON d.id = c.document_id"
                                 " WHERE c.id BETWEEN ? AND ?",
                                 "ii", run->first, run->last);
    for (size_t i = 0; i < run->count; i++) passages[i].chunk_id = run->first + i;
    while (rows_next(&rows)) {
        struct passage *passage = &passages[rows_u64(&rows, 0) - run->first];
        passage->document_id = rows_u64(&rows, 1);
        passage->title = rows_copy(&rows, 2, arena);
        passage->heading = rows_copy(&rows, 3, arena);
        passage->text = rows_copy(&rows, 4, arena);
    }
    return rows_end(&rows);
}

err_t index_passages(struct work *work)
{
    struct index_request leased;
    struct context context = {0};
    struct slice bytes = buffer_slice(&work->call->result);
    err_t error = record_decode(index_request_type(), bytes, &work->arena, &leased);
    const struct index_chunk *chunks = leased.chunks.items;
    size_t count = leased.chunks.count;
    struct passage *passages = arena_alloc(&work->arena, count * sizeof(*passages));
    for (size_t at = 0; !error && at < count;) {
        struct run run = run_of(&chunks[at], count - at);
        error = read_texts(work, &run, &passages[at]);
        at += run.count;
    }
    context.portfolio_id = leased.portfolio_id;
    context.passages = (struct list){passages, count};
    if (!error && count) record_encode(context_type(), &context, &work->call->passages);
    if (!count) buffer_free(&work->call->result);
    return error;
}

/* --- storing --- */

/* True when the vectors are whole: one for each chunk, of the embedder's dimensions, finite. */
static bool embedding_fits(const struct embedding *embedding, size_t chunks)
{
    const struct embedder_info *info = embedder_find(embedding->embedder);
    float value;
    if (!info || embedding->dimensions != info->dimensions || embedding->count != chunks ||
        embedding->vectors.len != chunks * info->dimensions * sizeof(float))
        return false;
    for (size_t at = 0; at < embedding->vectors.len; at += sizeof(value)) {
        memcpy(&value, embedding->vectors.ptr + at, sizeof(value));
        if (!isfinite(value)) return false;
    }
    return true;
}

/* float32 scale, then a signed byte a dimension: value = scale * byte. */
static struct slice quantise(struct work *work, const char *vector, size_t dimensions)
{
    char *packed = arena_alloc(&work->arena, sizeof(float) + dimensions);
    float value, largest = 0;
    for (size_t i = 0; i < dimensions; i++) {
        memcpy(&value, vector + i * sizeof(value), sizeof(value));
        largest = fmaxf(largest, fabsf(value));
    }
    float scale = largest / 127;
    memcpy(packed, &scale, sizeof(scale));
    for (size_t i = 0; i < dimensions; i++) {
        memcpy(&value, vector + i * sizeof(value), sizeof(value));
        packed[sizeof(scale) + i] = (char)(int8_t)(scale > 0 ? lrintf(value / scale) : 0);
    }
    return (struct slice){packed, sizeof(scale) + dimensions};
}

/* The document of each chunk whose vector is waited for; 0 where nobody does any more. */
static err_t read_wanted(struct work *work, const struct run *run, uint64_t side,
                         uint64_t *documents)
{
    struct rows rows = db_select(work->db,
                                 "SELECT c.id, u.document_id, c.hash FROM unindexed u"
                                 " JOIN chunks c ON c.id = u.slot / 2"
                                 " WHERE u.slot BETWEEN ? AND ? AND u.side = ?",
                                 "iii", slot_of(run->first, side), slot_of(run->last, side), side);
    memset(documents, 0, run->count * sizeof(*documents));
    while (rows_next(&rows)) {
        uint64_t at = rows_u64(&rows, 0) - run->first;
        if (slice_equal(rows_blob(&rows, 2), run->chunks[at].hash))
            documents[at] = rows_u64(&rows, 1);
    }
    return rows_end(&rows);
}

/* Adds the document to the list of those that are `stored` now, if it is. */
static err_t document_complete(struct work *work, uint64_t id, uint64_t side,
                               struct documents *result)
{
    struct document *data = result->data.items;
    struct rows rows = db_select(
        work->db,
        "UPDATE documents SET status = 'stored', error = '' WHERE id = ?1 AND status = 'indexing'"
        " AND NOT EXISTS (SELECT 1 FROM unindexed WHERE document_id = ?1 AND side = ?2)"
        " RETURNING portfolio_id, version, title, source, chunks, bytes",
        "ii", id, side);
    while (rows_next(&rows))
        data[result->data.count++] = (struct document){
            .id = id,
            .portfolio_id = rows_u64(&rows, 0),
            .version = rows_u64(&rows, 1),
            .title = rows_copy(&rows, 2, &work->arena),
            .source = rows_copy(&rows, 3, &work->arena),
            .chunks = rows_u64(&rows, 4),
            .bytes = rows_u64(&rows, 5),
            .status = SLICE("stored"),
        };
    return rows_end(&rows);
}

/* The vectors that were stored: runs of consecutive chunks, and their documents. */
struct stored {
    uint64_t first[BATCH_MAX], last[BATCH_MAX], documents[BATCH_MAX];
    size_t runs, document_count;
};

static void note_stored(struct stored *stored, uint64_t chunk_id, uint64_t document_id)
{
    if (stored->runs && stored->last[stored->runs - 1] + 1 == chunk_id) {
        stored->last[stored->runs - 1] = chunk_id;
    } else {
        stored->first[stored->runs] = chunk_id;
        stored->last[stored->runs++] = chunk_id;
    }
    size_t n = stored->document_count;
    if (!n || stored->documents[n - 1] != document_id)
        stored->documents[stored->document_count++] = document_id;
}

static err_t announce(struct work *work, uint64_t portfolio_id, const struct stored *stored)
{
    err_t error = stored->runs ? portfolio_bump(work, portfolio_id, 0, 0) : OK;
    for (size_t i = 0; !error && i < stored->runs; i++)
        error = change_log(work, "portfolio", portfolio_id, work->call->portfolio_version,
                           stored->first[i], stored->last[i]);
    return error;
}

static err_t still_waiting(struct work *work, uint64_t portfolio_id)
{
    struct rows rows = db_select(work->db,
                                 "SELECT 1 FROM unindexed WHERE portfolio_id = ? AND side IN (0, "
                                 "1) AND expires <= ? LIMIT 1",
                                 "ii", portfolio_id, db_now_ms(work->db));
    if (rows_next(&rows)) work->call->pending = portfolio_id;
    return rows_end(&rows);
}

/* The places of a run's vectors are empty, and no longer waited for. */
static err_t clear_places(struct work *work, uint64_t side, uint64_t first, uint64_t last)
{
    static const char *const statements[] = {
        "DELETE FROM unindexed WHERE slot BETWEEN ? AND ? AND slot % 2 = ?",
        "DELETE FROM vectors WHERE slot BETWEEN ? AND ? AND slot % 2 = ?",
    };
    err_t error = OK;
    for (size_t i = 0; !error && i < ARRAY_LEN(statements); i++)
        error =
            db_run(work->db, statements[i], "iii", slot_of(first, side), slot_of(last, side), side);
    return error;
}

static err_t copy_vectors(struct work *work, const struct index_request *leased, uint64_t side,
                          const struct embedding *embedding, const uint64_t *documents)
{
    const struct index_chunk *chunks = leased->chunks.items;
    size_t stride = embedding->dimensions * sizeof(float);
    struct copy copy = db_copy(work->db, "INSERT INTO vectors (slot, vector) VALUES (?, ?)", "ib",
                               leased->chunks.count);
    for (size_t i = 0; i < leased->chunks.count; i++)
        if (documents[i])
            copy_row(&copy, slot_of(chunks[i].chunk_id, side),
                     quantise(work, embedding->vectors.ptr + i * stride, embedding->dimensions));
    return copy_end(&copy);
}

static err_t store_vectors(struct work *work, const struct index_request *leased, uint64_t side,
                           const struct embedding *embedding, struct stored *stored)
{
    const struct index_chunk *chunks = leased->chunks.items;
    size_t count = leased->chunks.count;
    uint64_t documents[BATCH_MAX];
    err_t error = OK;
    for (size_t at = 0; !error && at < count;) {
        struct run run = run_of(&chunks[at], count - at);
        error = read_wanted(work, &run, side, &documents[at]);
        at += run.count;
    }
    if (error) return error;
    for (size_t i = 0; i < count; i++)
        if (documents[i]) note_stored(stored, chunks[i].chunk_id, documents[i]);
    for (size_t i = 0; !error && i < stored->runs; i++)
        error = clear_places(work, side, stored->first[i], stored->last[i]);
    return error ? error : copy_vectors(work, leased, side, embedding, documents);
}

/* Vectors that answer from now on: their documents may be complete, and searches see them. */
static err_t show_vectors(struct work *work, uint64_t portfolio_id, uint64_t side,
                          const struct stored *stored, struct documents *result)
{
    err_t error = OK;
    result->data.items = arena_alloc(&work->arena, BATCH_MAX * sizeof(struct document));
    for (size_t i = 0; !error && i < stored->document_count; i++)
        error = document_complete(work, stored->documents[i], side, result);
    return error ? error : announce(work, portfolio_id, stored);
}

/* Vectors of an embedder that the portfolio no longer has are dropped without a word. */
static err_t store_batch(struct work *work, const struct embedders *embedders,
                         const struct index_request *leased, const struct embedding *embedding,
                         struct documents *result)
{
    uint64_t id = leased->portfolio_id, side = embedders_side(embedders, embedding->embedder);
    struct stored stored = {.runs = 0};
    if (side == SIDES) return OK;
    err_t error = store_vectors(work, leased, side, embedding, &stored);
    if (!error) error = trouble_clear(work, id, side);
    if (!error && side == embedders->side) error = show_vectors(work, id, side, &stored, result);
    return error ? error : rebuild_settle(work, id);
}

err_t index_store(struct work *work, const void *request, void *result)
{
    const struct index_request *leased = request;
    struct embedders embedders;
    struct embedding embedding;
    err_t error = record_decode(embedding_type(), work->call->embedding, &work->arena, &embedding);
    if (!error) error = embedders_read(work, leased->portfolio_id, &embedders);
    if (error || !embedders.portfolio_id) return error;
    if (leased->chunks.count > BATCH_MAX) return ERR_BAD_FRAME;
    if (!embedding_fits(&embedding, leased->chunks.count)) return ERR_EMBEDDING_INVALID;
    error = store_batch(work, &embedders, leased, &embedding, result);
    return error ? error : still_waiting(work, leased->portfolio_id);
}

/* --- releasing --- */

/* Errors that the texts of a batch may have brought about. All others are the embedder's own: it is
 * away, overloaded, or refuses everybody. */
static bool texts_may_be_at_fault(err_t error)
{
    static const err_t faults[] = {ERR_EMBEDDING_INVALID, ERR_PROVIDER_REFUSED, ERR_WORKER_DIED,
                                   ERR_FRAME_TOO_LARGE,   ERR_BAD_FRAME,        ERR_INTERNAL};
    size_t i = 0;
    while (i < ARRAY_LEN(faults) && faults[i] != error) i++;
    return i < ARRAY_LEN(faults);
}

static err_t release_chunk(struct work *work, uint64_t slot, bool counts, struct slice code)
{
    return db_run(work->db,
                  "UPDATE unindexed SET expires = 0, leases = CASE WHEN leases > ?1"
                  " THEN leases - ?1 ELSE 0 END, error = ?2 WHERE slot = ?3",
                  "iti", (uint64_t)!counts, code, slot);
}

err_t index_release(struct work *work, const void *request, void *result)
{
    const struct release *release = request;
    struct released *released = result;
    struct index_request leased;
    struct embedders embedders;
    bool counts = texts_may_be_at_fault(error_from_code(release->error));
    err_t error = record_decode(index_request_type(), release->lease, &work->arena, &leased);
    if (!error) error = embedders_read(work, leased.portfolio_id, &embedders);
    if (error) return error;
    uint64_t side = embedders_side(&embedders, leased.embedder);
    if (side == SIDES) return OK;
    const struct index_chunk *chunks = leased.chunks.items;
    for (size_t i = 0; !error && i < leased.chunks.count; i++)
        error = release_chunk(work, slot_of(chunks[i].chunk_id, side), counts, release->error);
    released->embedder = leased.embedder;
    if (error) return error;
    if (counts) return still_waiting(work, leased.portfolio_id);
    return trouble_note(work, leased.portfolio_id, side, release->error, &released->retry_ms);
}
