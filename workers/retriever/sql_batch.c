/* document.put and document.update: a call's documents, one by one, each with its own result under
 * (operation, index), so that a call cut between two sets goes on where it was when it comes again.
 *
 *     batch_open ─▶ batch_next ─▶ unit_prepare ─▶ batch_begin ─▶ unit_store ─▶ batch_close
 *                    └─────── each ───────┘                       └ each ┘
 *                       no transaction             in one: a set (sql_sets.c) */
#include "proto/codec.h"
#include "workers/retriever/sql_documents.h"

struct batch {
    struct put_documents request;
    struct document *results; /* one each */
    bool *remembered;         /* this operation stored it before: its result is there */
    size_t begun, settled;
    err_t error; /* of the whole call */
};

/* What this operation has stored before. */
static err_t recall(struct work *work, size_t first)
{
    struct batch *batch = work->batch;
    struct rows rows = db_select(
        work->db,
        "SELECT part, portfolio_version, result FROM operations WHERE op = ? AND part >= ?", "ti",
        work->call->op, (uint64_t)first);
    err_t error = OK;
    while (!error && rows_next(&rows)) {
        uint64_t part = rows_u64(&rows, 0);
        if (part >= batch->request.documents.count) continue;
        struct slice result = arena_slice(&work->arena, rows_blob(&rows, 2));
        error = record_decode(document_type(), result, &work->arena, &batch->results[part]);
        batch->remembered[part] = !error;
        work->call->portfolio_version = MAX(work->call->portfolio_version, rows_u64(&rows, 1));
    }
    err_t end = rows_end(&rows);
    return end ? end : error;
}

err_t batch_begin(struct work *work, size_t first)
{
    const struct put_documents *request = &work->batch->request;
    err_t error = work->batch->error;
    if (!error) error = portfolio_check(work, request->tenant, request->portfolio_id);
    return error || !work->call->op.len ? error : recall(work, first);
}

err_t batch_open(struct work *work)
{
    struct batch *batch = arena_alloc(&work->arena, sizeof(*batch));
    err_t error =
        record_decode(put_documents_type(), work->call->request, &work->arena, &batch->request);
    if (error) return error;
    size_t count = batch->request.documents.count;
    batch->results = arena_alloc(&work->arena, count * sizeof(*batch->results));
    batch->remembered = arena_alloc(&work->arena, count * sizeof(*batch->remembered));
    work->batch = batch;
    return batch_begin(work, 0);
}

struct batch_rest batch_rest(const struct work *work)
{
    const struct batch *batch = work->batch;
    const struct document *documents = batch->request.documents.items;
    size_t count = batch->request.documents.count;
    struct batch_rest rest = {.documents = batch->error ? 0 : count - batch->begun};
    for (size_t i = batch->begun; i < count; i++) rest.bytes += documents[i].content.len;
    if (rest.documents) rest.next_bytes = documents[batch->begun].content.len;
    return rest;
}

bool batch_next(struct work *work, struct unit *unit)
{
    struct batch *batch = work->batch;
    const struct document *documents = batch->request.documents.items;
    if (batch->error || batch->begun == batch->request.documents.count) return false;
    *unit = (struct unit){.work = work, .index = batch->begun, .given = documents[batch->begun]};
    batch->begun++;
    return true;
}

static void settle(struct unit *unit, const struct document *result)
{
    unit->work->batch->results[unit->index] = *result;
    if (!unit->settled) unit->work->batch->settled++;
    unit->settled = true;
}

/* A document of many that is at fault itself says so in its place; anything else, or the only
 * document's error, is the call's. */
err_t unit_fail(struct unit *unit, err_t error)
{
    struct batch *batch = unit->work->batch;
    const struct document *given = &unit->given;
    bool own = error_category(error) == ERROR_CLIENT && error != ERR_PORTFOLIO_NOT_FOUND;
    if (!batch->error && (!own || batch->request.documents.count == 1)) batch->error = error;
    settle(unit, &(struct document){.id = given->id,
                                    .portfolio_id = batch->request.portfolio_id,
                                    .title = given->title,
                                    .source = given->source,
                                    .format = given->format,
                                    .metadata = given->metadata,
                                    .bytes = given->content.len,
                                    .status = SLICE("failed"),
                                    .error = slice_of(error_code(error))});
    return batch->error;
}

bool batch_close(struct work *work)
{
    struct batch *batch = work->batch;
    struct documents result = {.data = {batch->results, batch->request.documents.count}};
    bool all = batch->settled == batch->request.documents.count;
    if (!all && !(batch->error && batch->settled == batch->begun)) return false;
    work->call->error = batch->error;
    if (!batch->error) record_encode(documents_type(), &result, &work->call->result);
    return true;
}

/* --- what there is already --- */

static bool updates(const struct unit *unit)
{
    return unit->work->call->kind == KIND_DOCUMENT_UPDATE;
}

/* The row that this document replaces; id 0 if none. */
static err_t find_old(struct unit *unit, struct document_row *row)
{
    const struct batch *batch = unit->work->batch;
    if (!updates(unit))
        return document_row_by_source(unit->work, batch->request.portfolio_id, unit->given.source,
                                      row);
    err_t error = document_row(unit->work, unit->given.id, row);
    bool elsewhere = !error && row->portfolio_id != batch->request.portfolio_id;
    return elsewhere ? ERR_DOCUMENT_NOT_FOUND : error;
}

/* An update gives some members; the others are as they were given before. */
static err_t complete_update(struct unit *unit)
{
    struct document_row row;
    struct document whole = {0};
    err_t error = find_old(unit, &row);
    if (error) return error;
    error = document_content(unit->work, row.id, &whole.content);
    whole.title = row.given_title;
    whole.format = row.format;
    whole.source = row.source;
    whole.metadata = row.metadata;
    record_merge(document_type(), &whole, &unit->given);
    whole.id = row.id;
    whole.version = row.version;
    unit->given = whole;
    return error;
}

