/* Mistral's chat completions: usage comes unasked, with the last event; an assistant's message at
 * the end, marked as a prefix, is gone on from, and stands in the answer once more.
 * https://docs.mistral.ai/api */
#include "workers/generator/chat_completions.h"

enum { TEMPERATURE_MAX_TENTHS = 15 };

static void mistral_request(const struct dialect_request *request, struct buffer *body)
{
    chat_completions_write(request, body);
    if (!request->plain)
        dialect_write_temperature(MIN(request->temperature, TEMPERATURE_MAX_TENTHS / 10.0), body);
    buffer_append_char(body, '}');
}

const struct dialect dialect_mistral = {
    .name = "mistral",
    .path = "/chat/completions",
    .key_header = "Authorization: Bearer ",
    .continues = true,
    .repeats = true,
    .request = mistral_request,
    .read = chat_completions_read,
};
