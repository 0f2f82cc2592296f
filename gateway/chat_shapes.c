#include "gateway/chat_shapes.h"

#include "common/json_text.h"
#include "gateway/sse.h"

static err_t read_question(struct chat *chat)
{
    const struct settings *settings = chat->gateway->settings;
    chat->agent_id = http_target(chat->http)->ids[0];
    return chat_call_read(http_body(chat->http), settings->message_characters_max,
                          http_arena(chat->http), &chat->call, &chat->problem);
}

static void whole_done(const struct chat *chat, struct buffer *out)
{
    buffer_append_text(out, "{\"answer\":");
    json_append_string(out, chat_text(chat));
    buffer_append_char(out, ',');
    chat_write_members(chat, out);
    buffer_append_text(out, "}\n");
}

static size_t stream_text(const struct chat *chat, struct slice *text, char *out, size_t max)
{
    (void)chat;
    return sse_token(text, out, max);
}

static void stream_done(const struct chat *chat, struct buffer *out)
{
    struct buffer members = {0};
    chat_write_members(chat, &members);
    sse_done(buffer_slice(&members), out);
    buffer_free(&members);
}

static void stream_failed(const struct chat *chat, const char *message, struct buffer *out)
{
    sse_error(chat->error, chat->retryable, message, out);
}

const struct chat_shape chat_shape_whole = {
    .name = "chat",
    .read = read_question,
    .done = whole_done,
};
const struct chat_shape chat_shape_stream = {
    .name = "chat.stream",
    .stream = true,
    .read = read_question,
    .text = stream_text,
    .done = stream_done,
    .failed = stream_failed,
};