static bool same_content(const struct document_row *row, const struct document *given,
                         const uint8_t hash[SHA256_BYTES])
{
    return row->id && !slice_equal(row->status, SLICE("failed")) &&
           slice_equal(row->source, given->source) &&
           slice_equal(row->hash, (struct slice){(const char *)hash, SHA256_BYTES});
}

static void result_of(const struct document_row *row, bool unchanged, struct document *result)
{
    *result = (struct document){
        .id = row->id,
        .portfolio_id = row->portfolio_id,
        .title = row->title,
        .format = row->format,
        .source = row->source,
        .metadata = row->metadata,
        .status = row->status,
        .chunks = row->chunks,
        .bytes = row->bytes,
        .error = row->error,
        .version = row->version,
        .unchanged = unchanged,
    };
}

/* Answers from the result that was remembered for this operation. */
static bool replayed(struct unit *unit)
{
    const struct batch *batch = unit->work->batch;
    if (batch->remembered[unit->index]) settle(unit, &batch->results[unit->index]);
    return batch->remembered[unit->index];
}

/* --- preparing --- */

static void normalise(struct document *given)
{
    if (!given->format.len) given->format = SLICE("text");
    if (!given->metadata.len) given->metadata = SLICE("{}");
}

static void serve_small(void *context)
{
    struct unit *unit = context;
    writer_serve_small(unit->work->store->writer);
}

static err_t prepare(struct unit *unit)
{
    struct document_row row = {0};
    err_t error = updates(unit) ? complete_update(unit) : OK;
    if (error) return error;
    normalise(&unit->given);
    document_hash(&unit->given, unit->hash);
    if ((error = find_old(unit, &row))) return error;
    unit->unchanged = same_content(&row, &unit->given, unit->hash);
    if (unit->unchanged) return OK;
    unit->prepared = true;
    return ingest_prepare(&unit->given, unit->work->options->document_bytes_max, serve_small, unit,
                          &unit->ready);
}

void unit_prepare(struct unit *unit)
{
    err_t error = replayed(unit) ? OK : prepare(unit);
    if (error) (void)unit_fail(unit, error);
}

void unit_free(struct unit *unit)
{
    if (unit->prepared) ingest_free(&unit->ready);
    unit->prepared = false;
}

/* --- storing --- */

/* What the row becomes. Its texts live as long as the call: the result names them. */
static void fill_row(struct unit *unit, struct document_row *row)
{
    const struct document *given = &unit->given;
    struct arena *arena = &unit->work->arena;
    row->portfolio_id = unit->work->batch->request.portfolio_id;
    row->version++;
    row->source = given->source;
    row->format = given->format;
    row->metadata = given->metadata;
    row->given_title = given->title;
    row->title = arena_slice(arena, unit->ready.title);
    row->bytes = given->content.len;
    row->status = SLICE("indexing");
    row->error = (struct slice){0};
    row->hash = (struct slice){(const char *)unit->hash, SHA256_BYTES};
}

static err_t replace(struct unit *unit, struct document_row *row)
{
    struct work *work = unit->work;
    struct document_row old = *row;
    bool is_new = !old.id;
    fill_row(unit, row);
    err_t error =
        is_new ? document_reserve(work, row) : chunks_delete(work, old.first_chunk, old.chunks);
    if (!error) error = chunks_insert(work, row, &unit->ready);
    if (!error) error = document_write(work, row, unit->given.content);
    if (!error)
        error = portfolio_bump(work, row->portfolio_id, is_new,
                               (int64_t)row->chunks - (int64_t)old.chunks);
    if (!error && !is_new) error = document_log(work, &old);
    if (!error) error = document_log(work, row);
    return error;
}

static err_t remember(struct unit *unit, const struct document *result)
{
    struct buffer bytes = {0};
    record_encode(document_type(), result, &bytes);
    err_t error = operation_remember(unit->work, unit->index, buffer_slice(&bytes));
    buffer_free(&bytes);
    return error;
}

/* Somebody else may have written since the document was prepared. */
static err_t check_again(struct unit *unit, struct document_row *row)
{
    uint64_t portfolio_id = unit->work->batch->request.portfolio_id;
    struct document_row twin;
    err_t error = find_old(unit, row);
    if (error) return error;
    if (updates(unit) && row->version != unit->given.version) return ERR_STORE_BUSY;
    bool same = same_content(row, &unit->given, unit->hash);
    if (unit->unchanged && !same) return ERR_STORE_BUSY;
    unit->unchanged = same; /* it may be twice in one call */
    if (!updates(unit)) return OK;
    error = document_row_by_source(unit->work, portfolio_id, unit->given.source, &twin);
    if (!error && twin.id && twin.id != row->id)
        return work_fail(unit->work, ERR_INVALID_FIELD, "another document has this source");
    return error;
}

err_t unit_store(struct unit *unit)
{
    struct document_row row = {0};
    struct document result;
    if (replayed(unit)) return OK;
    err_t error = check_again(unit, &row);
    if (!error && !unit->unchanged) error = replace(unit, &row);
    if (error) return error;
    result_of(&row, unit->unchanged, &result);
    if ((error = remember(unit, &result))) return error;
    if (!unit->unchanged) unit->work->call->pending = row.portfolio_id;
    settle(unit, &result);
    unit->stored = true;
    return OK;
}

void unit_again(struct unit *unit)
{
    if (!unit->stored) return;
    unit->stored = unit->settled = false;
    unit->work->batch->settled--;
}
