/* Records in and out of JSON, by the same field lists that make their msgpack. Pure.
 *
 * In: a wrong type is ERR_INVALID_FIELD and names the member; an unknown member is ignored; null
 * leaves a field unset, and marks a nullable one as present. Out: every field is written, in the
 * list's order, so that a shape never varies; a nullable field that is zero is null. Fields that
 * are for writing only (keys, a document's content) are never written. */
#ifndef MILLRACE_GATEWAY_JSON_RECORD_H
#define MILLRACE_GATEWAY_JSON_RECORD_H

#include <jansson.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/errors.h"
#include "proto/fields.h"

#define JSON_DEPTH_MAX  64
#define JSON_VALUES_MAX 100000

/* What was wrong, for people: `top_k must be a whole number`. "" when nothing. */
struct json_problem {
    char text[160];
};

/* Reads a body: one JSON value. ERR_BAD_JSON for malformed text, a member that occurs twice, an
 * integer beyond 64 bits, deeper than JSON_DEPTH_MAX or more than JSON_VALUES_MAX values;
 * ERR_INVALID_UTF8 for text that is no UTF-8, NUL and lone surrogates. Caller owns *value. */
err_t json_read(struct slice body, json_t **value, struct json_problem *problem) MUST_USE;

/* Reads an object into `record` (of `type`), zero on failure. Slices point into `value` or the
 * arena: both must stay. */
err_t record_from_json(const struct record_type *type, const json_t *value, struct arena *arena,
                       void *record, struct json_problem *problem) MUST_USE;

/* Appends a record as an object, a list as an array. */
void record_to_json(const struct record_type *type, const void *record, struct buffer *out);
void list_to_json(const struct record_type *type, const struct list *list, struct buffer *out);

/* Sets the problem and returns ERR_INVALID_FIELD. */
err_t json_problem(struct json_problem *problem, const char *format, ...) PRINTF(2, 3);

#endif
