/* UTF-8, words and stems. Every function is safe on any bytes; what is not UTF-8 counts as U+FFFD,
 * one for each byte that starts no sequence. */
#include "common/text.h"

#include <libstemmer.h>
#include <limits.h>
#include <stdlib.h>

#define REPLACEMENT 0xFFFD

/* The well-formed sequences by first byte, after Unicode's table 3-7: their length, and the limits
 * of the second byte that rule out overlong forms, surrogates and what lies above U+10FFFF. */
static const struct sequence {
    unsigned char first, last; /* of the first byte */
    unsigned char length;
    unsigned char low, high; /* of the second byte */
    unsigned char payload;   /* bits of the first byte that belong to the code point */
} sequences[] = {
    {0xC2, 0xDF, 2, 0x80, 0xBF, 0x1F}, {0xE0, 0xE0, 3, 0xA0, 0xBF, 0x0F},
    {0xE1, 0xEC, 3, 0x80, 0xBF, 0x0F}, {0xED, 0xED, 3, 0x80, 0x9F, 0x0F},
    {0xEE, 0xEF, 3, 0x80, 0xBF, 0x0F}, {0xF0, 0xF0, 4, 0x90, 0xBF, 0x07},
    {0xF1, 0xF3, 4, 0x80, 0xBF, 0x07}, {0xF4, 0xF4, 4, 0x80, 0x8F, 0x07},
};

static const struct sequence *sequence_of(unsigned char first)
{
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
        if (first >= sequences[i].first && first <= sequences[i].last) return &sequences[i];
    return NULL;
}

/* Reads one code point from non-empty text. Returns its length, 0 when malformed. */
static size_t decode(struct slice text, uint32_t *code_point)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    if (at[0] < 0x80) return *code_point = at[0], 1;
    const struct sequence *sequence = sequence_of(at[0]);
    if (!sequence || text.len < sequence->length) return 0;
    if (at[1] < sequence->low || at[1] > sequence->high) return 0;
    uint32_t c = at[0] & sequence->payload;
    for (size_t i = 1; i < sequence->length; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (at[i] & 0x3F);
    }
    *code_point = c;
    return sequence->length;
}

static struct slice skip(struct slice text, size_t len)
{
    return (struct slice){text.ptr + len, text.len - len};
}

/* True when the next eight bytes are ASCII and none is NUL, as nearly all are. */
static bool is_plain(struct slice text)
{
    uint64_t bytes;
    if (text.len < sizeof bytes) return false;
    memcpy(&bytes, text.ptr, sizeof bytes);
    uint64_t has_nul = bytes - UINT64_C(0x0101010101010101); /* where a byte of ASCII was NUL */
    return !((bytes | has_nul) & UINT64_C(0x8080808080808080));
}

bool text_valid(struct slice text)
{
    while (text.len) {
        uint32_t c;
        size_t len = is_plain(text) ? sizeof(uint64_t) : decode(text, &c);
        if (len == 0 || (len == 1 && !text.ptr[0])) return false;
        text = skip(text, len);
    }
    return true;
}

size_t text_length(struct slice text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t length = 0, i = 0;
    for (uint64_t bytes; i + sizeof bytes <= text.len; i += sizeof bytes) {
        memcpy(&bytes, text.ptr + i, sizeof bytes);
        uint64_t following = bytes >> 7 & ~bytes >> 6 & ones; /* bytes 10xxxxxx */
        length += sizeof bytes - (following * ones >> 56);
    }
    for (; i < text.len; i++) length += (text.ptr[i] & 0xC0) != 0x80;
    return length;
}

size_t text_cut(struct slice text, size_t max)
{
    if (text.len <= max) return text.len;
    size_t cut = max;
    while (cut > 0 && max - cut < 4 && (text.ptr[cut] & 0xC0) == 0x80) cut--;
    return max - cut < 4 ? cut : max;
}

uint32_t text_take(struct slice *text)
{
    if (!text->len) return 0;
    uint32_t c = REPLACEMENT;
    size_t len = decode(*text, &c);
    *text = skip(*text, len ? len : 1);
    return c;
}

void text_append(uint32_t c, struct buffer *out)
{
    static const unsigned char lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    char *to = buffer_reserve(out, len);
    for (size_t i = len - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)(lead[len] | c);
    out->len += len;
}

