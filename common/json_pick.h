/* Values picked out of JSON text by their paths, in one pass and without a tree: what a provider
 * says with each token is ten times what is wanted of it.
 *
 *     static const json_path paths[] = {{"choices", "0", "delta", "content"}, {"usage"}};
 *     struct slice values[2];
 *     if (!json_pick(text, paths, 2, values)) ...
 *
 * All of the text is checked as RFC 8259 has it, but for the encoding of strings: whoever takes a
 * string repairs its UTF-8. Pure. */
#ifndef MILLRACE_COMMON_JSON_PICK_H
#define MILLRACE_COMMON_JSON_PICK_H

#include "common/buffer.h"

enum { JSON_PATH_DEPTH = 4, JSON_PATHS_MAX = 16, JSON_NESTING_MAX = 32 };

/* Names of members, from the outermost; a number is a place in an array. */
typedef const char *json_path[JSON_PATH_DEPTH];

/* Sets values[i] to the text of the value at paths[i], as it is written (a string with its quotes);
 * missing where there is none, or null. Of members of the same name the last counts. False, with
 * nothing set, when the text is not one JSON value or nests deeper than JSON_NESTING_MAX. */
bool json_pick(struct slice text, const json_path *paths, size_t count,
               struct slice *values) MUST_USE;
/* Takes the first element off *elements, an array's text that json_pick gave. False at its end, and
 * for what is no array. */
bool json_next(struct slice *elements, struct slice *value);

/* Of a value that json_pick gave. */
bool json_is_string(struct slice value);
/* Appends the string that the value is; nothing where it is none. A surrogate without its other
 * half becomes three bytes that are no UTF-8 (WTF-8), for text_join to deal with. */
void json_append_unescaped(struct slice value, struct buffer *out);
/* The value as a whole number; 0 where it is none. */
uint64_t json_whole(struct slice value);
/* True for a string value of just these bytes, none of them escaped. */
bool json_is(struct slice value, const char *text);

#endif
