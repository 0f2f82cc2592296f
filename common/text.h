/* Text as every part sees it: UTF-8, folding, words, stems. Pure; no locale.
 *
 * Folding brings letters to lower case and drops accents (composed or combining), so that "Ángulo",
 * "ANGULO" and "angulo" are one word. It comes before stemming, on both sides: `interés` stems to
 * `interes` but `interes` to `inter`. */
#ifndef MILLRACE_COMMON_TEXT_H
#define MILLRACE_COMMON_TEXT_H

#include "common/base.h"
#include "common/buffer.h"

/* True for well-formed UTF-8 (no overlong forms, surrogates, nor code points above U+10FFFF) that
 * holds no NUL. */
bool text_valid(struct slice text);
/* The number of code points of valid UTF-8. */
size_t text_length(struct slice text);
/* The largest length of at most `max` bytes that ends between two code points (of bytes that are no
 * UTF-8: about `max`). */
size_t text_cut(struct slice text, size_t max);
/* Takes the next code point off the front of *text; U+FFFD for a malformed byte; 0 at the end. */
uint32_t text_take(struct slice *text);
/* Appends one code point. */
void text_append(uint32_t code_point, struct buffer *out);
/* Appends `text`, each malformed sequence and NUL replaced by U+FFFD. Returns how many were. */
size_t text_repair(struct slice text, struct buffer *out);
/* The value of a hexadecimal digit of either case; -1 for anything else. */
int text_hex_digit(char c);
/* Without white space at both ends. */
struct slice text_trim(struct slice text);

/* Appends `text` folded. */
void text_fold(struct slice text, struct buffer *out);

/* The words of a text, one by one: runs of letters and digits, with '_' between two of them.
 * Folding keeps the words, so fold first where words are compared; a bare combining mark counts as
 * a letter. Start with {text, 0}; false at the end. */
struct text_words {
    struct slice text;
    size_t at;
};
bool text_next_word(struct text_words *words, struct slice *word);

/* A Snowball stemmer. `name` is the algorithm's: "english", "spanish". NULL when unknown. */
struct stemmer *stemmer_new(const char *name) MUST_USE;
/* The stem of one folded word; valid until the next call. */
struct slice stemmer_stem(struct stemmer *stemmer, struct slice word);
void stemmer_destroy(struct stemmer **stemmer);

#endif
