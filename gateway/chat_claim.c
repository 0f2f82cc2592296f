#include "gateway/chat_claim.h"

#include <stdio.h>

#include "common/ids.h"
#include "common/metrics.h"
#include "common/sha256.h"
#include "gateway/claims.h"
#include "proto/codec.h"

#define KEY_CHARACTERS_MAX 255

/* --- the key --- */

static struct slice key_of(const struct chat *chat)
{
    return slice_of(http_header(chat->http, "Idempotency-Key"));
}

static bool is_printable(struct slice key)
{
    size_t i = 0;
    while (i < key.len && key.ptr[i] >= ' ' && key.ptr[i] <= '~') i++;
    return i == key.len;
}

err_t chat_check_key(struct chat *chat)
{
    struct slice key = key_of(chat);
    if (!key.ptr) return OK;
    if (!key.len || key.len > KEY_CHARACTERS_MAX || !is_printable(key))
        return json_problem(&chat->problem, "Idempotency-Key must be 1 to %d printable characters",
                            KEY_CHARACTERS_MAX);
    if (!chat->call.store)
        return json_problem(&chat->problem,
                            "an Idempotency-Key needs a turn that is stored: \"store\" is false");
    return OK;
}

static void add_number(struct sha256 *sha, uint64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%ju", (uintmax_t)number);
    sha256_add_field(sha, (struct slice){text, (size_t)len});
}

/* Names what is asked, however its JSON is written and on whichever route. */
static void digest_of(const struct chat *chat, char hex[SHA256_HEX + 1])
{
    const struct chat_call *call = &chat->call;
    uint8_t digest[SHA256_BYTES];
    struct sha256 sha;
    sha256_init(&sha);
    add_number(&sha, chat->agent_id);
    add_number(&sha, call->portfolio_id);
    add_number(&sha, call->conversation_id);
    add_number(&sha, call->top_k);
    sha256_add_field(&sha, slice_of(call->language ? language_code(call->language) : ""));
    sha256_add_field(&sha, call->message);
    if (chat->history.messages.count) sha256_add_field(&sha, chat->history.digest);
    sha256_end(&sha, digest);
    sha256_hex(digest, hex);
}

/* --- an answer that is there already --- */

static const char *cached_json(struct slice cached)
{
    if (slice_equal(cached, SLICE("exact"))) return "true";
    return slice_equal(cached, SLICE("semantic")) ? "\"semantic\"" : "false";
}

static enum complexity level_of(struct slice name)
{
    enum complexity level = 0;
    while (level < COMPLEXITY_COUNT &&
           !slice_equal(name, slice_of(complexity_profile(level)->name)))
        level++;
    return level;
}

static void chat_replay(struct chat *chat, const struct turn *turn, uint64_t message_id)
{
    chat->known = true;
    chat->cached = cached_json(turn->cached);
    chat->language = language_find(turn->language);
    chat->level = level_of(turn->complexity);
    chat->top_k = turn->top_k;
    chat->max_tokens = turn->max_tokens;
    chat->recorded = true;
    chat->conversation_id = turn->conversation_id;
    chat->message_id = message_id;
    buffer_append_slice(&chat->known_timings, turn->timings_ms);
    generation_filled(chat->gateway->generations, &chat->follower);
    struct generation *generation = chat->follower.generation;
    struct meta meta = {
        .finish_reason = turn->finish_reason, .usage = turn->usage, .citations = turn->citations};
    buffer_append_slice(&generation->text, turn->answer);
    record_copy(meta_type(), &meta, &generation->arena, &generation->meta);
}

/* --- the claim --- */

static void count_claim(const char *result)
{
    metric_add(METRIC_CLAIMS, 1, result, NULL);
}

static void take_history(struct chat *chat, const struct history *history)
{
    size_t len = MIN(history->digest.len, sizeof(chat->history_digest) - 1);
    if (len) memcpy(chat->history_digest, history->digest.ptr, len);
}

static void take_claim(struct chat *chat, const struct claimed *claimed)
{
    chat->fence = claimed->fence;
    claims_hold(chat->gateway->claims, claimed->fence);
    count_claim(claimed->taken_over ? "taken_over" : "taken");
    take_history(chat, &claimed->history);
    if (claimed->history.conversation_id)
        body_encode(chat->body, FRAME_HISTORY, history_type(), &claimed->history);
}

