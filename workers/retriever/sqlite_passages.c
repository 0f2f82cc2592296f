/* The texts of what a search found. A hit that was merged of several chunks is put together again
 * from their texts, which overlap and leave no hole. What was read is remembered: the file's pages
 * are not, as soon as any process has committed. */
#include "common/text.h"
#include "workers/retriever/sqlite_store.h"

struct piece {
    uint64_t first, last; /* chunk ids */
    uint64_t start, end;
};

/* Everything but the text; false in *found where chunk or document have gone. */
static err_t describe(struct db *db, struct store_passages *wanted, const struct resident_hit *hit,
                      struct passage *passage, struct piece *piece, bool *found)
{
    struct rows rows = db_select(
        db,
        "SELECT d.title, c.heading, d.source, d.first_chunk FROM chunks c"
        " JOIN documents d ON d.id = c.document_id JOIN portfolios p ON p.id = d.portfolio_id"
        " WHERE c.id = ? AND d.id = ? AND p.tenant = ?",
        "iit", hit->chunk_id, hit->document_id, tenant_of(wanted->tenant));
    *found = rows_next(&rows);
    if (*found) {
        *passage = (struct passage){
            .chunk_id = hit->chunk_id,
            .document_id = hit->document_id,
            .title = rows_copy(&rows, 0, wanted->arena),
            .heading = rows_copy(&rows, 1, wanted->arena),
            .source = rows_copy(&rows, 2, wanted->arena),
            .start = hit->start,
            .end = hit->end,
            .score = hit->score,
            .scores = {.vector = hit->vector, .bm25 = hit->bm25},
        };
        uint64_t first = rows_u64(&rows, 3);
        *piece = (struct piece){first + hit->first, first + hit->last, hit->start, hit->end};
    }
    return rows_end(&rows);
}

/* Appends what `text`, which begins at `start`, adds to the piece of which `out` is the beginning.
 */
static void append_stretch(const struct piece *piece, uint64_t start, struct slice text,
                           struct buffer *out)
{
    uint64_t from = piece->start + out->len, to = MIN(piece->end, start + text.len);
    if (start > from || to <= from) return;
    buffer_append(out, text.ptr + (from - start), to - from);
}

static err_t read_text(struct db *db, const struct piece *piece, struct buffer *out)
{
    struct rows rows = db_select(db,
                                 "SELECT start, text FROM chunks WHERE id BETWEEN ? AND ?"
                                 " ORDER BY id",
                                 "ii", piece->first, piece->last);
    while (rows_next(&rows)) append_stretch(piece, rows_u64(&rows, 0), rows_text(&rows, 1), out);
    return rows_end(&rows);
}

static void cut_characters(struct passage *passage, size_t max)
{
    struct slice rest = passage->text;
    if (rest.len <= max) return; /* a character has a byte or more */
    while (max-- && rest.len) text_take(&rest);
    passage->text.len -= rest.len;
    passage->end = passage->start + passage->text.len;
}

/* Whether one more passage still fits. The best one is cut rather than left out. */
static bool fits(struct store_passages *wanted, struct passage *passage, size_t *characters)
{
    size_t max = wanted->characters_max;
    if (!max) return true;
    if (!wanted->passages.count) cut_characters(passage, max);
    *characters += text_length(passage->text);
    return *characters <= max;
}

static err_t read_passage(struct sqlite_store *store, struct store_passages *wanted,
                          const struct resident_hit *hit, struct passage *passage, bool *found)
{
    struct slice tenant = tenant_of(wanted->tenant);
    struct piece piece;
    struct buffer text = {0};
    *found = passage_cache_find(store->passages, tenant, hit, passage);
    if (*found) return OK;
    err_t error = describe(&store->reading, wanted, hit, passage, &piece, found);
    if (error || !*found) return error;
    error = read_text(&store->reading, &piece, &text);
    passage->text = arena_slice(wanted->arena, buffer_slice(&text));
    passage->end = passage->start + text.len;
    *found = text.len > 0;
    buffer_free(&text);
    if (!error && *found) passage_cache_put(store->passages, tenant, hit, passage);
    return error;
}

static err_t read_passages(struct sqlite_store *store, struct store_passages *wanted)
{
    struct passage *passages = wanted->passages.items;
    size_t characters = 0;
    bool found = false;
    for (size_t i = 0; i < wanted->count; i++) {
        struct passage *passage = &passages[wanted->passages.count];
        err_t error = read_passage(store, wanted, &wanted->hits[i], passage, &found);
        if (error) return error;
        if (!found) continue;
        if (!fits(wanted, passage, &characters)) break;
        wanted->passages.count++;
    }
    return OK;
}

void sqlite_passages(struct store *base, struct store_passages *wanted)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    wanted->passages.items = arena_alloc(wanted->arena, wanted->count * sizeof(struct passage));
    wanted->passages.count = 0;
    wanted->error = read_passages(store, wanted);
    wanted->done(wanted);
    passage_cache_sweep(store->passages);
}
