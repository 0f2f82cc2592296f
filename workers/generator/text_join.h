/* A provider's text as it comes, in pieces that may cut a code point in two: between bytes, or
 * between the halves of a surrogate pair. What comes out is whole code points of valid UTF-8
 * without NUL. Pure. */
#ifndef MILLRACE_GENERATOR_TEXT_JOIN_H
#define MILLRACE_GENERATOR_TEXT_JOIN_H

#include "common/buffer.h"

/* The piece of a code point that waits for its rest. Zero-initialised is ready. */
struct text_join {
    char held[5];
    uint8_t held_len;
};

/* Appends what is whole by now, each malformed byte and NUL replaced by U+FFFD. Returns how many
 * were. */
size_t text_join(struct text_join *join, struct slice piece, struct buffer *out);
/* The text ends: what was held is malformed. Returns as text_join does. */
size_t text_join_end(struct text_join *join, struct buffer *out);

#endif