size_t text_repair(struct slice text, struct buffer *out)
{
    size_t repaired = 0;
    while (text.len) {
        uint32_t c;
        size_t len = decode(text, &c);
        if (len > 0 && c != 0) {
            buffer_append(out, text.ptr, len);
        } else {
            text_append(REPLACEMENT, out);
            repaired++;
        }
        text = skip(text, len ? len : 1);
    }
    return repaired;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

int text_hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct slice text_trim(struct slice text)
{
    struct slice rest = text;
    while (rest.len && is_space(text_take(&rest))) text = rest;
    while (text.len) {
        size_t before = text_cut(text, text.len - 1); /* the last code point */
        struct slice last = {text.ptr + before, text.len - before};
        if (!is_space(text_take(&last)) || last.len) break;
        text.len = before;
    }
    return text;
}

/* Code points beyond ASCII that are neither letters nor digits: punctuation, symbols, emoji. */
static const struct {
    uint32_t first, last;
} separators[] = {
    {0x0080, 0x00A9},   {0x00AB, 0x00AC},    {0x00AE, 0x00B4}, {0x00B6, 0x00B9}, {0x00BB, 0x00BF},
    {0x00D7, 0x00D7},   {0x00F7, 0x00F7},    {0x02C2, 0x02C5}, {0x037E, 0x037E}, {0x0387, 0x0387},
    {0x055A, 0x055F},   {0x0589, 0x058A},    {0x05BE, 0x05BE}, {0x05C0, 0x05C0}, {0x05C3, 0x05C3},
    {0x060C, 0x060D},   {0x061B, 0x061F},    {0x066A, 0x066D}, {0x06D4, 0x06D4}, {0x0964, 0x0965},
    {0x1680, 0x1680},   {0x2000, 0x200C},    {0x200E, 0x205F}, {0x2061, 0x209F}, {0x20A0, 0x20CF},
    {0x2190, 0x2BFF},   {0x2E00, 0x2E7F},    {0x3000, 0x3004}, {0x3008, 0x3020}, {0x3030, 0x3030},
    {0x30FB, 0x30FB},   {0xE000, 0xF8FF},    {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFF00, 0xFF0F},
    {0xFF1A, 0xFF20},   {0xFF3B, 0xFF40},    {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF},
    {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF},
};

static bool is_letter_or_digit(uint32_t c)
{
    if (c < 0x80) return (c | 32) - 'a' < 26 || c - '0' < 10;
    for (size_t i = 0; i < ARRAY_LEN(separators) && c >= separators[i].first; i++)
        if (c <= separators[i].last) return false;
    return true;
}

bool text_next_word(struct text_words *words, struct slice *word)
{
    struct slice rest = skip(words->text, words->at);
    const char *start = NULL, *end = NULL;
    while (rest.len) {
        const char *at = rest.ptr;
        uint32_t c = text_take(&rest);
        if (is_letter_or_digit(c)) {
            if (!start) start = at;
            end = rest.ptr;
        } else if (start && c != '_') {
            break;
        }
    }
    if (!start) return false;
    words->at = (size_t)(end - words->text.ptr);
    *word = (struct slice){start, (size_t)(end - start)};
    return true;
}

struct stemmer {
    struct sb_stemmer *snowball;
};

struct stemmer *stemmer_new(const char *name)
{
    struct sb_stemmer *snowball = sb_stemmer_new(name, "UTF_8");
    if (!snowball) return NULL;
    struct stemmer *stemmer = xmalloc(sizeof *stemmer);
    stemmer->snowball = snowball;
    return stemmer;
}

struct slice stemmer_stem(struct stemmer *stemmer, struct slice word)
{
    if (!word.len || word.len > INT_MAX) return word;
    const sb_symbol *stem =
        sb_stemmer_stem(stemmer->snowball, (const sb_symbol *)word.ptr, (int)word.len);
    if (!stem) return word;
    return (struct slice){(const char *)stem, (size_t)sb_stemmer_length(stemmer->snowball)};
}

void stemmer_destroy(struct stemmer **stemmer)
{
    if (!*stemmer) return;
    sb_stemmer_delete((*stemmer)->snowball);
    free(*stemmer);
    *stemmer = NULL;
}
