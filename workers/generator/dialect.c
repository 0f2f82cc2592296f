#include "workers/generator/dialect.h"

#include "common/json_pick.h"
#include "common/json_text.h"

const struct dialect *dialect_find(const char *provider)
{
    static const struct dialect *const dialects[] = {
        &dialect_openai, &dialect_mistral, &dialect_anthropic, &dialect_openai_compatible};
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (!strcmp(dialects[i]->name, provider)) return dialects[i];
    return NULL;
}

const char *dialect_finish(const struct dialect_word *words, struct slice value)
{
    for (; words->theirs; words++)
        if (json_is(value, words->theirs)) return words->ours;
    return "stop";
}

void dialect_write_start(const struct dialect_request *request, struct buffer *body)
{
    buffer_append_text(body, "{\"model\":");
    json_append_string(body, request->model);
    buffer_append_text(body, ",\"stream\":true");
}

void dialect_write_temperature(const struct dialect_request *request, double most,
                               struct buffer *body)
{
    if (request->left_out >= LEFT_OUT_TEMPERATURE) return;
    buffer_append_text(body, ",\"temperature\":");
    json_append_number(body, MIN(request->temperature, most));
}

void dialect_write_message(const char *role, struct slice text, struct buffer *body)
{
    if (body->data[body->len - 1] != '[') buffer_append_char(body, ',');
    buffer_printf(body, "{\"role\":\"%s\",\"content\":", role);
    json_append_string(body, text);
    buffer_append_char(body, '}');
}

void dialect_write_messages(const struct prompt *prompt, struct buffer *body)
{
    static const char *const roles[] = {[PROMPT_USER] = "user", [PROMPT_ASSISTANT] = "assistant"};
    for (size_t i = 0; i < prompt->count; i++)
        dialect_write_message(roles[prompt->messages[i].role], prompt->messages[i].text, body);
}
