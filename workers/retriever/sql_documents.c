/* Documents: reading, deleting, and the rows of one that is being stored. */
#include "workers/retriever/sql_documents.h"

#define DOCUMENT_COLUMNS                                                                           \
    "d.id, d.portfolio_id, d.version, d.source, d.title, d.format, d.metadata, d.bytes, d.status," \
    " d.error, d.chunks"
#define DOCUMENT_TABLES " FROM documents d JOIN portfolios p ON p.id = d.portfolio_id"

/* As document_row_read takes them. */
#define ROW_COLUMNS                                                                        \
    "id, portfolio_id, version, first_chunk, chunks, status, error, hash, source, format," \
    " metadata, given_title, title, bytes"

static void read_document(struct work *work, const struct rows *rows, struct document *document)
{
    struct arena *arena = &work->arena;
    *document = (struct document){
        .id = rows_u64(rows, 0),
        .portfolio_id = rows_u64(rows, 1),
        .version = rows_u64(rows, 2),
        .source = rows_copy(rows, 3, arena),
        .title = rows_copy(rows, 4, arena),
        .format = rows_copy(rows, 5, arena),
        .metadata = rows_copy(rows, 6, arena),
        .bytes = rows_u64(rows, 7),
        .status = rows_copy(rows, 8, arena),
        .error = rows_copy(rows, 9, arena),
        .chunks = rows_u64(rows, 10),
    };
}

static err_t document_find(struct work *work, const struct select *select,
                           struct document *document)
{
    struct rows rows =
        db_select(work->db,
                  "SELECT " DOCUMENT_COLUMNS DOCUMENT_TABLES
                  " WHERE d.id = ?1 AND p.tenant = ?2 AND (?3 = 0 OR d.portfolio_id = ?3)",
                  "iti", select->id, tenant_of(select->tenant), select->portfolio_id);
    bool found = rows_next(&rows);
    if (found) read_document(work, &rows, document);
    err_t error = rows_end(&rows);
    if (error || found) return error;
    if (select->portfolio_id) error = portfolio_check(work, select->tenant, select->portfolio_id);
    return error ? error : ERR_DOCUMENT_NOT_FOUND;
}

err_t document_content(struct work *work, uint64_t id, struct slice *content)
{
    struct rows rows =
        db_select(work->db, "SELECT content FROM contents WHERE document_id = ?", "i", id);
    if (rows_next(&rows)) *content = arena_slice(&work->arena, rows_blob(&rows, 0));
    return rows_end(&rows);
}

err_t document_read(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct document *document = result;
    err_t error = document_find(work, select, document);
    return error ? error : document_content(work, document->id, &document->content);
}

err_t document_list(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct documents *documents = result;
    uint64_t limit = page_limit(select->limit);
    err_t error = portfolio_check(work, select->tenant, select->portfolio_id);
    if (error) return error;
    struct document *data = arena_alloc(&work->arena, (limit + 1) * sizeof(*data));
    struct rows rows = db_select(work->db,
                                 "SELECT " DOCUMENT_COLUMNS " FROM documents d"
                                 " WHERE d.portfolio_id = ? AND d.id > ? ORDER BY d.id LIMIT ?",
                                 "iii", select->portfolio_id, select->after, limit + 1);
    size_t count = 0;
    while (rows_next(&rows)) read_document(work, &rows, &data[count++]);
    documents->data = (struct list){data, MIN(count, limit)};
    documents->next = count > limit ? data[limit - 1].id : 0;
    return rows_end(&rows);
}

/* --- deleting --- */

err_t chunks_delete(struct work *work, uint64_t first, uint64_t count)
{
    static const char *const statements[] = {
        "DELETE FROM chunks WHERE id BETWEEN ? AND ?",
        "DELETE FROM vectors WHERE slot BETWEEN 2 * ? AND 2 * ? + 1",
        "DELETE FROM unindexed WHERE slot BETWEEN 2 * ? AND 2 * ? + 1",
    };
    err_t error = OK;
    if (!count) return OK;
    for (size_t i = 0; !error && i < ARRAY_LEN(statements); i++)
        error = db_run(work->db, statements[i], "ii", first, first + count - 1);
    return error;
}

static void document_row_read(struct work *work, const struct rows *rows, struct document_row *row)
{
    struct arena *arena = &work->arena;
    *row = (struct document_row){
        .id = rows_u64(rows, 0),
        .portfolio_id = rows_u64(rows, 1),
        .version = rows_u64(rows, 2),
        .first_chunk = rows_u64(rows, 3),
        .chunks = rows_u64(rows, 4),
        .status = rows_copy(rows, 5, arena),
        .error = rows_copy(rows, 6, arena),
        .hash = arena_slice(arena, rows_blob(rows, 7)),
        .source = rows_copy(rows, 8, arena),
        .format = rows_copy(rows, 9, arena),
        .metadata = rows_copy(rows, 10, arena),
        .given_title = rows_copy(rows, 11, arena),
        .title = rows_copy(rows, 12, arena),
        .bytes = rows_u64(rows, 13),
    };
}

