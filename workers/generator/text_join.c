#include "workers/generator/text_join.h"

#include "common/text.h"

enum { SURROGATE_LEAD = 0xED, SURROGATE_LEN = 3 };

/* Bytes of the sequence that this one starts; 1 where it starts none. */
static size_t sequence_len(unsigned char first)
{
    return first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
}

/* Half a surrogate pair in three bytes (WTF-8): the kind tells which half, by the second byte. */
static bool is_surrogate(struct slice text, unsigned char kind)
{
    return text.len >= SURROGATE_LEN && (unsigned char)text.ptr[0] == SURROGATE_LEAD &&
           ((unsigned char)text.ptr[1] & 0xF0) == kind;
}

static bool is_high(struct slice text)
{
    return is_surrogate(text, 0xA0);
}

static bool is_low(struct slice text)
{
    return is_surrogate(text, 0xB0);
}

/* How many bytes at the end are a code point without its last ones. */
static size_t cut_sequence(struct slice text)
{
    for (size_t len = 1; len <= SURROGATE_LEN && len <= text.len; len++) {
        unsigned char byte = (unsigned char)text.ptr[text.len - len];
        if ((byte & 0xC0) != 0x80) return sequence_len(byte) > len ? len : 0;
    }
    return 0;
}

/* How many bytes at the end may become a code point with what follows. */
static size_t unfinished(struct slice text)
{
    size_t cut = cut_sequence(text), with_high = cut + SURROGATE_LEN;
    if (text.len < with_high) return cut;
    struct slice tail = {text.ptr + text.len - with_high, with_high};
    return is_high(tail) && (!cut || tail.ptr[SURROGATE_LEN] == (char)SURROGATE_LEAD) ? with_high
                                                                                      : cut;
}

static uint32_t ten_bits(const char *surrogate)
{
    return (uint32_t)((unsigned char)surrogate[1] & 0x0F) << 6 |
           ((unsigned char)surrogate[2] & 0x3F);
}

/* Appends the text with each high surrogate that has its low one behind it made one code point. */
static void pair_surrogates(struct slice text, struct buffer *out)
{
    const char *end = text.ptr + text.len, *lead;
    while ((lead = memchr(text.ptr, SURROGATE_LEAD, text.len))) {
        struct slice high = {lead, (size_t)(end - lead)};
        struct slice low = {lead + SURROGATE_LEN,
                            high.len > SURROGATE_LEN ? high.len - SURROGATE_LEN : 0};
        bool pair = is_high(high) && is_low(low);
        buffer_append(out, text.ptr, (size_t)(lead - text.ptr) + !pair);
        if (pair) text_append(0x10000 + (ten_bits(high.ptr) << 10 | ten_bits(low.ptr)), out);
        text.ptr = lead + (pair ? 2 * SURROGATE_LEN : 1);
        text.len = (size_t)(end - text.ptr);
    }
    buffer_append_slice(out, text);
}

static size_t join_slowly(struct text_join *join, struct slice piece, bool last, struct buffer *out)
{
    struct buffer all = {0}, paired = {0};
    buffer_append(&all, join->held, join->held_len);
    buffer_append_slice(&all, piece);
    pair_surrogates(buffer_slice(&all), &paired);
    size_t held = last ? 0 : unfinished(buffer_slice(&paired));
    struct slice whole = {paired.data, paired.len - held};
    size_t repaired = text_repair(whole, out);
    join->held_len = (uint8_t)held;
    if (held) memcpy(join->held, paired.data + whole.len, held);
    buffer_free(&all);
    buffer_free(&paired);
    return repaired;
}

size_t text_join(struct text_join *join, struct slice piece, struct buffer *out)
{
    if (join->held_len || !text_valid(piece)) return join_slowly(join, piece, false, out);
    buffer_append_slice(out, piece);
    return 0;
}

size_t text_join_end(struct text_join *join, struct buffer *out)
{
    return join->held_len ? join_slowly(join, (struct slice){0}, true, out) : 0;
}
