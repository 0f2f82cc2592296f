/* Mistral's chat completions: usage comes unasked, with the last event; an assistant's message at
 * the end, marked as a prefix, is gone on from, and stands in the answer once more.
 * https://docs.mistral.ai/api */
#include "workers/generator/chat_completions.h"

#define TEMPERATURE_MAX 1.5

static void mistral_request(const struct dialect_request *request, struct buffer *body)
{
    chat_completions_write(request, body);
    dialect_write_temperature(request, TEMPERATURE_MAX, body);
    buffer_append_char(body, '}');
}

const struct dialect dialect_mistral = {
    .name = "mistral",
    .path = "/chat/completions",
    .key_header = "Authorization: Bearer ",
    .left_out_most = LEFT_OUT_TEMPERATURE,
    .continues = true,
    .repeats = true,
    .request = mistral_request,
    .read = chat_completions_read,
};
