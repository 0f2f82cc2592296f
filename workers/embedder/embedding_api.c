/* {"model":…,"input":[…],"encoding_format":"base64","dimensions":…}
 * {"data":[{"index":0,"embedding":"<float32, little-endian, in base64>" or [0.1,…]},…],…}
 *
 * base64 is a quarter of the bytes and costs no reading of numbers, but only OpenAI is known to
 * have it; what comes back is read either way. */
#include "workers/embedder/embedding_api.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "common/json_text.h"
#include "common/text.h"

enum {
    NUMBER_BYTES_MAX = 40,  /* of a float in JSON, generously, with what stands around it */
    REST_BYTES_MAX = 65536, /* what a response has beside its vectors */
};

/* Where the dialects differ. */
static const struct {
    const char *provider;
    bool base64;
    const char *dimensions; /* the member that asks for fewer than the model's own */
} dialects[] = {
    {"openai", true, "dimensions"},
    {"mistral", false, "output_dimension"},
    {"openai-compatible", false, "dimensions"},
};

/* --- requests --- */

size_t embedding_item_bytes(const struct embed_item *item)
{
    const struct slice parts[] = {item->title, item->heading, item->text};
    size_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i].len) bytes += parts[i].len + (bytes > 0);
    return bytes;
}

/* A passage stands behind what it is headed with. No text at all is refused by some: a space is
 * not. */
static void join(const struct embed_item *item, struct buffer *text)
{
    const struct slice parts[] = {item->title, item->heading, item->text};
    text->len = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (!parts[i].len) continue;
        if (text->len) buffer_append_char(text, '\n');
        buffer_append_slice(text, parts[i]);
    }
    if (!text->len) buffer_append_char(text, ' ');
}

static void write_inputs(const struct embed_item *items, size_t count, size_t text_bytes_max,
                         struct buffer *body)
{
    struct buffer text = {0};
    for (size_t i = 0; i < count; i++) {
        join(&items[i], &text);
        struct slice whole = buffer_slice(&text);
        whole.len = text_cut(whole, text_bytes_max);
        if (i) buffer_append_char(body, ',');
        json_append_string(body, whole);
    }
    buffer_free(&text);
}

void embedding_request_write(const struct embedder_info *info, const struct embed_item *items,
                             size_t count, size_t text_bytes_max, struct buffer *body)
{
    size_t i = 0;
    while (strcmp(dialects[i].provider, info->setting)) i++;
    buffer_append_text(body, "{\"model\":");
    json_append_string(body, slice_of(info->model));
    buffer_append_text(body, ",\"input\":[");
    write_inputs(items, count, text_bytes_max, body);
    buffer_append_char(body, ']');
    if (dialects[i].base64) buffer_append_text(body, ",\"encoding_format\":\"base64\"");
    if (info->native && info->native != info->dimensions)
        buffer_printf(body, ",\"%s\":%zu", dialects[i].dimensions, info->dimensions);
    buffer_append_char(body, '}');
}

/* --- base64 (RFC 4648) --- */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* True if the text is exactly `len` bytes. */
static bool decode(struct slice text, unsigned char *out, size_t len)
{
    uint32_t bits = 0;
    size_t count = 0, at = 0;
    if (text.len != (len + 2) / 3 * 4) return false;
    for (size_t i = 0; at < len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out[at++] = (unsigned char)(bits >> count);
    }
    return true;
}

/* --- responses --- */

size_t embedding_response_bytes_max(const struct embedder_info *info, size_t count)
{
    return REST_BYTES_MAX + count * (info->dimensions * NUMBER_BYTES_MAX + REST_BYTES_MAX / 64);
}

static bool read_numbers(const json_t *array, float *vector, size_t dimensions)
{
    if (json_array_size(array) != dimensions) return false;
    for (size_t i = 0; i < dimensions; i++) {
        const json_t *number = json_array_get(array, i);
        if (!json_is_number(number)) return false;
        vector[i] = (float)json_number_value(number);
    }
    return true;
}

/* False where a number is none. A length that is too small to divide by is that of nothing. */
static bool normalise(float *vector, size_t dimensions)
{
    double square = 0;
    for (size_t i = 0; i < dimensions; i++) square += (double)vector[i] * vector[i];
    double length = sqrt(square);
    if (!isfinite(length)) return false;
    for (size_t i = 0; i < dimensions; i++)
        vector[i] = length > 1e-30 ? (float)(vector[i] / length) : 0;
    return true;
}

static bool read_vector(const json_t *embedding, float *vector, size_t dimensions)
{
    bool whole;
    if (json_is_string(embedding)) {
        struct slice text = {json_string_value(embedding), json_string_length(embedding)};
        whole = decode(text, (unsigned char *)vector, dimensions * sizeof *vector);
    } else {
        whole = read_numbers(embedding, vector, dimensions);
    }
    return whole && normalise(vector, dimensions);
}

/* Which text it is of: what it says, or its place. `count` where that is none, or had its own. */
static size_t index_of(const json_t *entry, size_t place, const bool *seen, size_t count)
{
    const json_t *index = json_object_get(entry, "index");
    json_int_t value = json_is_integer(index) ? json_integer_value(index) : (json_int_t)place;
    if (value < 0 || (size_t)value >= count || seen[value]) return count;
    return (size_t)value;
}

static err_t read_data(const json_t *data, const struct embedder_info *info,
                       const struct embed_item *items, size_t count)
{
    bool *seen = xcalloc(count, sizeof *seen);
    bool good = json_array_size(data) == count;
    for (size_t place = 0; good && place < count; place++) {
        const json_t *entry = json_array_get(data, place);
        size_t index = index_of(entry, place, seen, count);
        good = index < count && read_vector(json_object_get(entry, "embedding"),
                                            items[index].vector, info->dimensions);
        if (good) seen[index] = true;
    }
    free(seen);
    return good ? OK : ERR_EMBEDDING_INVALID;
}

err_t embedding_response_read(struct slice body, const struct embedder_info *info,
                              const struct embed_item *items, size_t count)
{
    json_t *response = json_loadb(body.ptr, body.len, 0, NULL);
    const json_t *data = json_object_get(response, "data");
    err_t error =
        json_is_array(data) ? read_data(data, info, items, count) : ERR_PROVIDER_BAD_RESPONSE;
    json_decref(response);
    return error;
}
