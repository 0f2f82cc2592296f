#include "tests/support/scripted_text.h"

#include "common/hash.h"

#define SEED_DIGITS 16

/* As scripted.py has them, in the same order. */
static const char *const symbols[64] = {
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j",  "k", "l", "m",  "n",  "o",  "p",
    "q", "r", "s", "t", "u", "v", "w", "x", "y", "z",  "e", "t", "a",  "o",  "i",  "n",
    "s", "h", "r", "d", "l", "u", " ", " ", " ", " ",  " ", " ", " ",  " ",  " ",  " ",
    "é", "ñ", "ü", "ç", "á", "ó", "€", "—", "“", "語", "😀", "𝄞", "\"", "\\", "\n", ".",
};

static void append_symbol(uint64_t seed, uint64_t at, struct buffer *out)
{
    if (at < SEED_DIGITS)
        buffer_append_char(out, "0123456789abcdef"[seed >> (60 - 4 * at) & 15]);
    else
        buffer_append_text(out, symbols[hash_mix(seed + at * 0x9e3779b97f4a7c15u) >> 58]);
}

void scripted_text(uint64_t seed, uint64_t from, uint64_t to, struct buffer *out)
{
    for (uint64_t at = from; at < to; at++) append_symbol(seed, at, out);
}
