/* What is told about a question: to its client, to the store, to the log and the counters. */
#include "common/clock.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/chat.h"
#include "gateway/recorder.h"
#include "proto/codec.h"

static const char *level_name(const struct chat *chat)
{
    return chat->level < COMPLEXITY_COUNT ? complexity_profile(chat->level)->name : "none";
}

static const char *language_name_of(const struct chat *chat)
{
    return chat->language ? language_code(chat->language) : "none";
}

/* --- the job's end --- */

/* Of an answer that some stage had ready. */
static void take_ready_answer(struct chat *chat, const struct job_end *end)
{
    struct arena arena = {0};
    struct ready_answer ready;
    err_t error = record_decode(ready_answer_type(), end->result, &arena, &ready);
    if (error) chat->error = error;
    buffer_append_slice(&chat->answer, ready.answer);
    chat->citations.len = 0;
    list_to_json(citation_type(), &ready.citations, &chat->citations);
    if (end->meta->similarity > 0) {
        buffer_append_text(&chat->semantic, "\"semantic\":{\"similarity\":");
        json_append_number(&chat->semantic, end->meta->similarity);
        buffer_append_text(&chat->semantic, ",\"question\":");
        json_append_string(&chat->semantic, end->meta->question);
        buffer_append_text(&chat->semantic, "},");
    }
    arena_free(&arena);
}

void chat_set_finish_reason(struct chat *chat, struct slice reason)
{
    if (!reason.len) reason = SLICE("stop");
    reason.len = MIN(reason.len, sizeof(chat->finish_reason) - 1);
    memcpy(chat->finish_reason, reason.ptr, reason.len);
    chat->finish_reason[reason.len] = '\0';
}

void chat_take_end(struct chat *chat, const struct job_end *end)
{
    for (size_t i = 0; i < POOL_COUNT; i++) {
        chat->timings.queue += end->queue_us[i];
        chat->timings.stage[i] = end->stage_us[i];
    }
    chat_set_finish_reason(chat, end->meta->finish_reason);
    chat->usage = end->meta->usage;
    list_to_json(citation_type(), &end->meta->citations, &chat->citations);
    if (end->answered) take_ready_answer(chat, end);
}

/* --- members --- */

/* A member in milliseconds. */
static void write_ms(struct buffer *out, const char *name, uint64_t us, const char *end)
{
    buffer_append_char(out, '"');
    buffer_append_text(out, name);
    buffer_append_text(out, "\":");
    buffer_append_number(out, us / 1000);
    buffer_append_char(out, '.');
    for (uint64_t unit = 100; unit; unit /= 10)
        buffer_append_char(out, (char)('0' + us / unit % 10));
    buffer_append_text(out, end);
}

static void write_ms_if_any(struct buffer *out, const char *name, uint64_t us)
{
    if (us) write_ms(out, name, us, ",");
}

static void write_timings(const struct chat *chat, struct buffer *out)
{
    const struct chat_timings *timings = &chat->timings;
    if (chat->known_timings.len) {
        buffer_append_slice(out, buffer_slice(&chat->known_timings));
        return;
    }
    buffer_append_char(out, '{');
    write_ms(out, "queue", timings->queue, ",");
    for (enum pool pool = 0; pool < POOL_COUNT; pool++)
        write_ms_if_any(out, pool_name(pool), timings->stage[pool]);
    write_ms_if_any(out, "first_token", timings->first_token);
    write_ms_if_any(out, "record", timings->record);
    write_ms(out, "total", timings->total, "}");
}

static void write_ids(const struct chat *chat, struct buffer *out)
{
    uint64_t conversation_id = chat->recorded ? chat->conversation_id : chat->call.conversation_id;
    if (!chat->call.store) return;
    if (conversation_id) buffer_printf(out, "\"conversation_id\":%ju,", (uintmax_t)conversation_id);
    if (chat->recorded)
        buffer_printf(out, "\"message_id\":%ju,", (uintmax_t)chat->message_id);
    else
        buffer_append_text(out, "\"recorded\":false,");
}

static const char *cached_json(const struct chat *chat)
{
    if (chat->known) return chat->cached;
    return chat->semantic.len ? "\"semantic\"" : "false";
}

void chat_write_members(const struct chat *chat, struct buffer *out)
{
    buffer_append_text(out, "\"citations\":");
    buffer_append_slice(out, buffer_slice(&chat->citations));
    buffer_printf(out, ",\"cached\":%s,", cached_json(chat));
    if (chat->known) buffer_append_text(out, "\"idempotent_replay\":true,");
    buffer_append_slice(out, buffer_slice(&chat->semantic));
    write_ids(chat, out);
    buffer_printf(out,
                  "\"language\":\"%s\",\"complexity\":\"%s\",\"top_k\":%ju,\"max_tokens\":%ju,"
                  "\"finish_reason\":",
                  language_name_of(chat), level_name(chat), (uintmax_t)chat->top_k,
                  (uintmax_t)chat->max_tokens);
    json_append_string(out, slice_of(chat->finish_reason));
    buffer_append_text(out, ",\"usage\":");
    record_to_json(usage_type(), &chat->usage, out);
    buffer_append_text(out, ",\"timings_ms\":");
    write_timings(chat, out);
}

