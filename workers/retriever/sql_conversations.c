/* Conversations. A turn, question and answer, is one row and two messages: 2 id - 1 and 2 id. */
#include "proto/codec.h"
#include "proto/history.h"
#include "workers/retriever/sql_store.h"
#include "workers/retriever/timestamp.h"

#define MESSAGES_MAX 1000 /* of a conversation in one answer, the newest */

/* --- recording --- */

static err_t conversation_make(struct work *work, const struct turn *turn, uint64_t *id)
{
    return db_value(work->db, id,
                    "INSERT INTO conversations (tenant, agent_id, created_at) VALUES (?, ?, ?)"
                    " RETURNING id",
                    "tii", tenant_of(turn->tenant), turn->agent_id, db_now_ms(work->db));
}

err_t conversation_check(struct work *work, struct slice tenant, uint64_t id,
                         struct conversation *found)
{
    struct rows rows = db_select(
        work->db, "SELECT agent_id, created_at FROM conversations WHERE id = ? AND tenant = ?",
        "it", id, tenant_of(tenant));
    bool there = rows_next(&rows);
    if (there && found) {
        found->id = id;
        found->agent_id = rows_u64(&rows, 0);
        found->created_at = timestamp_text(&work->arena, rows_u64(&rows, 1));
    }
    err_t error = rows_end(&rows);
    return error ? error : there ? OK : ERR_CONVERSATION_NOT_FOUND;
}

static void citations_encode(struct list citations, struct buffer *out)
{
    struct ready_answer kept = {.citations = citations};
    if (citations.count) record_encode(ready_answer_type(), &kept, out);
}

static err_t turn_insert(struct work *work, const struct turn *turn, uint64_t conversation_id,
                         uint64_t *turn_id)
{
    struct buffer citations = {0};
    citations_encode(turn->citations, &citations);
    err_t error = db_value(
        work->db, turn_id,
        "INSERT INTO turns (conversation_id, created_at, agent_id, portfolio_id, question, answer,"
        " language, complexity, top_k, max_tokens, status, error, cached, finish_reason, "
        "written_by,"
        " prompt_tokens, completion_tokens, total_tokens, citations, timings_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        "iiiittttiitttttiiibt", conversation_id, db_now_ms(work->db), turn->agent_id,
        turn->portfolio_id, turn->question, turn->answer, turn->language, turn->complexity,
        turn->top_k, turn->max_tokens, turn->status.len ? turn->status : SLICE("completed"),
        turn->error, turn->cached, turn->finish_reason, turn->written_by, turn->usage.prompt_tokens,
        turn->usage.completion_tokens, turn->usage.total_tokens, buffer_slice(&citations),
        turn->timings_ms.len ? turn->timings_ms : SLICE("{}"));
    buffer_free(&citations);
    return error;
}

/* The turn of an earlier try makes room for that of this one, in the same conversation. */
static err_t turn_remove(struct work *work, uint64_t turn_id, uint64_t *conversation_id)
{
    struct rows rows =
        db_select(work->db, "SELECT conversation_id FROM turns WHERE id = ?", "i", turn_id);
    if (rows_next(&rows)) *conversation_id = rows_u64(&rows, 0);
    err_t error = rows_end(&rows);
    return error ? error : db_run(work->db, "DELETE FROM turns WHERE id = ?", "i", turn_id);
}

/* Whether the turn may be recorded, and in which conversation (0: a new one). */
static err_t turn_place(struct work *work, const struct turn *turn, uint64_t *conversation_id)
{
    uint64_t replaced = 0;
    *conversation_id = turn->conversation_id;
    err_t error = turn->fence ? claim_check(work, turn->fence, &replaced) : OK;
    if (!error && replaced) error = turn_remove(work, replaced, conversation_id);
    if (!error && *conversation_id)
        error = conversation_check(work, turn->tenant, *conversation_id, NULL);
    return error;
}

err_t turn_record(struct work *work, const void *request, void *result)
{
    const struct turn *turn = request;
    struct recorded *recorded = result;
    uint64_t id = 0, turn_id = 0;
    err_t error = turn_place(work, turn, &id);
    if (!error && !id) error = conversation_make(work, turn, &id);
    if (!error) error = turn_insert(work, turn, id, &turn_id);
    if (!error && turn->semantic) error = answer_keep(work, turn);
    if (error) return error;
    recorded->conversation_id = id;
    recorded->message_id = 2 * turn_id;
    return turn->fence ? claim_settle(work, turn->fence, turn_id) : OK;
}

/* --- reading --- */

/* The two messages of a row, as TURN_COLUMNS selects it. */
static void read_question(const struct rows *rows, struct arena *arena,
                          struct chat_message *message)
{
    *message = (struct chat_message){
        .id = 2 * rows_u64(rows, 0) - 1,
        .role = SLICE("user"),
        .content = rows_copy(rows, 1, arena),
        .created_at = timestamp_text(arena, rows_u64(rows, 3)),
        .status = rows_copy(rows, 4, arena),
    };
}

