/* Claims: who may record a turn.
 *
 *     take ──▶ held ── record ──▶ freed; with a key it stays for a day and knows its turn
 *               │ ▲
 *               │ └ renew
 *               ├── release ────▶ freed, without a turn
 *               └── lease over, somebody else takes it ──▶ freed or replaced: its fence is void
 *
 * A lease that has run out voids nothing by itself: until somebody takes the claim over, its holder
 * may renew it and record. All times are the store's clock's. */
#include "proto/codec.h"
#include "workers/retriever/sql_store.h"

struct claim_row {
    uint64_t fence;   /* 0: there is none */
    uint64_t expires; /* 0: freed */
    uint64_t turn_id;
    bool completed; /* that turn */
    struct slice digest;
};

/* --- finding --- */

static err_t read_row(struct work *work, struct rows *rows, struct claim_row *row)
{
    *row = (struct claim_row){0};
    if (rows_next(rows))
        *row = (struct claim_row){
            .fence = rows_u64(rows, 0),
            .expires = rows_u64(rows, 1),
            .turn_id = rows_u64(rows, 2),
            .completed = rows_u64(rows, 3),
            .digest = rows_copy(rows, 4, &work->arena),
        };
    return rows_end(rows);
}

#define CLAIM_COLUMNS                                                             \
    "fence, expires, turn_id, EXISTS (SELECT 1 FROM turns WHERE id = turn_id AND" \
    " status = 'completed'), digest"

static err_t row_of_key(struct work *work, struct slice tenant, struct slice key,
                        struct claim_row *row)
{
    struct rows rows = db_select(work->db,
                                 "SELECT " CLAIM_COLUMNS " FROM claims"
                                 " WHERE tenant = ? AND idempotency_key = ?"
                                 " AND idempotency_key <> ''",
                                 "tt", tenant_of(tenant), key);
    return read_row(work, &rows, row);
}

/* The claim that is held, or was never given back. */
static err_t row_of_conversation(struct work *work, uint64_t conversation_id, struct claim_row *row)
{
    struct rows rows = db_select(work->db,
                                 "SELECT " CLAIM_COLUMNS " FROM claims WHERE conversation_id = ?"
                                 " AND conversation_id > 0 AND expires > 0",
                                 "i", conversation_id);
    return read_row(work, &rows, row);
}

err_t claim_check(struct work *work, uint64_t fence, uint64_t *turn_id)
{
    struct claim_row row;
    struct rows rows =
        db_select(work->db, "SELECT " CLAIM_COLUMNS " FROM claims WHERE fence = ?", "i", fence);
    err_t error = read_row(work, &rows, &row);
    if (error) return error;
    if (!row.expires) return ERR_CLAIM_LOST;
    *turn_id = row.turn_id;
    return OK;
}

/* --- freeing --- */

static err_t claim_free(struct work *work, uint64_t fence)
{
    err_t error =
        db_run(work->db, "DELETE FROM claims WHERE fence = ? AND idempotency_key = ''", "i", fence);
    if (error) return error;
    return db_run(work->db, "UPDATE claims SET expires = 0 WHERE fence = ?", "i", fence);
}

err_t claim_settle(struct work *work, uint64_t fence, uint64_t turn_id)
{
    err_t error = db_run(work->db, "UPDATE claims SET turn_id = ?, at = ? WHERE fence = ?", "iii",
                         turn_id, db_now_ms(work->db), fence);
    return error ? error : claim_free(work, fence);
}

/* --- taking --- */

/* Whether what the key led to before lets this request in. */
static err_t key_check(const struct work *work, const struct claim_request *wanted,
                       const struct claim_row *row)
{
    if (!slice_equal(row->digest, wanted->digest)) return ERR_IDEMPOTENCY_MISMATCH;
    return row->expires > db_now_ms(work->db) ? ERR_IDEMPOTENCY_IN_PROGRESS : OK;
}

/* A row of the same key makes room; the new one knows its turn. */
static err_t key_clear(struct work *work, const struct claim_row *row, struct claimed *claimed)
{
    if (!row->fence) return OK;
    claimed->taken_over |= row->expires > 0;
    return db_run(work->db, "DELETE FROM claims WHERE fence = ?", "i", row->fence);
}

