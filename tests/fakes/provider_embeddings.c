#include "tests/fakes/provider_embeddings.h"

#include <event2/event.h>
#include <inttypes.h>

#include "common/hash.h"
#include "common/json_text.h"
#include "tests/fakes/provider_answer.h"

#define CUT (-2)

double embedding_component(struct slice text, uint64_t i)
{
    return (double)(int16_t)(hash_mix(hash_fnv64(text, 0) + i) >> 48) / 32768.0;
}

static bool fault_is(const struct embeddings *embeddings, const char *name)
{
    return !strcmp(embeddings->fault, name);
}

/* --- writing --- */

static void append_base64(struct buffer *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (i + 1 < len) bits |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < len) bits |= bytes[i + 2];
        for (size_t digit = 0; digit < 4; digit++)
            buffer_append_char(out, i + digit > len ? '=' : digits[bits >> (18 - 6 * digit) & 63]);
    }
}

static void append_vector_base64(const struct embeddings *embeddings, struct slice text,
                                 struct buffer *out)
{
    struct buffer bytes = {0};
    for (uint64_t i = 0; i < embeddings->dimensions; i++) {
        float component = (float)embedding_component(text, i);
        buffer_append(&bytes, &component, sizeof(component));
    }
    buffer_append_char(out, '"');
    append_base64(out, (const uint8_t *)bytes.data, bytes.len);
    buffer_append_char(out, '"');
    buffer_free(&bytes);
}

static void append_vector(const struct embeddings *embeddings, struct slice text,
                          struct buffer *out)
{
    buffer_append_char(out, '[');
    for (uint64_t i = 0; i < embeddings->dimensions; i++) {
        if (i) buffer_append_char(out, ',');
        if (fault_is(embeddings, "nan") && i == 1)
            buffer_append_text(out, "NaN");
        else
            json_append_number(out, embedding_component(text, i));
    }
    buffer_append_char(out, ']');
}

static void append_entry(const struct embeddings *embeddings, size_t index, struct slice text,
                         struct buffer *out)
{
    buffer_printf(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":",
                  out->data[out->len - 1] == '[' ? "" : ",", index);
    if (embeddings->base64)
        append_vector_base64(embeddings, text, out);
    else
        append_vector(embeddings, text, out);
    buffer_append_char(out, '}');
}

static struct slice text_at(const json_t *input, size_t i)
{
    const json_t *text = json_is_string(input) ? input : json_array_get(input, i);
    return (struct slice){json_string_value(text), json_string_length(text)};
}

static void write_answer(struct embeddings *embeddings, const json_t *input)
{
    struct buffer *out = &embeddings->out;
    size_t count = embeddings->count - (fault_is(embeddings, "count") ? 1 : 0);
    uint64_t tokens = 0;
    buffer_append_text(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < count; i++) {
        size_t index = fault_is(embeddings, "order") ? count - 1 - i : i;
        append_entry(embeddings, index, text_at(input, index), out);
        tokens += text_at(input, index).len / 4 + 1;
    }
    buffer_append_text(out, "],\"model\":");
    json_append_string(out, slice_of(embeddings->model));
    buffer_printf(out, ",\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"total_tokens\":%" PRIu64 "}}",
                  tokens, tokens);
    if (fault_is(embeddings, "bad_json") || fault_is(embeddings, "cut")) out->len /= 2;
}

/* --- reading --- */

static const char *read_input(struct embeddings *embeddings, const json_t *input)
{
    const json_t *text;
    size_t i;
    embeddings->count = json_is_string(input) ? 1 : json_array_size(input);
    if (!embeddings->count || embeddings->count > 2048) return "input must be 1 to 2048 texts";
    json_array_foreach(
        input, i, text) if (!json_string_length(text)) return "input must not hold an empty text";
    return NULL;
}

static void read_options(struct embeddings *embeddings, const json_t *body)
{
    const char *encoding = json_string_value(json_object_get(body, "encoding_format"));
    json_int_t wanted = json_integer_value(json_object_get(body, "dimensions"));
    embeddings->base64 = encoding && !strcmp(encoding, "base64");
    embeddings->dimensions = wanted > 0 ? (uint64_t)wanted : embeddings->script->dim;
    if (fault_is(embeddings, "dimension")) embeddings->dimensions++;
}

/* --- answering --- */

static ssize_t on_read(void *context, char *out, size_t max)
{
    struct embeddings *embeddings = context;
    size_t len = MIN(max, embeddings->out.len);
    if (!len) return CUT;
    memcpy(out, embeddings->out.data, len);
    buffer_consume(&embeddings->out, len);
    return (ssize_t)len;
}

static void on_due(evutil_socket_t fd, short what, void *context)
{
    struct embeddings *embeddings = context;
    (void)fd, (void)what;
    if (fault_is(embeddings, "slow_head")) return;
    provider_note("first", embeddings->id, embeddings->count, embeddings->model);
    if (fault_is(embeddings, "cut"))
        http_stream(embeddings->request, on_read, embeddings);
    else
        http_reply(embeddings->request, 200, "application/json", &embeddings->out);
}

static void on_end(void *context, enum http_end end)
{
    struct embeddings *embeddings = context;
    const char *event = end == HTTP_SENT ? "done" : fault_is(embeddings, "cut") ? "cut" : "closed";
    provider_note(event, embeddings->id, embeddings->count, embeddings->model);
    event_free(embeddings->timer);
    buffer_free(&embeddings->out);
}

const char *embeddings_start(struct embeddings *embeddings, const json_t *body)
{
    const json_t *input = json_object_get(body, "input");
    const char *reason = read_input(embeddings, input);
    if (reason) return reason;
    uint64_t ms = embeddings->script->head_ms + embeddings->script->first_ms;
    struct timeval after = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    read_options(embeddings, body);
    write_answer(embeddings, input);
    provider_note("begin", embeddings->id, embeddings->count, embeddings->model);
    embeddings->timer = evtimer_new(embeddings->base, on_due, embeddings);
    http_on_end(embeddings->request, on_end, embeddings);
    if (ms)
        event_add(embeddings->timer, &after);
    else
        on_due(-1, 0, embeddings);
    return NULL;
}