static err_t read_answer(const struct rows *rows, struct arena *arena, struct chat_message *message)
{
    struct ready_answer kept;
    *message = (struct chat_message){
        .id = 2 * rows_u64(rows, 0),
        .role = SLICE("assistant"),
        .content = rows_copy(rows, 2, arena),
        .created_at = timestamp_text(arena, rows_u64(rows, 3)),
        .status = rows_copy(rows, 4, arena),
        .error = rows_copy(rows, 5, arena),
        .cached = rows_copy(rows, 6, arena),
        .finish_reason = rows_copy(rows, 7, arena),
        .usage = {.prompt_tokens = rows_u64(rows, 8),
                  .completion_tokens = rows_u64(rows, 9),
                  .total_tokens = rows_u64(rows, 10)},
        .timings_ms = rows_copy(rows, 12, arena),
    };
    struct slice citations = arena_slice(arena, rows_blob(rows, 11));
    err_t error = record_decode(ready_answer_type(), citations, arena, &kept);
    message->citations = kept.citations;
    return error;
}

/* Newest first from the database, oldest first in the list. */
static err_t read_turns(struct work *work, struct rows *rows, size_t messages_max,
                        struct list *list)
{
    size_t turns_max = (messages_max + 1) / 2, at = 2 * turns_max;
    struct chat_message *messages = arena_alloc(&work->arena, at * sizeof(*messages));
    err_t error = OK;
    while (!error && at && rows_next(rows)) {
        read_question(rows, &work->arena, &messages[at - 2]);
        error = read_answer(rows, &work->arena, &messages[at - 1]);
        at -= 2;
    }
    at = MAX(at, 2 * turns_max - messages_max);
    *list = (struct list){messages + at, 2 * turns_max - at};
    err_t end = rows_end(rows);
    return error ? error : end;
}

#define TURN_COLUMNS                                                                         \
    "id, question, answer, created_at, status, error, cached, finish_reason, prompt_tokens," \
    " completion_tokens, total_tokens, citations, timings_ms"

err_t conversation_read(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    struct conversation *conversation = result;
    err_t error = conversation_check(work, select->tenant, select->id, conversation);
    if (error) return error;
    struct rows rows =
        db_select(work->db,
                  "SELECT " TURN_COLUMNS " FROM turns WHERE conversation_id = ? ORDER BY id DESC"
                  " LIMIT ?",
                  "ii", select->id, (uint64_t)MESSAGES_MAX / 2);
    return read_turns(work, &rows, MESSAGES_MAX, &conversation->messages);
}

/* What a generator reads of a message, and what the digest names: role and content. */
static void keep_words(struct list *messages)
{
    struct chat_message *message = messages->items;
    for (size_t i = 0; i < messages->count; i++)
        message[i] = (struct chat_message){
            .id = message[i].id, .role = message[i].role, .content = message[i].content};
}

static struct slice digest_of(struct work *work, const struct list *messages)
{
    char hex[SHA256_HEX + 1];
    history_digest(messages, hex);
    return arena_slice(&work->arena, (struct slice){hex, SHA256_HEX});
}

/* A failed turn has no answer to go on from and is left out; a cancelled one was read as far as it
 * went. */
err_t history_fill(struct work *work, uint64_t conversation_id, uint64_t replaced,
                   struct history *history)
{
    size_t max = work->options->history_messages_max;
    struct rows rows = db_select(work->db,
                                 "SELECT " TURN_COLUMNS " FROM turns WHERE conversation_id = ?"
                                 " AND status <> 'failed' AND id <> ? ORDER BY id DESC LIMIT ?",
                                 "iii", conversation_id, replaced, (uint64_t)(max + 1) / 2);
    err_t error = read_turns(work, &rows, max, &history->messages);
    keep_words(&history->messages);
    history->conversation_id = conversation_id;
    history->digest = digest_of(work, &history->messages);
    return error;
}

err_t history_read(struct work *work, const void *request, void *result)
{
    const struct select *select = request;
    err_t error = conversation_check(work, select->tenant, select->id, NULL);
    return error ? error : history_fill(work, select->id, 0, result);
}

/* --- a turn as it was recorded --- */

static err_t read_turn(const struct rows *rows, struct arena *arena, struct turn *turn)
{
    struct ready_answer kept;
    struct slice citations = arena_slice(arena, rows_blob(rows, 15));
    *turn = (struct turn){
        .conversation_id = rows_u64(rows, 0),
        .agent_id = rows_u64(rows, 1),
        .portfolio_id = rows_u64(rows, 2),
        .question = rows_copy(rows, 3, arena),
        .answer = rows_copy(rows, 4, arena),
        .language = rows_copy(rows, 5, arena),
        .complexity = rows_copy(rows, 6, arena),
        .top_k = rows_u64(rows, 7),
        .max_tokens = rows_u64(rows, 8),
        .status = rows_copy(rows, 9, arena),
        .cached = rows_copy(rows, 10, arena),
        .finish_reason = rows_copy(rows, 11, arena),
        .usage = {.prompt_tokens = rows_u64(rows, 12),
                  .completion_tokens = rows_u64(rows, 13),
                  .total_tokens = rows_u64(rows, 14)},
        .timings_ms = rows_copy(rows, 16, arena),
    };
    err_t error = record_decode(ready_answer_type(), citations, arena, &kept);
    turn->citations = kept.citations;
    return error;
}

err_t turn_load(struct work *work, uint64_t id, struct turn *turn)
{
    struct rows rows = db_select(
        work->db,
        "SELECT conversation_id, agent_id, portfolio_id, question, answer, language, complexity,"
        " top_k, max_tokens, status, cached, finish_reason, prompt_tokens, completion_tokens,"
        " total_tokens, citations, timings_ms FROM turns WHERE id = ?",
        "i", id);
    err_t error = ERR_CONVERSATION_NOT_FOUND;
    if (rows_next(&rows)) error = read_turn(&rows, &work->arena, turn);
    err_t end = rows_end(&rows);
    return end ? end : error;
}
