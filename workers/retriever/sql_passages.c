/* The texts of what a search found. A hit that was merged of several chunks is put together again
 * from their texts, which overlap and leave no hole. What was read is remembered: the file's pages
 * are not, as soon as any process has committed. */
#include "common/text.h"
#include "workers/retriever/sql_store.h"

struct piece {
    uint64_t first, last; /* chunk ids */
    uint64_t start, end;
};

/* Everything but the text; false in *found where chunk or document have gone. */
static err_t describe(struct db *db, const struct store_passages *wanted,
                      const struct resident_hit *hit, struct arena *arena, struct passage *passage,
                      struct piece *piece, bool *found)
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
            .title = rows_copy(&rows, 0, arena),
            .heading = rows_copy(&rows, 1, arena),
            .source = rows_copy(&rows, 2, arena),
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

static err_t read_passage(struct db *db, struct passage_set *set, size_t i, struct arena *arena)
{
    struct passage *passage = &set->passages[i];
    struct piece piece;
    struct buffer text = {0};
    bool found = false;
    err_t error = describe(db, set->wanted, &set->wanted->hits[i], arena, passage, &piece, &found);
    if (!error && found) error = read_text(db, &piece, &text);
    passage->text = arena_slice(arena, buffer_slice(&text));
    passage->end = passage->start + text.len;
    set->states[i] = text.len ? READ : GONE;
    buffer_free(&text);
    return error;
}

/* --- from memory, from the database, to the caller --- */

bool passages_recall(struct passage_cache *cache, struct passage_set *set)
{
    const struct store_passages *wanted = set->wanted;
    struct slice tenant = tenant_of(wanted->tenant);
    size_t known = 0;
    set->passages = arena_alloc(wanted->arena, wanted->count * sizeof(*set->passages));
    set->states = arena_alloc(wanted->arena, wanted->count * sizeof(*set->states));
    for (size_t i = 0; i < wanted->count; i++)
        if (passage_cache_find(cache, tenant, &wanted->hits[i], &set->passages[i])) {
            set->states[i] = REMEMBERED;
            known++;
        }
    return known == wanted->count;
}

err_t passages_read(struct db *db, struct passage_set *set, struct arena *arena)
{
    err_t error = OK;
    for (size_t i = 0; !error && i < set->wanted->count; i++)
        if (set->states[i] == UNREAD) error = read_passage(db, set, i, arena);
    return error;
}

static void remember(struct passage_cache *cache, const struct passage_set *set)
{
    struct slice tenant = tenant_of(set->wanted->tenant);
    for (size_t i = 0; i < set->wanted->count; i++)
        if (set->states[i] == READ)
            passage_cache_put(cache, tenant, &set->wanted->hits[i], &set->passages[i]);
}

void passages_finish(struct passage_cache *cache, struct passage_set *set, err_t error)
{
    struct store_passages *wanted = set->wanted;
    size_t characters = 0;
    wanted->error = error;
    wanted->passages = (struct list){set->passages, 0};
    if (!error) remember(cache, set);
    for (size_t i = 0; !error && i < wanted->count; i++) {
        if (set->states[i] == GONE) continue;
        if (!fits(wanted, &set->passages[i], &characters)) break;
        set->passages[wanted->passages.count++] = set->passages[i];
    }
    wanted->done(wanted);
    passage_cache_sweep(cache);
}