err_t document_row(struct work *work, uint64_t id, struct document_row *row)
{
    struct rows rows =
        db_select(work->db, "SELECT " ROW_COLUMNS " FROM documents WHERE id = ?", "i", id);
    bool found = rows_next(&rows);
    if (found) document_row_read(work, &rows, row);
    err_t error = rows_end(&rows);
    return error ? error : found ? OK : ERR_DOCUMENT_NOT_FOUND;
}

err_t document_delete(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct document *document = result;
    struct document_row row = {0};
    err_t error = document_find(work, select, document);
    if (!error) error = document_row(work, document->id, &row);
    if (!error) error = chunks_delete(work, row.first_chunk, row.chunks);
    if (!error) error = db_run(work->db, "DELETE FROM documents WHERE id = ?", "i", row.id);
    if (!error) error = db_run(work->db, "DELETE FROM contents WHERE document_id = ?", "i", row.id);
    if (!error) error = portfolio_bump(work, row.portfolio_id, -1, -(int64_t)row.chunks);
    if (!error) error = document_log(work, &row);
    document->version++;
    return error ? error : rebuild_settle(work, row.portfolio_id);
}

/* --- the rows of one that is being stored --- */

err_t document_row_by_source(struct work *work, uint64_t portfolio_id, struct slice source,
                             struct document_row *row)
{
    *row = (struct document_row){0};
    if (!source.len) return OK;
    struct rows rows = db_select(work->db,
                                 "SELECT " ROW_COLUMNS " FROM documents"
                                 " WHERE portfolio_id = ? AND source = ? AND source <> ''",
                                 "it", portfolio_id, source);
    if (rows_next(&rows)) document_row_read(work, &rows, row);
    return rows_end(&rows);
}

err_t document_log(struct work *work, const struct document_row *row)
{
    uint64_t last = row->chunks ? row->first_chunk + row->chunks - 1 : 0;
    return change_log(work, "portfolio", row->portfolio_id, work->call->portfolio_version,
                      row->chunks ? row->first_chunk : 0, last);
}

static void chunk_copy(struct copy *copy, const struct document_row *row, size_t position,
                       const struct ready_chunk *chunk)
{
    copy_row(copy, row->first_chunk + position, row->id, (uint64_t)position, chunk->start,
             chunk->end, chunk->language, chunk->heading,
             ((struct slice){(const char *)chunk->hash, CHUNK_HASH_BYTES}), chunk->terms,
             chunk->text);
}

/* While the portfolio is being rebuilt its new chunks wait for both embedders. */
err_t chunks_insert(struct work *work, struct document_row *row, const struct ready_document *ready)
{
    err_t error = db_reserve_chunks(work->db, ready->count, &row->first_chunk);
    if (error) return error;
    struct copy copy = db_copy(
        work->db,
        "INSERT INTO chunks (id, document_id, position, start, \"end\", language, heading, hash,"
        " terms, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "iiiiistbbt", ready->count);
    for (size_t i = 0; i < ready->count; i++) chunk_copy(&copy, row, i, &ready->chunks[i]);
    row->chunks = ready->count;
    if ((error = copy_end(&copy))) return error;
    return db_run(work->db,
                  "INSERT INTO unindexed (slot, portfolio_id, side, document_id)"
                  " SELECT 2 * c.id + s.side, p.id, s.side, c.document_id FROM portfolios p"
                  " JOIN (SELECT 0 AS side UNION ALL SELECT 1) s"
                  " ON s.side = p.side OR p.next_embedder <> ''"
                  " CROSS JOIN chunks c WHERE p.id = ? AND c.id BETWEEN ? AND ?",
                  "iii", row->portfolio_id, row->first_chunk, row->first_chunk + row->chunks - 1);
}

/* A new row gets its id here, before its chunks that name it. */
err_t document_reserve(struct work *work, struct document_row *row)
{
    return db_value(work->db, &row->id,
                    "INSERT INTO documents (portfolio_id, version, source, title, given_title,"
                    " format, metadata, hash, bytes, status, first_chunk, chunks)"
                    " VALUES (?, 0, ?, '', '', '', '', ?, 0, '', 0, 0) RETURNING id",
                    "itb", row->portfolio_id, row->source, row->hash);
}

err_t document_write(struct work *work, const struct document_row *row, struct slice content)
{
    err_t error = db_run(
        work->db,
        "UPDATE documents SET version = ?, source = ?, title = ?, given_title = ?, format = ?,"
        " metadata = ?, hash = ?, bytes = ?, status = ?, error = '', first_chunk = ?, chunks = ?"
        " WHERE id = ?",
        "itttttbitiii", row->version, row->source, row->title, row->given_title, row->format,
        row->metadata, row->hash, row->bytes, row->status, row->first_chunk, row->chunks, row->id);
    if (error) return error;
    return db_run(
        work->db,
        "INSERT INTO contents (document_id, content) VALUES (?, ?) ON CONFLICT (document_id)"
        " DO UPDATE SET content = excluded.content",
        "ib", row->id, content);
}
