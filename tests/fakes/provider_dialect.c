#include "tests/fakes/provider_dialect.h"

#include <inttypes.h>

#include "common/json_text.h"
#include "common/text.h"

/* --- events --- */

static const struct frame {
    const char *name, *line_end, *before;
    bool split; /* data in two lines */
} frames[] = {
    {"", "\n", "", false},
    {"bom", "\n", "", false},
    {"crlf", "\r\n", "", false},
    {"cr", "\r", "", false},
    {"comment", "\n", ": PROCESSING\n:\nid: 1\nretry: 1000\n", false},
    {"multi", "\n", "", true},
};

static const struct frame *frame_find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(frames); i++)
        if (!strcmp(frames[i].name, name)) return &frames[i];
    return &frames[0];
}

void provider_event(const char *frame_name, const char *name, struct slice data, struct buffer *out)
{
    const struct frame *frame = frame_find(frame_name);
    buffer_append_text(out, frame->before);
    if (name) buffer_printf(out, "event: %s%s", name, frame->line_end);
    buffer_append_text(out, "data: ");
    if (frame->split && data.len && data.ptr[0] == '{') { /* a line end is white space in JSON */
        buffer_printf(out, "{%sdata: ", frame->line_end);
        data = (struct slice){data.ptr + 1, data.len - 1};
    }
    buffer_append_slice(out, data);
    buffer_append_text(out, frame->line_end);
    buffer_append_text(out, frame->line_end);
}

static void event_take(const struct answer_facts *facts, const char *name, struct buffer *data,
                       struct buffer *out)
{
    provider_event(facts->frame, name, buffer_slice(data), out);
    buffer_free(data);
}

void provider_string(struct buffer *out, struct slice text)
{
    if (text_valid(text)) {
        json_append_string(out, text);
        return;
    }
    buffer_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char escaped[8];
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x80)
            buffer_append_char(out, text.ptr[i]);
        else
            buffer_append(out, escaped, json_escape(c, escaped));
    }
    buffer_append_char(out, '"');
}

/* --- OpenAI --- */

static void openai_usage(const struct answer_facts *facts, struct buffer *out)
{
    buffer_printf(out,
                  "\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
                  ",\"total_tokens\":%" PRIu64 "}",
                  facts->prompt_tokens, facts->completion_tokens,
                  facts->prompt_tokens + facts->completion_tokens);
}

static void openai_head(const struct answer_facts *facts, const char *object, struct buffer *out)
{
    buffer_printf(out,
                  "{\"id\":\"chatcmpl-%" PRIu64 "\",\"object\":\"%s\",\"created\":1700000000,"
                  "\"model\":",
                  facts->id, object);
    json_append_string(out, slice_of(facts->model));
}

/* `delta` is JSON members without braces. */
static void openai_chunk(const struct answer_facts *facts, struct slice delta, const char *finish,
                         bool usage, struct buffer *out)
{
    struct buffer data = {0};
    openai_head(facts, "chat.completion.chunk", &data);
    buffer_append_text(&data, ",\"choices\":[{\"index\":0,\"delta\":{");
    buffer_append_slice(&data, delta);
    buffer_append_text(&data, "},\"logprobs\":null,\"finish_reason\":");
    if (finish)
        json_append_string(&data, slice_of(finish));
    else
        buffer_append_text(&data, "null");
    buffer_append_text(&data, "}]");
    if (usage) buffer_append_char(&data, ',');
    if (usage) openai_usage(facts, &data);
    buffer_append_char(&data, '}');
    event_take(facts, NULL, &data, out);
}

static void openai_open(const struct answer_facts *facts, struct buffer *out)
{
    openai_chunk(facts, SLICE("\"role\":\"assistant\",\"content\":\"\""), NULL, false, out);
}

static void openai_text(const struct answer_facts *facts, struct slice text, struct buffer *out)
{
    struct buffer delta = {0};
    buffer_append_text(&delta, "\"content\":");
    provider_string(&delta, text);
    openai_chunk(facts, buffer_slice(&delta), NULL, false, out);
    buffer_free(&delta);
}

