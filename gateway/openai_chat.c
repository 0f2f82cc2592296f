/* An answer as clients of OpenAI's read it. A stream:
 *
 *     chunk {"role":"assistant"}         at once, so that the client sees that it is served
 *     chunk {} with `sources`            what was retrieved; Open WebUI shows it beside the answer
 *     chunk {"content":"…"}              as it is made
 *     chunk {"citations":[…]} with `finish_reason`
 *     chunk without choices, with usage  where it was asked for
 *     [DONE]
 *
 * One that fails ends in an error instead of the last three. */
#include "gateway/openai_chat.h"

#include "common/clock.h"
#include "common/json_text.h"
#include "gateway/openai_request.h"
#include "gateway/openai_text.h"
#include "gateway/sse.h"
#include "proto/codec.h"

/* --- in --- */

static err_t read_question(struct chat *chat)
{
    const struct settings *settings = chat->gateway->settings;
    struct openai_limits limits = {settings->message_characters_max,
                                   settings->history_messages_max};
    struct openai_question question;
    err_t error = openai_question_read(http_body(chat->http), &limits, http_arena(chat->http),
                                       &question, &chat->problem);
    if (error) return error;
    chat->call = question.call;
    chat->agent_id = question.agent_id;
    chat->history = question.history;
    chat->openai.include_usage = question.include_usage;
    chat->openai.sources = question.sources;
    chat->openai.created_s = (uint64_t)clock_wall_ms() / 1000;
    if (question.stream) chat->shape = &openai_shape_stream;
    return OK;
}

/* --- out --- */

static void append_head(const struct chat *chat, const char *object, struct buffer *out)
{
    buffer_append_text(out, "{\"id\":\"chatcmpl-");
    buffer_append_text(out, chat->request_id);
    buffer_printf(out, "\",\"object\":\"%s\",\"created\":%ju,\"model\":\"agent-%ju\",", object,
                  (uintmax_t)chat->openai.created_s, (uintmax_t)chat->agent_id);
}

static void append_chunk_head(const struct chat *chat, struct buffer *out)
{
    buffer_append_text(out, "data: ");
    append_head(chat, "chat.completion.chunk", out);
}

static void append_usage(const struct chat *chat, struct buffer *out)
{
    buffer_append_text(out, "\"usage\":");
    record_to_json(usage_type(), &chat_meta(chat)->usage, out);
}

static void append_citations(const struct chat *chat, struct buffer *out)
{
    buffer_append_text(out, "\"citations\":");
    chat_write_citations(chat, out);
}

static void append_finish_reason(const struct chat *chat, struct buffer *out)
{
    buffer_append_text(out, "\"finish_reason\":");
    json_append_string(out, chat_meta(chat)->finish_reason);
}

static void whole_done(const struct chat *chat, struct buffer *out)
{
    append_head(chat, "chat.completion", out);
    buffer_append_text(out, "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                            "\"content\":");
    json_append_string(out, chat_text(chat));
    buffer_append_text(out, ",\"refusal\":null,");
    append_citations(chat, out);
    buffer_append_text(out, "},\"logprobs\":null,");
    append_finish_reason(chat, out);
    buffer_append_text(out, "}],");
    append_usage(chat, out);
    buffer_append_text(out, "}\n");
}

/* --- a stream --- */

static void stream_open(struct chat *chat, struct buffer *out)
{
    append_chunk_head(chat, &chat->openai.head);
    buffer_append_text(&chat->openai.head, "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
    append_chunk_head(chat, out);
    buffer_append_text(out, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
                            "\"content\":\"\"},\"finish_reason\":null}]}\n\n");
}

/* The delta is empty but there: Open WebUI passes a chunk with `sources` on only then. */
static void stream_retrieved(struct chat *chat, const struct body *body, struct buffer *out)
{
    struct arena arena = {0};
    struct context context;
    if (!chat->openai.sources || chat->follower.written) return;
    if (record_decode(context_type(), body_frame(body, FRAME_CONTEXT), &arena, &context) == OK &&
        context.passages.count) {
        append_chunk_head(chat, out);
        buffer_append_text(out, "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":null}],"
                                "\"sources\":");
        openai_sources(&context.passages, out);
        buffer_append_text(out, "}\n\n");
    }
    arena_free(&arena);
}

static size_t stream_text(const struct chat *chat, struct slice *text, char *out, size_t max)
{
    struct sse_frame frame = {buffer_slice(&chat->openai.head),
                              SLICE("\"},\"finish_reason\":null}]}\n\n")};
    return sse_text(&frame, text, out, max);
}

static void stream_done(const struct chat *chat, struct buffer *out)
{
    append_chunk_head(chat, out);
    buffer_append_text(out, "\"choices\":[{\"index\":0,\"delta\":{");
    append_citations(chat, out);
    buffer_append_text(out, "},");
    append_finish_reason(chat, out);
    buffer_append_text(out, "}]}\n\n");
    if (chat->openai.include_usage) {
        append_chunk_head(chat, out);
        buffer_append_text(out, "\"choices\":[],");
        append_usage(chat, out);
        buffer_append_text(out, "}\n\n");
    }
    buffer_append_text(out, "data: [DONE]\n\n");
}

static void stream_failed(const struct chat *chat, const char *message, struct buffer *out)
{
    openai_failed_event(chat->error, message, out);
}

const struct chat_shape openai_shape_whole = {
    .name = "openai.chat",
    .read = read_question,
    .done = whole_done,
};
const struct chat_shape openai_shape_stream = {
    .name = "openai.chat.stream",
    .stream = true,
    .read = read_question,
    .open = stream_open,
    .retrieved = stream_retrieved,
    .text = stream_text,
    .failed = stream_failed,
    .done = stream_done,
};
