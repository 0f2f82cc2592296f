/* Chat completions, as OpenAI has them and most servers have copied them. Usage is told in a last
 * event of its own, where it was asked for; servers that do not know the question refuse it, or
 * never tell. "[DONE]" ends the stream.
 * https://platform.openai.com/docs/api-reference/chat-streaming */
#include "workers/generator/chat_completions.h"

enum { TEMPERATURE_MAX = 2 };

static void openai_request(const struct dialect_request *request, struct buffer *body)
{
    chat_completions_write(request, body);
    dialect_write_temperature(request, TEMPERATURE_MAX, body);
    if (request->left_out < LEFT_OUT_USAGE)
        buffer_append_text(body, ",\"stream_options\":{\"include_usage\":true}");
    buffer_append_char(body, '}');
}

const struct dialect dialect_openai = {
    .name = "openai",
    .path = "/chat/completions",
    .key_header = "Authorization: Bearer ",
    .left_out_most = LEFT_OUT_USAGE,
    .request = openai_request,
    .read = chat_completions_read,
};

/* Ollama, vLLM, llama.cpp's server and the like: the same at another address. */
const struct dialect dialect_openai_compatible = {
    .name = "openai-compatible",
    .path = "/chat/completions",
    .key_header = "Authorization: Bearer ",
    .left_out_most = LEFT_OUT_USAGE,
    .request = openai_request,
    .read = chat_completions_read,
};