static void openai_close(const struct answer_facts *facts, struct buffer *out)
{
    struct buffer data = {0};
    openai_chunk(facts, SLICE(""), facts->finish, false, out);
    if (facts->usage) {
        openai_head(facts, "chat.completion.chunk", &data);
        buffer_append_text(&data, ",\"choices\":[],");
        openai_usage(facts, &data);
        buffer_append_char(&data, '}');
        event_take(facts, NULL, &data, out);
    }
    provider_event(facts->frame, NULL, SLICE("[DONE]"), out);
}

static void openai_whole(const struct answer_facts *facts, struct slice text, struct buffer *out)
{
    openai_head(facts, "chat.completion", out);
    buffer_append_text(
        out, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    provider_string(out, text);
    buffer_printf(out, "},\"logprobs\":null,\"finish_reason\":\"%s\"}]", facts->finish);
    if (facts->usage) buffer_append_char(out, ',');
    if (facts->usage) openai_usage(facts, out);
    buffer_append_char(out, '}');
}

static void openai_error(int status, const char *message, struct buffer *out)
{
    buffer_append_text(out, "{\"error\":{\"message\":");
    json_append_string(out, slice_of(message));
    buffer_printf(out, ",\"type\":\"error_%d\",\"param\":null,\"code\":null}}", status);
}

static void openai_error_event(const struct answer_facts *facts, struct buffer *out)
{
    struct buffer data = {0};
    openai_error(500, PROVIDER_SECRET, &data);
    event_take(facts, NULL, &data, out);
}

static const char *openai_refuses(const json_t *body)
{
    const json_t *messages = json_object_get(body, "messages"), *message;
    size_t i;
    if (!json_array_size(messages)) return "messages must not be empty";
    json_array_foreach(
        messages, i,
        message) if (!json_string_value(json_object_get(message, "role")) ||
                     !json_object_get(message,
                                      "content")) return "a message needs role and content";
    return NULL;
}

const struct provider_dialect dialect_of_openai = {
    .refuses = openai_refuses,
    .open = openai_open,
    .text = openai_text,
    .close = openai_close,
    .error_event = openai_error_event,
    .whole = openai_whole,
    .error = openai_error,
    .key_header = "Authorization",
    .key_prefix = "Bearer ",
};

/* --- Mistral --- */

static const char *mistral_refuses(const json_t *body)
{
    static const char *const unknown[] = {"stream_options", "max_completion_tokens", "user"};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        if (json_object_get(body, unknown[i])) return "Extra inputs are not permitted";
    return openai_refuses(body);
}

static void mistral_close(const struct answer_facts *facts, struct buffer *out)
{
    openai_chunk(facts, SLICE("\"content\":\"\""), facts->finish, facts->usage, out);
    provider_event(facts->frame, NULL, SLICE("[DONE]"), out);
}

const struct provider_dialect dialect_of_mistral = {
    .refuses = mistral_refuses,
    .open = openai_open,
    .text = openai_text,
    .close = mistral_close,
    .error_event = openai_error_event,
    .whole = openai_whole,
    .error = openai_error,
    .key_header = "Authorization",
    .key_prefix = "Bearer ",
};

/* --- Anthropic --- */

static const char *anthropic_finish(const struct answer_facts *facts)
{
    static const char *const reasons[][2] = {{"length", "max_tokens"},
                                             {"content_filter", "refusal"}};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (!strcmp(facts->finish, reasons[i][0])) return reasons[i][1];
    return "end_turn";
}

static void anthropic_head(const struct answer_facts *facts, struct buffer *out)
{
    buffer_printf(out,
                  "{\"id\":\"msg_%" PRIu64 "\",\"type\":\"message\",\"role\":\"assistant\","
                  "\"model\":",
                  facts->id);
    json_append_string(out, slice_of(facts->model));
}

static void anthropic_event(const struct answer_facts *facts, const char *name, const char *members,
                            struct buffer *out)
{
    struct buffer data = {0};
    buffer_printf(&data, "{\"type\":\"%s\"%s}", name, members);
    event_take(facts, name, &data, out);
}

static void anthropic_open(const struct answer_facts *facts, struct buffer *out)
{
    struct buffer data = {0};
    buffer_append_text(&data, "{\"type\":\"message_start\",\"message\":");
    anthropic_head(facts, &data);
    buffer_append_text(&data, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
    if (facts->usage)
        buffer_printf(&data, ",\"usage\":{\"input_tokens\":%" PRIu64 ",\"output_tokens\":1}",
                      facts->prompt_tokens);
    buffer_append_text(&data, "}}");
    event_take(facts, "message_start", &data, out);
    anthropic_event(facts, "content_block_start",
                    ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}", out);
    anthropic_event(facts, "ping", "", out);
}

static void anthropic_text(const struct answer_facts *facts, struct slice text, struct buffer *out)
{
    struct buffer data = {0};
    buffer_append_text(&data, "{\"type\":\"content_block_delta\",\"index\":0,"
                              "\"delta\":{\"type\":\"text_delta\",\"text\":");
    provider_string(&data, text);
    buffer_append_text(&data, "}}");
    event_take(facts, "content_block_delta", &data, out);
}

static void anthropic_close(const struct answer_facts *facts, struct buffer *out)
{
    struct buffer members = {0};
    anthropic_event(facts, "content_block_stop", ",\"index\":0", out);
    buffer_printf(&members, ",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null}",
                  anthropic_finish(facts));
    if (facts->usage)
        buffer_printf(&members, ",\"usage\":{\"output_tokens\":%" PRIu64 "}",
                      facts->completion_tokens);
    buffer_append_char(&members, '\0');
    anthropic_event(facts, "message_delta", members.data, out);
    buffer_free(&members);
    anthropic_event(facts, "message_stop", "", out);
}

static void anthropic_whole(const struct answer_facts *facts, struct slice text, struct buffer *out)
{
    anthropic_head(facts, out);
    buffer_append_text(out, ",\"content\":[{\"type\":\"text\",\"text\":");
    provider_string(out, text);
    buffer_printf(out, "}],\"stop_reason\":\"%s\",\"stop_sequence\":null", anthropic_finish(facts));
    if (facts->usage)
        buffer_printf(out,
                      ",\"usage\":{\"input_tokens\":%" PRIu64 ",\"output_tokens\":%" PRIu64 "}",
                      facts->prompt_tokens, facts->completion_tokens);
    buffer_append_char(out, '}');
}

static void anthropic_error(int status, const char *message, struct buffer *out)
{
    buffer_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"error_%d\",\"message\":", status);
    json_append_string(out, slice_of(message));
    buffer_append_text(out, "}}");
}

static void anthropic_error_event(const struct answer_facts *facts, struct buffer *out)
{
    struct buffer data = {0};
    anthropic_error(529, PROVIDER_SECRET, &data);
    event_take(facts, "error", &data, out);
}

/* Roles alternate, the first is the user's; max_tokens must be given; instructions go apart. */
static const char *anthropic_refuses(const json_t *body)
{
    const json_t *messages = json_object_get(body, "messages"), *message;
    size_t i;
    if (!json_is_integer(json_object_get(body, "max_tokens"))) return "max_tokens: Field required";
    if (json_object_get(body, "stream_options")) return "stream_options: Extra inputs";
    if (openai_refuses(body)) return openai_refuses(body);
    json_array_foreach(
        messages, i,
        message) if (strcmp(json_string_value(json_object_get(message, "role")),
                            i % 2 ? "assistant" : "user")) return "messages: roles must alternate";
    return NULL;
}

const struct provider_dialect dialect_of_anthropic = {
    .refuses = anthropic_refuses,
    .open = anthropic_open,
    .text = anthropic_text,
    .close = anthropic_close,
    .error_event = anthropic_error_event,
    .whole = anthropic_whole,
    .error = anthropic_error,
    .version_header = "anthropic-version",
    .key_header = "x-api-key",
    .key_prefix = "",
};
