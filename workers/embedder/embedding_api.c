/* {"model":…,"input":[…],"encoding_format":"base64","dimensions":…}
 * {"data":[{"index":0,"embedding":"<float32, little-endian, in base64>" or [0.1,…]},…],…}
 *
 * base64 is a quarter of the bytes and costs no reading of numbers, but only OpenAI is known to
 * have it; what comes back is read either way. */
#include "workers/embedder/embedding_api.h"

#include <math.h>
#include <stdlib.h>

#include "common/json_pick.h"
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

/* --- numbers --- */

/* value × 10^exponent, exact enough for a float. */
static double scaled(uint64_t value, int exponent)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    size_t size = (size_t)abs(exponent);
    double power = size < ARRAY_LEN(powers) ? powers[size] : pow(10, (double)size);
    return exponent < 0 ? (double)value / power : (double)value * power;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes a run of digits onto *value, as far as it has room. Returns how many had. */
static int take_digits(const char **at, uint64_t *value, int *left_out)
{
    int taken = 0;
    for (; is_digit(**at); ++*at) {
        bool room = *value < UINT64_MAX / 10 - 1;
        if (room) *value = *value * 10 + (uint64_t)(**at - '0');
        *(room ? &taken : left_out) += 1;
    }
    return taken;
}

static int take_exponent(const char **at)
{
    int exponent = 0;
    if (**at != 'e' && **at != 'E') return 0;
    bool negative = *++*at == '-';
    if (**at == '-' || **at == '+') ++*at;
    for (; is_digit(**at); ++*at) exponent = MIN(exponent * 10 + (**at - '0'), 9999);
    return negative ? -exponent : exponent;
}

/* Takes a number of checked JSON: three times as quick as strtod, and there are thousands. */
static float take_number(const char **at)
{
    uint64_t value = 0;
    int left_out = 0, ignored = 0;
    bool negative = **at == '-';
    *at += negative;
    take_digits(at, &value, &left_out);
    int fraction = **at == '.' ? (++*at, take_digits(at, &value, &ignored)) : 0;
    double number = scaled(value, take_exponent(at) + left_out - fraction);
    return (float)(negative ? -number : number);
}

static const char *past_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* Of an array as json_pick gives it, which is checked and ends in its bracket. False where it has
 * other members than so many numbers. */
static bool read_numbers(struct slice array, float *vector, size_t dimensions)
{
    const char *at = array.ptr;
    if (!array.len || *at != '[') return false;
    for (size_t i = 0; i < dimensions; i++) {
        if (*at != (i ? ',' : '[')) return false;
        at = past_space(at + 1);
        if (*at != '-' && !is_digit(*at)) return false;
        vector[i] = take_number(&at);
        at = past_space(at);
    }
    return *at == ']';
}

/* --- responses --- */

size_t embedding_response_bytes_max(const struct embedder_info *info, size_t count)
{
    return REST_BYTES_MAX + count * (info->dimensions * NUMBER_BYTES_MAX + REST_BYTES_MAX / 64);
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

/* A '/' may stand there as "\/". */
static bool read_base64(struct slice string, float *vector, size_t dimensions)
{
    struct buffer text = {0};
    json_append_unescaped(string, &text);
    bool whole = decode(buffer_slice(&text), (unsigned char *)vector, dimensions * sizeof *vector);
    buffer_free(&text);
    return whole;
}

static bool read_vector(struct slice embedding, float *vector, size_t dimensions)
{
    bool whole = json_is_string(embedding) ? read_base64(embedding, vector, dimensions)
                                           : read_numbers(embedding, vector, dimensions);
    return whole && normalise(vector, dimensions);
}

/* Which text it is of: what it says, or its place. `count` where that is none, or had its own. */
static size_t index_of(struct slice index, size_t place, const bool *seen, size_t count)
{
    uint64_t value = index.len ? json_whole(index) : place;
    bool is_whole = !index.len || value || slice_equal(index, SLICE("0"));
    return is_whole && value < count && !seen[value] ? (size_t)value : count;
}

static bool read_entry(struct slice entry, size_t place, const struct embedder_info *info,
                       const struct embed_item *items, size_t count, bool *seen)
{
    static const json_path paths[] = {{"index"}, {"embedding"}};
    struct slice values[ARRAY_LEN(paths)];
    if (!json_pick(entry, paths, ARRAY_LEN(paths), values)) return false;
    size_t index = index_of(values[0], place, seen, count);
    if (index == count || !read_vector(values[1], items[index].vector, info->dimensions))
        return false;
    return seen[index] = true;
}

err_t embedding_response_read(struct slice body, const struct embedder_info *info,
                              const struct embed_item *items, size_t count)
{
    static const json_path data = {"data"};
    struct slice entries, entry;
    if (!json_pick(body, &data, 1, &entries) || !entries.len || *entries.ptr != '[')
        return ERR_PROVIDER_BAD_RESPONSE;
    bool *seen = xcalloc(count, sizeof *seen);
    size_t place = 0;
    while (place < count && json_next(&entries, &entry) &&
           read_entry(entry, place, info, items, count, seen))
        place++;
    free(seen);
    return place == count && !json_next(&entries, &entry) ? OK : ERR_EMBEDDING_INVALID;
}
