#include "workers/generator/chat_completions.h"

#include "common/json_pick.h"
#include "common/json_text.h"

/* --- the request --- */

static void write_prefix(struct slice prefix, struct buffer *body)
{
    dialect_write_message("assistant", prefix, body);
    body->len--; /* into the message again */
    buffer_append_text(body, ",\"prefix\":true}");
}

void chat_completions_write(const struct dialect_request *request, struct buffer *body)
{
    dialect_write_start(request, body);
    buffer_append_text(body, ",\"messages\":[");
    if (request->prompt->system.len) dialect_write_message("system", request->prompt->system, body);
    dialect_write_messages(request->prompt, body);
    if (request->prefix.len) write_prefix(request->prefix, body);
    buffer_append_char(body, ']');
}

/* --- an event --- */

enum { CONTENT, FINISH, PROMPT_TOKENS, COMPLETION_TOKENS, FAILURE, FAILURE_CODE, FAILURE_TYPE };

static const json_path paths[] = {
    [CONTENT] = {"choices", "0", "delta", "content"},
    [FINISH] = {"choices", "0", "finish_reason"},
    [PROMPT_TOKENS] = {"usage", "prompt_tokens"},
    [COMPLETION_TOKENS] = {"usage", "completion_tokens"},
    [FAILURE] = {"error"},
    [FAILURE_CODE] = {"error", "code"},
    [FAILURE_TYPE] = {"error", "type"},
};

static const struct dialect_word finishes[] = {
    {"length", "length"},
    {"model_length", "length"},
    {"content_filter", "content_filter"},
    {NULL, NULL},
};

/* Mistral's models that think or refer give a list of pieces, of which the text is the answer. */
static void read_pieces(struct slice pieces, struct buffer *text)
{
    static const json_path of_piece[] = {{"type"}, {"text"}};
    struct slice piece, values[ARRAY_LEN(of_piece)];
    while (json_next(&pieces, &piece))
        if (json_pick(piece, of_piece, ARRAY_LEN(of_piece), values) && json_is(values[0], "text"))
            json_append_unescaped(values[1], text);
}

static err_t failure_of(const struct slice *values)
{
    static const char limited[] = "rate_limit_exceeded";
    bool is_limit = json_is(values[FAILURE_CODE], limited) ||
                    json_is(values[FAILURE_TYPE], limited) ||
                    json_whole(values[FAILURE_CODE]) == 429;
    return is_limit ? ERR_PROVIDER_RATE_LIMITED : ERR_PROVIDER_FAILED;
}

static void read_usage(const struct slice *values, struct usage *usage)
{
    if (values[PROMPT_TOKENS].len) usage->prompt_tokens = json_whole(values[PROMPT_TOKENS]);
    if (values[COMPLETION_TOKENS].len)
        usage->completion_tokens = json_whole(values[COMPLETION_TOKENS]);
}

err_t chat_completions_read(struct slice data, struct dialect_reply *reply)
{
    struct slice values[ARRAY_LEN(paths)];
    if (slice_equal(data, SLICE("[DONE]"))) return reply->ended = true, OK;
    if (data.len == 0 || data.ptr[0] != '{' || !json_pick(data, paths, ARRAY_LEN(paths), values))
        return ERR_PROVIDER_BAD_RESPONSE;
    if (values[FAILURE].len) return failure_of(values);
    if (json_is(values[FINISH], "error")) return ERR_PROVIDER_FAILED;
    if (json_is_string(values[CONTENT]))
        json_append_unescaped(values[CONTENT], reply->text);
    else
        read_pieces(values[CONTENT], reply->text);
    if (values[FINISH].len) reply->finish_reason = dialect_finish(finishes, values[FINISH]);
    read_usage(values, &reply->usage);
    return OK;
}
