/* What is told about a question: to its client, to the store, to the log and the counters. */
#include <stdio.h>

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

/* --- the answer's end --- */

/* The stages are of the question that began the answer; who joined has waited for none of them. */
void chat_take_end(struct chat *chat)
{
    const struct generation *generation = chat->follower.generation;
    if (!chat->error) chat->error = generation->error;
    chat->retryable = generation->retryable;
    if (generation->text.len && !chat->timings.first_token)
        chat->timings.first_token = clock_us() - chat->started_us;
    if (chat->follower.joined) return;
    chat->timings.queue = generation->queue_us;
    memcpy(chat->timings.stage, generation->stage_us, sizeof(chat->timings.stage));
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

/* By enum answer_source: the member, and what the store calls it. */
static const struct {
    const char *json, *stored;
} cached_names[] = {
    [ANSWER_MADE] = {"false", ""},
    [ANSWER_EXACT] = {"true", "exact"},
    [ANSWER_SEMANTIC] = {"\"semantic\"", "semantic"},
};

static const char *cached_json(const struct chat *chat)
{
    return chat->known ? chat->cached : cached_names[chat->follower.generation->source].json;
}

static void write_semantic(const struct chat *chat, struct buffer *out)
{
    const struct meta *meta = chat_meta(chat);
    if (chat->follower.generation->source != ANSWER_SEMANTIC) return;
    buffer_append_text(out, "\"semantic\":{\"similarity\":");
    json_append_number(out, meta->similarity);
    buffer_append_text(out, ",\"question\":");
    json_append_string(out, meta->question);
    buffer_append_text(out, "},");
}

void chat_write_citations(const struct chat *chat, struct buffer *out)
{
    list_to_json(citation_type(), &chat_meta(chat)->citations, out);
}

void chat_write_members(const struct chat *chat, struct buffer *out)
{
    buffer_append_text(out, "\"citations\":");
    chat_write_citations(chat, out);
    buffer_printf(out, ",\"cached\":%s,", cached_json(chat));
    if (chat->known) buffer_append_text(out, "\"idempotent_replay\":true,");
    write_semantic(chat, out);
    write_ids(chat, out);
    buffer_printf(out,
                  "\"language\":\"%s\",\"complexity\":\"%s\",\"top_k\":%ju,\"max_tokens\":%ju,"
                  "\"finish_reason\":",
                  language_name_of(chat), level_name(chat), (uintmax_t)chat->top_k,
                  (uintmax_t)chat->max_tokens);
    json_append_string(out, chat_meta(chat)->finish_reason);
    buffer_append_text(out, ",\"usage\":");
    record_to_json(usage_type(), &chat_meta(chat)->usage, out);
    buffer_append_text(out, ",\"timings_ms\":");
    write_timings(chat, out);
}

/* --- the turn --- */

static const char *turn_status(err_t error)
{
    if (!error) return "completed";
    return error == ERR_CANCELLED || error == ERR_CLIENT_TOO_SLOW ? "cancelled" : "failed";
}

/* The frames that later questions are compared with; one question of those that share an answer
 * brings them. */
static const struct body *frames_for_later(const struct chat *chat)
{
    const struct generation *generation = chat->follower.generation;
    const struct body *frames = generation->staged;
    bool may = chat->semantic && !chat->error && generation->source == ANSWER_MADE &&
               !chat->follower.joined && generation->searched && frames &&
               slice_equal(generation->meta.finish_reason, SLICE("stop"));
    if (!may || !body_frame(frames, FRAME_EMBEDDING).len) return NULL;
    return frames;
}

static void fill_turn(const struct chat *chat, struct turn *turn)
{
    const struct generation *generation = chat->follower.generation;
    *turn = (struct turn){
        .tenant = slice_of(chat->tenant),
        .conversation_id = chat->call.conversation_id,
        .agent_id = chat->agent_id,
        .portfolio_id = chat->portfolio_id,
        .question = chat->call.message,
        .answer = chat_text(chat),
        .language = slice_of(language_name_of(chat)),
        .complexity = slice_of(level_name(chat)),
        .top_k = chat->top_k,
        .max_tokens = chat->max_tokens,
        .status = slice_of(turn_status(chat->error)),
        .cached = slice_of(cached_names[generation->source].stored),
        .finish_reason = generation->meta.finish_reason,
        .written_by = generation->meta.written_by,
        .usage = generation->meta.usage,
        .citations = generation->meta.citations,
        .fence = chat->fence,
        .agent_version = chat->agent_version,
        .portfolio_version = generation->searched,
    };
    if (chat->error) turn->error = slice_of(error_code(chat->error));
    if (chat->error) turn->finish_reason = (struct slice){0};
}

bool chat_record(struct chat *chat,
                 void (*on_recorded)(void *context, const struct recorded *recorded))
{
    const struct body *frames = frames_for_later(chat);
    struct buffer timings = {0};
    struct turn turn;
    fill_turn(chat, &turn);
    turn.semantic = frames != NULL;
    chat->timings.total = clock_us() - chat->started_us;
    write_timings(chat, &timings);
    turn.timings_ms = buffer_slice(&timings);
    chat->record_started_us = clock_us();
    bool taken =
        recorder_put(chat->gateway->recorder, &turn, frames, chat->request_id, on_recorded, chat);
    buffer_free(&timings);
    if (!taken) claims_release(chat->gateway->claims, chat->fence);
    chat->fence = 0;
    return taken;
}

/* --- the end --- */

/* What the answer was to this question: the log's word, and the metric's. */
static const struct cache_words {
    const char *log, *ttft;
} cache_words[] = {
    [ANSWER_MADE] = {"miss", "miss"},
    [ANSWER_EXACT] = {"hit", "exact"},
    [ANSWER_SEMANTIC] = {"semantic", "semantic"},
};

static struct cache_words words_of(const struct chat *chat)
{
    const struct generation *generation = chat->follower.generation;
    if (generation && generation->source == ANSWER_MADE && chat->follower.joined)
        return (struct cache_words){"shared", "shared"};
    return cache_words[generation ? generation->source : ANSWER_MADE];
}

static bool was_admitted(const struct generation *generation)
{
    return generation && (generation->job || generation->source != ANSWER_MADE);
}

static void count_stages(const struct chat_timings *timings)
{
    metric_observe(METRIC_CHAT_STAGE_SECONDS, (double)timings->queue / 1e6, "queue");
    for (enum pool pool = 0; pool < POOL_COUNT; pool++)
        if (timings->stage[pool])
            metric_observe(METRIC_CHAT_STAGE_SECONDS, (double)timings->stage[pool] / 1e6,
                           pool_name(pool));
}

static void count(const struct chat *chat, const char *level)
{
    const struct generation *generation = chat->follower.generation;
    const struct chat_timings *timings = &chat->timings;
    metric_add(METRIC_CHATS, 1, error_code(chat->error), level);
    if (!was_admitted(generation)) return;
    metric_observe(METRIC_CHAT_SECONDS, (double)timings->total / 1e6, level);
    if (timings->first_token) {
        metric_observe(METRIC_CHAT_FIRST_TOKEN, (double)timings->first_token / 1e6, level);
        metric_observe(METRIC_TTFT, (double)timings->first_token / 1e6, words_of(chat).ttft);
    }
    if (generation->job && !chat->follower.joined) count_stages(timings);
    if (timings->record)
        metric_observe(METRIC_CHAT_STAGE_SECONDS, (double)timings->record / 1e6, "record");
    metric_add(METRIC_CHAT_ANSWER_BYTES, (double)generation->text.len, NULL, NULL);
}

/* " cache=hit key=0123456789abcdef", or "" where nothing was looked up. */
static void print_cache(const struct chat *chat, char *out, size_t size)
{
    char hex[SHA256_HEX + 1];
    *out = '\0';
    if (!chat->placed) return;
    sha256_hex(chat->place.key.bytes, hex);
    snprintf(out, size, " cache=%s key=%.16s", words_of(chat).log, hex);
}

/* Milliseconds with one digit behind the point, for "%ju.%u": as floating point they took a
 * noticeable part of a kept answer's time. */
#define MS(us) (uintmax_t)(((us) + 50) / 1000), (unsigned)(((us) + 50) / 100 % 10)

void chat_close(const struct chat *chat)
{
    const struct chat_timings *timings = &chat->timings;
    const struct generation *generation = chat->follower.generation;
    const char *level = level_name(chat);
    char cache[64];
    print_cache(chat, cache, sizeof(cache));
    count(chat, level);
    log_info("job=%ju request=%s route=%s status=%s agent=%ju portfolio=%ju language=%s level=%s"
             "%s tokens=%ju bytes=%zu total=%ju.%ums delays=queue %ju.%u/embed %ju.%u/retrieve "
             "%ju.%u/generate %ju.%u/record %ju.%u",
             (uintmax_t)(generation ? generation->job : 0), chat->request_id, chat->shape->name,
             error_code(chat->error), (uintmax_t)chat->agent_id, (uintmax_t)chat->portfolio_id,
             language_name_of(chat), level, cache,
             (uintmax_t)(generation ? generation->meta.usage.completion_tokens : 0),
             generation ? generation->text.len : 0, MS(timings->total), MS(timings->queue),
             MS(timings->stage[POOL_EMBED]), MS(timings->stage[POOL_RETRIEVE]),
             MS(timings->stage[POOL_GENERATE]), MS(timings->record));
}
