/* Anthropic's messages: the system prompt stands apart, the answer's length must be bounded, every
 * event says its type. Usage comes in two events, the prompt's in the first, the answer's in the
 * one before the last. An assistant's message at the end is gone on from.
 * https://docs.anthropic.com/en/api/messages-streaming */
#include "common/json_pick.h"
#include "common/json_text.h"
#include "workers/generator/dialect.h"

enum { TEMPERATURE_MAX = 1 };

static void anthropic_request(const struct dialect_request *request, struct buffer *body)
{
    dialect_write_start(request, body);
    buffer_printf(body, ",\"max_tokens\":%zu", request->tokens_max);
    dialect_write_temperature(request, TEMPERATURE_MAX, body);
    if (request->prompt->system.len) {
        buffer_append_text(body, ",\"system\":");
        json_append_string(body, request->prompt->system);
    }
    buffer_append_text(body, ",\"messages\":[");
    dialect_write_messages(request->prompt, body);
    if (request->prefix.len) dialect_write_message("assistant", request->prefix, body);
    buffer_append_text(body, "]}");
}

/* --- an event --- */

enum { TYPE, TEXT, FINISH, FIRST_PROMPT, FIRST_COMPLETION, PROMPT, COMPLETION, FAILURE };

static const json_path paths[] = {
    [TYPE] = {"type"},
    [TEXT] = {"delta", "text"},
    [FINISH] = {"delta", "stop_reason"},
    [FIRST_PROMPT] = {"message", "usage", "input_tokens"},
    [FIRST_COMPLETION] = {"message", "usage", "output_tokens"},
    [PROMPT] = {"usage", "input_tokens"},
    [COMPLETION] = {"usage", "output_tokens"},
    [FAILURE] = {"error", "type"},
};

static const struct dialect_word finishes[] = {
    {"max_tokens", "length"},
    {"model_context_window_exceeded", "length"},
    {"refusal", "content_filter"},
    {NULL, NULL},
};

static err_t failure_of(struct slice type)
{
    static const struct {
        const char *type;
        err_t error;
    } failures[] = {
        {"authentication_error", ERR_PROVIDER_AUTH},
        {"permission_error", ERR_PROVIDER_AUTH},
        {"not_found_error", ERR_PROVIDER_MODEL},
        {"invalid_request_error", ERR_PROVIDER_REFUSED},
        {"request_too_large", ERR_PROVIDER_REFUSED},
        {"rate_limit_error", ERR_PROVIDER_RATE_LIMITED},
    };
    for (size_t i = 0; i < ARRAY_LEN(failures); i++)
        if (json_is(type, failures[i].type)) return failures[i].error;
    return ERR_PROVIDER_FAILED; /* overloaded, or broken */
}

static void read_count(struct slice value, uint64_t *count)
{
    if (value.len) *count = json_whole(value);
}

static void read_usage(const struct slice *values, struct usage *usage)
{
    read_count(values[FIRST_PROMPT], &usage->prompt_tokens);
    read_count(values[FIRST_COMPLETION], &usage->completion_tokens);
    read_count(values[PROMPT], &usage->prompt_tokens);
    read_count(values[COMPLETION], &usage->completion_tokens);
}

/* Types that say nothing of these are passed over, as the interface asks of its readers. */
static err_t anthropic_read(struct slice data, struct dialect_reply *reply)
{
    struct slice values[ARRAY_LEN(paths)];
    if (!json_pick(data, paths, ARRAY_LEN(paths), values) || !values[TYPE].len)
        return ERR_PROVIDER_BAD_RESPONSE;
    if (json_is(values[TYPE], "error")) return failure_of(values[FAILURE]);
    if (json_is(values[TYPE], "content_block_delta"))
        json_append_unescaped(values[TEXT], reply->text);
    if (values[FINISH].len) reply->finish_reason = dialect_finish(finishes, values[FINISH]);
    if (json_is(values[TYPE], "message_stop")) reply->ended = true;
    read_usage(values, &reply->usage);
    return OK;
}

const struct dialect dialect_anthropic = {
    .name = "anthropic",
    .path = "/v1/messages",
    .key_header = "x-api-key: ",
    .version_header = "anthropic-version: 2023-06-01",
    .left_out_most = LEFT_OUT_TEMPERATURE,
    .continues = true,
    .request = anthropic_request,
    .read = anthropic_read,
};