/* --- the turn --- */

static const char *turn_status(err_t error)
{
    if (!error) return "completed";
    return error == ERR_CANCELLED || error == ERR_CLIENT_TOO_SLOW ? "cancelled" : "failed";
}

static void fill_turn(const struct chat *chat, const struct job_end *end, struct turn *turn)
{
    *turn = (struct turn){
        .tenant = TENANT,
        .conversation_id = chat->call.conversation_id,
        .agent_id = chat->agent_id,
        .portfolio_id = chat->portfolio_id,
        .question = chat->call.message,
        .answer = buffer_slice(&chat->answer),
        .language = slice_of(language_name_of(chat)),
        .complexity = slice_of(level_name(chat)),
        .top_k = chat->top_k,
        .max_tokens = chat->max_tokens,
        .status = slice_of(turn_status(chat->error)),
        .cached = chat->semantic.len ? SLICE("semantic") : SLICE(""),
        .finish_reason = slice_of(chat->finish_reason),
        .written_by = end->meta->written_by,
        .usage = end->meta->usage,
        .citations = end->meta->citations,
        .fence = chat->fence,
    };
    if (chat->error) turn->error = slice_of(error_code(chat->error));
    if (chat->error) turn->finish_reason = (struct slice){0};
}

bool chat_record(struct chat *chat, const struct job_end *end,
                 void (*on_recorded)(void *context, const struct recorded *recorded))
{
    struct buffer timings = {0};
    struct turn turn;
    fill_turn(chat, end, &turn);
    chat->timings.total = clock_us() - chat->started_us;
    write_timings(chat, &timings);
    turn.timings_ms = buffer_slice(&timings);
    chat->record_started_us = clock_us();
    bool taken = recorder_put(chat->gateway->recorder, &turn, chat->request_id, on_recorded, chat);
    buffer_free(&timings);
    if (!taken) claims_release(chat->gateway->claims, chat->fence);
    chat->fence = 0;
    return taken;
}

/* --- the end --- */

static void count(const struct chat *chat, const char *level)
{
    const struct chat_timings *timings = &chat->timings;
    metric_add(METRIC_CHATS, 1, error_code(chat->error), level);
    if (!chat->job) return;
    metric_observe(METRIC_CHAT_SECONDS, (double)timings->total / 1e6, level);
    if (timings->first_token)
        metric_observe(METRIC_CHAT_FIRST_TOKEN, (double)timings->first_token / 1e6, level);
    metric_observe(METRIC_CHAT_STAGE_SECONDS, (double)timings->queue / 1e6, "queue");
    for (enum pool pool = 0; pool < POOL_COUNT; pool++)
        if (timings->stage[pool])
            metric_observe(METRIC_CHAT_STAGE_SECONDS, (double)timings->stage[pool] / 1e6,
                           pool_name(pool));
    if (timings->record)
        metric_observe(METRIC_CHAT_STAGE_SECONDS, (double)timings->record / 1e6, "record");
    metric_add(METRIC_CHAT_TOKENS, (double)chat->usage.prompt_tokens, "prompt", NULL);
    metric_add(METRIC_CHAT_TOKENS, (double)chat->usage.completion_tokens, "completion", NULL);
    metric_add(METRIC_CHAT_ANSWER_BYTES, (double)chat->answer.len, NULL, NULL);
}

void chat_close(const struct chat *chat)
{
    const struct chat_timings *timings = &chat->timings;
    const char *level = level_name(chat);
    count(chat, level);
    log_info("job=%ju request=%s route=%s status=%s agent=%ju portfolio=%ju language=%s level=%s "
             "tokens=%ju bytes=%zu total=%.1fms delays=queue %.1f/embed %.1f/retrieve %.1f/"
             "generate %.1f/record %.1f",
             (uintmax_t)chat->job, chat->request_id, chat->shape->name, error_code(chat->error),
             (uintmax_t)chat->agent_id, (uintmax_t)chat->portfolio_id, language_name_of(chat),
             level, (uintmax_t)chat->usage.completion_tokens, chat->answer.len,
             (double)timings->total / 1e3, (double)timings->queue / 1e3,
             (double)timings->stage[POOL_EMBED] / 1e3, (double)timings->stage[POOL_RETRIEVE] / 1e3,
             (double)timings->stage[POOL_GENERATE] / 1e3, (double)timings->record / 1e3);
}
