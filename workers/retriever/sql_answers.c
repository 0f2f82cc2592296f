/* Answers that may serve later questions: kept with the turn that they are of, in its transaction,
 * and read by whoever has such a question. */
#include "proto/codec.h"
#include "workers/retriever/scan.h"
#include "workers/retriever/semantic_guard.h"
#include "workers/retriever/sql_store.h"

enum {
    PAGE_ROWS = 256,    /* of a list */
    OUTDATED_ROWS = 20, /* taken away with each that is kept */
};

/* --- keeping --- */

/* What came with the turn. */
struct frames {
    struct embedding embedding;
    struct context context;
};

/* False where the frames are not what a search of that portfolio makes. */
static bool read_frames(struct work *work, const struct turn *turn, struct frames *frames)
{
    struct embedding *embedding = &frames->embedding;
    struct context *context = &frames->context;
    if (record_decode(embedding_type(), work->call->embedding, &work->arena, embedding) ||
        record_decode(context_type(), work->call->retrieved, &work->arena, context))
        return false;
    return embedding->count == 1 && embedding->dimensions &&
           embedding->dimensions <= SCAN_DIMENSIONS_MAX &&
           embedding->vectors.len == embedding->dimensions * sizeof(float) &&
           context->passages.count && context->portfolio_id == turn->portfolio_id &&
           context->portfolio_version == turn->portfolio_version;
}

static bool is_whole(const struct turn *turn)
{
    return slice_equal(turn->status, SLICE("completed")) && !turn->cached.len &&
           slice_equal(turn->finish_reason, SLICE("stop")) && turn->answer.len;
}

/* Whether agent and portfolio still are at the versions that the answer was made from. */
static err_t check_newest(struct work *work, const struct turn *turn, bool *newest)
{
    uint64_t both = 0;
    err_t error = db_value(work->db, &both,
                           "SELECT count(*) FROM agents a, portfolios p WHERE a.id = ? AND"
                           " a.tenant = ? AND a.version = ? AND p.id = ? AND p.tenant = ? AND"
                           " p.version = ?",
                           "itiiti", turn->agent_id, tenant_of(turn->tenant), turn->agent_version,
                           turn->portfolio_id, tenant_of(turn->tenant), turn->portfolio_version);
    *newest = both == 1;
    return error;
}

static void pack_vector(struct arena *arena, const struct embedding *embedding, struct buffer *out)
{
    size_t dimensions = embedding->dimensions;
    float *vector = arena_alloc(arena, dimensions * sizeof *vector);
    int8_t *bytes = arena_alloc(arena, scan_stride(dimensions));
    int32_t sum;
    memcpy(vector, embedding->vectors.ptr, dimensions * sizeof *vector);
    float scale = scan_quantise(vector, dimensions, bytes, &sum);
    buffer_append(out, &scale, sizeof scale);
    buffer_append(out, bytes, dimensions);
}

static void pack_passages(const struct context *context, struct buffer *out)
{
    const struct passage *passages = context->passages.items;
    for (size_t i = 0; i < context->passages.count && i < GUARD_PASSAGES; i++)
        buffer_append(out, &passages[i].chunk_id, sizeof passages[i].chunk_id);
}

static err_t insert(struct work *work, const struct turn *turn, const struct frames *frames)
{
    struct buffer vector = {0}, passages = {0}, ready = {0};
    struct ready_answer answer = {.answer = turn->answer, .citations = turn->citations};
    pack_vector(&work->arena, &frames->embedding, &vector);
    pack_passages(&frames->context, &passages);
    record_encode(ready_answer_type(), &answer, &ready);
    err_t error = db_run(
        work->db,
        "INSERT INTO answers (tenant, agent_id, agent_version, portfolio_id, portfolio_version,"
        " language, at, question, complexity, top_k, max_tokens, embedder, vector, passages, ready)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "tiiiitittiitbbb", tenant_of(turn->tenant), turn->agent_id, turn->agent_version,
        turn->portfolio_id, turn->portfolio_version, turn->language, db_now_ms(work->db),
        turn->question, turn->complexity, turn->top_k, turn->max_tokens, frames->embedding.embedder,
        buffer_slice(&vector), buffer_slice(&passages), buffer_slice(&ready));
    buffer_free(&vector);
    buffer_free(&passages);
    buffer_free(&ready);
    return error;
}

static err_t remove_outdated(struct work *work, const struct turn *turn)
{
    return db_run(work->db,
                  "DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE agent_id = ? AND"
                  " portfolio_id = ? AND language = ? AND portfolio_version < ? LIMIT ?)",
                  "iitii", turn->agent_id, turn->portfolio_id, turn->language,
                  turn->portfolio_version, (uint64_t)OUTDATED_ROWS);
}

err_t answer_keep(struct work *work, const struct turn *turn)
{
    struct frames frames;
    bool newest = false;
    if (!is_whole(turn) || !read_frames(work, turn, &frames)) return OK;
    err_t error = check_newest(work, turn, &newest);
    if (error || !newest) return error;
    error = insert(work, turn, &frames);
    return error ? error : remove_outdated(work, turn);
}

/* --- reading --- */

static void read_row(const struct rows *rows, uint64_t now_ms, struct arena *arena,
                     struct similar_answer *answer)
{
    uint64_t at = rows_u64(rows, 1);
    *answer = (struct similar_answer){
        .id = rows_u64(rows, 0),
        .age_ms = now_ms > at ? now_ms - at : 0,
        .question = rows_copy(rows, 2, arena),
        .complexity = rows_copy(rows, 3, arena),
        .top_k = rows_u64(rows, 4),
        .max_tokens = rows_u64(rows, 5),
        .embedder = rows_copy(rows, 6, arena),
        .vector = arena_slice(arena, rows_blob(rows, 7)),
        .passages = arena_slice(arena, rows_blob(rows, 8)),
        .ready = arena_slice(arena, rows_blob(rows, 9)),
    };
}

err_t answer_list(struct work *work, const void *request, void *result)
{
    const struct answer_select *select = request;
    struct similar_answers *answers = result;
    struct similar_answer *items = arena_alloc(&work->arena, PAGE_ROWS * sizeof *items);
    uint64_t now_ms = db_now_ms(work->db), ttl_ms = work->options->answer_ttl_ms;
    struct rows rows = db_select(
        work->db,
        "SELECT id, at, question, complexity, top_k, max_tokens, embedder, vector, passages, ready"
        " FROM answers WHERE agent_id = ? AND portfolio_id = ? AND language = ? AND"
        " portfolio_version = ? AND agent_version = ? AND id > ? AND tenant = ? AND at > ?"
        " ORDER BY id LIMIT ?",
        "iitiiitii", select->agent_id, select->portfolio_id, select->language,
        select->portfolio_version, select->agent_version, select->after, tenant_of(select->tenant),
        now_ms > ttl_ms ? now_ms - ttl_ms : 0, (uint64_t)PAGE_ROWS);
    answers->data.items = items;
    while (rows_next(&rows)) read_row(&rows, now_ms, &work->arena, &items[answers->data.count++]);
    return rows_end(&rows);
}
