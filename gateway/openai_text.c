#include "gateway/openai_text.h"

#include "common/json_text.h"

#define MODEL_OWNER "millrace"

bool openai_is_path(struct slice path)
{
    struct slice prefix = SLICE("/v1/");
    return path.len >= prefix.len && !memcmp(path.ptr, prefix.ptr, prefix.len);
}

/* --- errors --- */

/* What those clients call by another name, and which member it is about. */
static const struct {
    err_t error;
    const char *code, *param;
} names[] = {
    {ERR_AGENT_NOT_FOUND, "model_not_found", "model"},
    {ERR_MESSAGE_EMPTY, NULL, "messages"},
    {ERR_MESSAGE_TOO_LONG, NULL, "messages"},
    {ERR_PORTFOLIO_NOT_FOUND, NULL, "portfolio_id"},
};

static int status_of(err_t error)
{
    int status = error_status(error);
    return status == 422 ? 400 : status;
}

static const char *type_of(int status)
{
    if (status == 429) return "rate_limit_error";
    return status < 500 ? "invalid_request_error" : "server_error";
}

static void append_error(err_t error, const char *message, struct buffer *out)
{
    const char *code = error_code(error), *param = NULL;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].error != error) continue;
        if (names[i].code) code = names[i].code;
        param = names[i].param;
    }
    buffer_append_text(out, "{\"error\":{\"message\":");
    json_append_string(out, slice_of(message));
    buffer_printf(out, ",\"type\":\"%s\",\"param\":", type_of(status_of(error)));
    if (param)
        json_append_string(out, slice_of(param));
    else
        buffer_append_text(out, "null");
    buffer_printf(out, ",\"code\":\"%s\"}}", code);
}

int openai_refuse(err_t error, const char *message, struct buffer *out)
{
    append_error(error, message, out);
    buffer_append_char(out, '\n');
    return status_of(error);
}

void openai_failed_event(err_t error, const char *message, struct buffer *out)
{
    buffer_append_text(out, "data: ");
    append_error(error, message, out);
    buffer_append_text(out, "\n\n");
}

/* --- models --- */

void openai_model(const struct agent *agent, struct buffer *out)
{
    buffer_printf(out,
                  "{\"id\":\"agent-%ju\",\"object\":\"model\",\"created\":0,\"owned_by\":\"%s\"",
                  (uintmax_t)agent->id, MODEL_OWNER);
    buffer_append_text(out, ",\"name\":");
    json_append_string(out, agent->name);
    buffer_append_char(out, '}');
}

void openai_models(const struct list *agents, struct buffer *out)
{
    const struct agent *agent = agents->items;
    buffer_append_text(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < agents->count; i++) {
        if (i) buffer_append_char(out, ',');
        openai_model(&agent[i], out);
    }
    buffer_append_text(out, "]}\n");
}

/* --- sources --- */

static void append_source(const struct passage *passage, size_t n, struct buffer *out)
{
    buffer_printf(out, "{\"source\":{\"id\":\"chunk-%ju\",\"name\":", (uintmax_t)passage->chunk_id);
    json_append_string(out, passage->title);
    buffer_append_text(out, "},\"document\":[");
    json_append_string(out, passage->text);
    buffer_printf(
        out, "],\"metadata\":[{\"source\":\"chunk-%ju\",\"name\":", (uintmax_t)passage->chunk_id);
    json_append_string(out, passage->title);
    buffer_append_text(out, ",\"heading\":");
    json_append_string(out, passage->heading);
    buffer_append_text(out, ",\"document_source\":");
    json_append_string(out, passage->source);
    buffer_printf(out, ",\"document_id\":%ju,\"n\":%zu}]}", (uintmax_t)passage->document_id, n);
}

void openai_sources(const struct list *passages, struct buffer *out)
{
    const struct passage *passage = passages->items;
    buffer_append_char(out, '[');
    for (size_t i = 0; i < passages->count; i++) {
        if (i) buffer_append_char(out, ',');
        append_source(&passage[i], i + 1, out);
    }
    buffer_append_char(out, ']');
}

/* --- embeddings --- */

static char base64_digit(uint32_t bits)
{
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[bits & 63];
}

static void append_base64(struct slice bytes, struct buffer *out)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t len = MIN(bytes.len - at, (size_t)3);
        uint32_t bits = (uint32_t)in[at] << 16;
        if (len > 1) bits |= (uint32_t)in[at + 1] << 8;
        if (len > 2) bits |= in[at + 2];
        char group[4] = {base64_digit(bits >> 18), base64_digit(bits >> 12),
                         len > 1 ? base64_digit(bits >> 6) : '=',
                         len > 2 ? base64_digit(bits) : '='};
        buffer_append(out, group, sizeof(group));
    }
}

static void append_numbers(struct slice bytes, struct buffer *out)
{
    float number;
    buffer_append_char(out, '[');
    for (size_t at = 0; at < bytes.len; at += sizeof(number)) {
        if (at) buffer_append_char(out, ',');
        memcpy(&number, bytes.ptr + at, sizeof(number));
        json_append_number(out, number);
    }
    buffer_append_char(out, ']');
}

static void append_vector(struct slice bytes, size_t index, bool base64, struct buffer *out)
{
    if (index) buffer_append_char(out, ',');
    buffer_printf(out, "{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", index);
    if (base64) {
        buffer_append_char(out, '"');
        append_base64(bytes, out);
        buffer_append_char(out, '"');
    } else {
        append_numbers(bytes, out);
    }
    buffer_append_char(out, '}');
}

err_t openai_embeddings(const struct embedding *embedding, size_t count, uint64_t tokens,
                        bool base64, struct buffer *out)
{
    size_t bytes = embedding->vectors.len / count;
    if (embedding->count != count || !bytes || bytes != embedding->dimensions * sizeof(float) ||
        bytes * count != embedding->vectors.len)
        return ERR_EMBEDDING_INVALID;
    buffer_append_text(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < count; i++)
        append_vector((struct slice){embedding->vectors.ptr + i * bytes, bytes}, i, base64, out);
    buffer_append_text(out, "],\"model\":");
    json_append_string(out, embedding->embedder);
    buffer_printf(out, ",\"usage\":{\"prompt_tokens\":%ju,\"total_tokens\":%ju}}\n",
                  (uintmax_t)tokens, (uintmax_t)tokens);
    return OK;
}