static err_t conversation_clear(struct work *work, uint64_t conversation_id,
                                struct claimed *claimed)
{
    struct claim_row row;
    err_t error = row_of_conversation(work, conversation_id, &row);
    if (error || !row.fence) return error;
    if (row.expires > db_now_ms(work->db)) return ERR_CONVERSATION_BUSY;
    claimed->taken_over = true;
    return claim_free(work, row.fence);
}

static err_t claim_insert(struct work *work, const struct claim_request *wanted, uint64_t turn_id,
                          struct claimed *claimed)
{
    uint64_t now = db_now_ms(work->db);
    return db_value(work->db, &claimed->fence,
                    "INSERT INTO claims (tenant, idempotency_key, digest, conversation_id,"
                    " expires, turn_id, at) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING fence",
                    "tttiiii", tenant_of(wanted->tenant), wanted->key, wanted->digest,
                    wanted->conversation_id, now + wanted->lease_ms, turn_id, now);
}

err_t claim_take(struct work *work, const void *request, void *result)
{
    const struct claim_request *wanted = request;
    struct claimed *claimed = result;
    struct claim_row row = {0};
    err_t error = OK;
    if (wanted->conversation_id)
        error = conversation_check(work, wanted->tenant, wanted->conversation_id, NULL);
    if (!error) error = row_of_key(work, wanted->tenant, wanted->key, &row);
    if (!error && row.fence) error = key_check(work, wanted, &row);
    if (error) return error;
    if (row.completed) {
        claimed->message_id = 2 * row.turn_id;
        return OK;
    }
    error = key_clear(work, &row, claimed);
    if (!error) error = conversation_clear(work, wanted->conversation_id, claimed);
    return error ? error : claim_insert(work, wanted, row.turn_id, claimed);
}

static err_t add_history(struct work *work, const struct claim_request *wanted,
                         struct claimed *claimed)
{
    uint64_t replaced = 0;
    err_t error = claim_check(work, claimed->fence, &replaced);
    if (error || !wanted->conversation_id) return error;
    return history_fill(work, wanted->conversation_id, replaced, &claimed->history);
}

static err_t add_turn(struct work *work, struct claimed *claimed)
{
    struct turn *turn = arena_alloc(&work->arena, sizeof(*turn));
    claimed->completed = (struct list){turn, 1};
    return turn_load(work, claimed->message_id / 2, turn);
}

/* What is remembered of the operation is small; what goes with it is read whenever it is told. */
err_t claim_finish(struct work *work)
{
    struct buffer *out = &work->call->result;
    struct slice taken = arena_slice(&work->arena, buffer_slice(out));
    struct claim_request wanted;
    struct claimed claimed;
    err_t error = record_decode(claim_request_type(), work->call->request, &work->arena, &wanted);
    if (!error) error = record_decode(claimed_type(), taken, &work->arena, &claimed);
    if (!error)
        error =
            claimed.message_id ? add_turn(work, &claimed) : add_history(work, &wanted, &claimed);
    out->len = 0;
    if (!error) record_encode(claimed_type(), &claimed, out);
    return error;
}

/* --- renewing --- */

static err_t renew(struct work *work, uint64_t fence, uint64_t lease_ms, bool *held)
{
    uint64_t renewed = 0;
    err_t error = db_value(work->db, &renewed,
                           "UPDATE claims SET expires = ? WHERE fence = ? AND expires > 0"
                           " RETURNING fence",
                           "ii", db_now_ms(work->db) + lease_ms, fence);
    *held = renewed > 0;
    return error;
}

err_t claim_renew(struct work *work, const void *request, void *result)
{
    const struct renewal *renewal = request;
    const struct claim *held = renewal->held.items, *released = renewal->released.items;
    struct renewed *renewed = result;
    struct claim *lost = arena_alloc(&work->arena, renewal->held.count * sizeof(*lost));
    err_t error = OK;
    bool is_held = false;
    renewed->lost.items = lost;
    for (size_t i = 0; !error && i < renewal->held.count; i++) {
        error = renew(work, held[i].fence, renewal->lease_ms, &is_held);
        if (!is_held) lost[renewed->lost.count++].fence = held[i].fence;
    }
    for (size_t i = 0; !error && i < renewal->released.count; i++)
        error = claim_free(work, released[i].fence);
    return error;
}
