/* What is in a file, as the server wants it: UTF-8 text and its format. */
#ifndef MILLRACE_CLI_CONTENT_H
#define MILLRACE_CLI_CONTENT_H

#include "common/buffer.h"

/* "markdown", "html" or "text", by the name's ending. */
const char *content_format(const char *path);

/* Appends the text in `bytes` to `text` as UTF-8: what is UTF-8 already as it is (without its byte
 * order mark), UTF-16 with a byte order mark and Windows-1252 (which Latin-1 is part of) converted.
 * NULL, or why not: "binary", "empty". */
const char *content_decode(struct slice bytes, struct buffer *text) MUST_USE;

/* Reads a file and decodes it. NULL, or why not; *failed tells a file that could not be read from
 * one that has no text. */
const char *content_read(const char *path, struct buffer *text, bool *failed) MUST_USE;

#endif