static err_t read_claimed(struct chat *chat, struct slice result)
{
    struct arena arena = {0};
    struct claimed claimed;
    err_t error = record_decode(claimed_type(), result, &arena, &claimed);
    if (!error && claimed.completed.count) {
        chat_replay(chat, claimed.completed.items, claimed.message_id);
        count_claim("replayed");
    } else if (!error && claimed.fence) {
        take_claim(chat, &claimed);
    } else if (!error) {
        error = ERR_BAD_FRAME;
    }
    arena_free(&arena);
    return error;
}

static void count_refusal(err_t error)
{
    static const err_t refusals[] = {ERR_CONVERSATION_BUSY, ERR_IDEMPOTENCY_IN_PROGRESS,
                                     ERR_IDEMPOTENCY_MISMATCH};
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (error == refusals[i]) count_claim(error_code(error));
}

/* --- the step --- */

static void on_history(void *context, const struct job_end *end)
{
    struct chat *chat = context;
    struct arena arena = {0};
    struct history history;
    err_t error = end->error;
    if (!error) error = record_decode(history_type(), end->result, &arena, &history);
    if (!error) {
        take_history(chat, &history);
        body_set(chat->body, FRAME_HISTORY, end->result);
    }
    arena_free(&arena);
    chat->retryable = end->retryable;
    chat_resume(chat, error);
}

static const struct job_handler history_handler = {.on_end = on_history};

static err_t ask_history(struct chat *chat)
{
    struct select select = {.tenant = slice_of(chat->tenant), .id = chat->call.conversation_id};
    struct job_spec spec = {
        .kind = KIND_HISTORY,
        .body = body_new(),
        .timeout_ms = chat_time_left_ms(chat),
        .trace = chat->request_id,
    };
    uint64_t job;
    body_encode(spec.body, FRAME_REQUEST, select_type(), &select);
    return job_submit(chat->gateway->lanes, &spec, &history_handler, chat, &job);
}

/* A store that takes no writes can't hold a claim, nor a turn. A follow-up is answered all the
 * same, without being recorded; a key is a promise that would not be kept. */
static bool goes_on_unclaimed(const struct chat *chat, err_t error)
{
    return error == ERR_STORE_FULL && !chat->keyed && !chat->error;
}

static void on_claimed(void *context, const struct job_end *end)
{
    struct chat *chat = context;
    err_t error = end->error;
    if (goes_on_unclaimed(chat, error)) {
        error = ask_history(chat);
        if (!error) return;
    } else if (!error) {
        error = read_claimed(chat, end->result);
    }
    count_refusal(error);
    chat->retryable = end->retryable;
    chat_resume(chat, error);
}

static const struct job_handler claim_handler = {.on_end = on_claimed};

/* The job is never cancelled: a claim that was taken for nothing is given back when it is known. */
static err_t ask_claim(struct chat *chat)
{
    char digest[SHA256_HEX + 1], op[ID_SIZE];
    struct claim_request request = {.tenant = slice_of(chat->tenant),
                                    .conversation_id = chat->call.conversation_id,
                                    .key = key_of(chat),
                                    .lease_ms = chat->gateway->settings->claim_lease_ms};
    struct job_spec spec = {
        .kind = KIND_CLAIM_TAKE,
        .body = body_new(),
        .timeout_ms = chat_time_left_ms(chat),
        .trace = chat->request_id,
        .op = op,
    };
    uint64_t job;
    chat->keyed = request.key.len > 0;
    if (chat->keyed) {
        digest_of(chat, digest);
        request.digest = (struct slice){digest, SHA256_HEX};
    }
    id_ordered(op);
    body_encode(spec.body, FRAME_REQUEST, claim_request_type(), &request);
    return job_submit(chat->gateway->lanes, &spec, &claim_handler, chat, &job);
}

void chat_claim(struct chat *chat)
{
    bool in_conversation = chat->call.conversation_id != 0;
    chat->body = body_new();
    if (chat->history.messages.count) {
        take_history(chat, &chat->history);
        body_encode(chat->body, FRAME_HISTORY, history_type(), &chat->history);
    }
    if (!in_conversation && !key_of(chat).len) return;
    chat->error = chat->call.store ? ask_claim(chat) : ask_history(chat);
    chat->waiting = !chat->error;
}

void chat_release_claim(struct chat *chat)
{
    claims_release(chat->gateway->claims, chat->fence);
    chat->fence = 0;
}
