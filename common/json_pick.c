#include "common/json_pick.h"

#include <stdio.h>

#include "common/text.h"

struct reader {
    const char *at, *end;
    unsigned nesting;
    const json_path *paths;
    size_t count;
    struct slice *values;
};

/* Which paths a value may still lie on, a bit each, and how many of their names were matched. */
struct place {
    uint32_t paths;
    unsigned level;
};

static bool read_value(struct reader *reader, struct place place);

/* --- what has no values inside --- */

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\r' || *reader->at == '\t'))
        reader->at++;
}

static char next_char(const struct reader *reader)
{
    return reader->at < reader->end ? *reader->at : '\0';
}

static bool take(struct reader *reader, char c)
{
    if (next_char(reader) != c || reader->at == reader->end) return false;
    reader->at++;
    return true;
}

static bool read_literal(struct reader *reader, struct slice literal)
{
    bool same = (size_t)(reader->end - reader->at) >= literal.len &&
                !memcmp(reader->at, literal.ptr, literal.len);
    if (same) reader->at += literal.len;
    return same;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_digits(struct reader *reader)
{
    const char *start = reader->at;
    while (is_digit(next_char(reader))) reader->at++;
    return reader->at > start;
}

static bool read_number(struct reader *reader)
{
    take(reader, '-');
    if (!take(reader, '0') && !read_digits(reader)) return false;
    if (take(reader, '.') && !read_digits(reader)) return false;
    if (!take(reader, 'e') && !take(reader, 'E')) return true;
    if (!take(reader, '+')) take(reader, '-');
    return read_digits(reader);
}

static bool read_escape(struct reader *reader)
{
    char c = next_char(reader);
    reader->at++;
    if (c != 'u') return c && strchr("\"\\/bfnrt", c);
    if (reader->end - reader->at < 4) return false;
    for (int i = 0; i < 4; i++)
        if (text_hex_digit(*reader->at++) < 0) return false;
    return true;
}

/* Behind the opening quote; past the closing one. */
static bool read_string(struct reader *reader)
{
    while (reader->at < reader->end) {
        unsigned char c = (unsigned char)*reader->at++;
        if (c == '"') return true;
        if (c < 0x20 || (c == '\\' && (reader->at == reader->end || !read_escape(reader))))
            return false;
    }
    return false;
}

/* --- what has --- */

static struct place step_into(const struct reader *reader, struct place place, struct slice name)
{
    struct place inner = {0, place.level + 1};
    if (place.level == JSON_PATH_DEPTH) return inner;
    for (uint32_t left = place.paths; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        const char *wanted = reader->paths[i][place.level];
        if (wanted && slice_equal(slice_of(wanted), name)) inner.paths |= UINT32_C(1) << i;
    }
    return inner;
}

static bool read_member(struct reader *reader, struct place place)
{
    skip_space(reader);
    if (!take(reader, '"')) return false;
    const char *start = reader->at;
    if (!read_string(reader)) return false;
    struct slice name = {start, (size_t)(reader->at - start) - 1};
    skip_space(reader);
    return take(reader, ':') && read_value(reader, step_into(reader, place, name));
}

static bool read_object(struct reader *reader, struct place place)
{
    skip_space(reader);
    if (take(reader, '}')) return true;
    do {
        if (!read_member(reader, place)) return false;
        skip_space(reader);
    } while (take(reader, ','));
    return take(reader, '}');
}

static bool read_element(struct reader *reader, struct place place, unsigned index)
{
    char name[16];
    if (!place.paths) return read_value(reader, place);
    int len = snprintf(name, sizeof name, "%u", index);
    return read_value(reader, step_into(reader, place, (struct slice){name, (size_t)len}));
}

/* The place, for what is inside of it: without the paths that end here. */
static struct place go_on(const struct reader *reader, struct place place)
{
    struct place inner = {0, place.level};
    if (place.level == JSON_PATH_DEPTH) return inner;
    for (uint32_t left = place.paths; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        if (reader->paths[i][place.level]) inner.paths |= UINT32_C(1) << i;
    }
    return inner;
}

static bool read_array(struct reader *reader, struct place place)
{
    unsigned index = 0;
    place = go_on(reader, place);
    skip_space(reader);
    if (take(reader, ']')) return true;
    do {
        if (!read_element(reader, place, index++)) return false;
        skip_space(reader);
    } while (take(reader, ','));
    return take(reader, ']');
}

static bool read_nested(struct reader *reader, struct place place)
{
    if (++reader->nesting > JSON_NESTING_MAX) return false;
    bool read = *reader->at++ == '{' ? read_object(reader, place) : read_array(reader, place);
    reader->nesting--;
    return read;
}

static bool read_any(struct reader *reader, struct place place)
{
    switch (next_char(reader)) {
    case '{':
    case '[': return read_nested(reader, place);
    case '"': return reader->at++, read_string(reader);
    case 't': return read_literal(reader, SLICE("true"));
    case 'f': return read_literal(reader, SLICE("false"));
    case 'n': return read_literal(reader, SLICE("null"));
    default: return read_number(reader);
    }
}

/* Gives the value to the paths that end here. */
static void keep(const struct reader *reader, struct place place, struct slice value)
{
    if (value.ptr[0] == 'n') value = (struct slice){0};
    for (uint32_t left = place.paths; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        if (place.level == JSON_PATH_DEPTH || !reader->paths[i][place.level])
            reader->values[i] = value;
    }
}

static bool read_value(struct reader *reader, struct place place)
{
    skip_space(reader);
    const char *start = reader->at;
    if (!read_any(reader, place)) return false;
    if (place.paths) keep(reader, place, (struct slice){start, (size_t)(reader->at - start)});
    return true;
}

bool json_pick(struct slice text, const json_path *paths, size_t count, struct slice *values)
{
    struct slice found[JSON_PATHS_MAX] = {{0}};
    struct reader reader = {text.ptr, text.ptr + text.len, 0, paths, count, found};
    struct place all = {(UINT32_C(1) << count) - 1, 0};
    if (!read_value(&reader, all)) return false;
    skip_space(&reader);
    if (reader.at != reader.end) return false;
    memcpy(values, found, count * sizeof *values);
    return true;
}

/* *elements is what is left of a checked array: from its bracket, then from each comma. */
bool json_next(struct slice *elements, struct slice *value)
{
    struct reader reader = {elements->ptr, elements->ptr + elements->len, 0, NULL, 0, NULL};
    if (!take(&reader, '[') && !take(&reader, ',')) return false;
    skip_space(&reader);
    const char *start = reader.at;
    if (next_char(&reader) == ']' || !read_value(&reader, (struct place){0})) return false;
    *value = (struct slice){start, (size_t)(reader.at - start)};
    skip_space(&reader);
    *elements = (struct slice){reader.at, (size_t)(reader.end - reader.at)};
    return true;
}

/* --- what a value is --- */

bool json_is_string(struct slice value)
{
    return value.len >= 2 && value.ptr[0] == '"';
}

bool json_is(struct slice value, const char *text)
{
    size_t len = strlen(text);
    return json_is_string(value) && value.len == len + 2 && !memcmp(value.ptr + 1, text, len);
}

uint64_t json_whole(struct slice value)
{
    uint64_t whole = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.ptr[i]) || whole > UINT64_MAX / 100) return 0;
        whole = whole * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    return whole;
}

