/* JSON as text: strings and numbers written straight into a buffer, no tree in between. */
#ifndef MILLRACE_COMMON_JSON_TEXT_H
#define MILLRACE_COMMON_JSON_TEXT_H

#include "common/buffer.h"

/* Bytes that one byte of a string takes once escaped: 1, 2 ("\n") or 6 ("\u001f"). */
size_t json_escaped_size(unsigned char c);
/* Writes one byte escaped and returns json_escaped_size(c). */
size_t json_escape(unsigned char c, char *out);

/* Appends valid UTF-8 as a JSON string, quotes included; what need not be escaped is not. */
void json_append_string(struct buffer *out, struct slice text);
/* Appends the shortest number that reads back as the same value; null where it is not finite. A
 * value that came from a float is written with a float's digits. */
void json_append_number(struct buffer *out, double number);

#endif