/* Of the four digits behind a "\u". */
static uint32_t code_unit(const char *digits)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) unit = unit << 4 | (uint32_t)text_hex_digit(digits[i]);
    return unit;
}

static bool starts_pair(const char *at, const char *end, uint32_t high)
{
    if ((high & 0xFC00) != 0xD800 || end - at < 6 || at[0] != '\\' || at[1] != 'u') return false;
    return (code_unit(at + 2) & 0xFC00) == 0xDC00;
}

/* Appends what the escape at `at`, a backslash, stands for. Returns where it ends. */
static const char *unescape(const char *at, const char *end, struct buffer *out)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *letter = strchr(letters, at[1]);
    if (at[1] != 'u') {
        buffer_append_char(out, letter ? meanings[letter - letters] : at[1]);
        return at + 2;
    }
    uint32_t code_point = code_unit(at + 2);
    at += 6;
    if (starts_pair(at, end, code_point)) {
        code_point = 0x10000 + ((code_point & 0x3FF) << 10 | (code_unit(at + 2) & 0x3FF));
        at += 6;
    }
    text_append(code_point, out);
    return at;
}

/* Runs without an escape are copied whole. */
void json_append_unescaped(struct slice value, struct buffer *out)
{
    if (!json_is_string(value)) return;
    const char *at = value.ptr + 1, *end = value.ptr + value.len - 1;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        buffer_append(out, at, (size_t)((escape ? escape : end) - at));
        at = escape ? unescape(escape, end, out) : end;
    }
}
