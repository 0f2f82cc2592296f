#include "gateway/json_record.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/json_text.h"
#include "common/text.h"
#include "proto/records.h"

/* What never leaves. */
static const struct {
    const struct record_type *(*type)(void);
    const char *field;
} write_only[] = {
    {agent_type, "api_key"},
    {fallback_type, "api_key"},
    {document_type, "content"},
};

err_t json_problem(struct json_problem *problem, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(problem->text, sizeof(problem->text), format, args);
    va_end(args);
    problem->text[text_cut(slice_of(problem->text), sizeof(problem->text) - 1)] = '\0';
    return ERR_INVALID_FIELD;
}

/* --- text to values --- */

/* Counts values and depth before anything is allocated for them: a body of brackets would take a
 * hundred times its size. */
static bool size_is_bearable(struct slice body)
{
    size_t depth = 0, values = 1;
    bool quoted = false;
    for (size_t i = 0; i < body.len; i++) {
        char c = body.ptr[i];
        if (quoted) {
            if (c == '\\') i++;
            if (c == '"') quoted = false;
            continue;
        }
        if (c == '"') quoted = true;
        if (c == '[' || c == '{') depth++;
        if ((c == ']' || c == '}') && depth) depth--;
        if (c == ',' || c == '[' || c == '{') values++;
        if (depth > JSON_DEPTH_MAX || values > JSON_VALUES_MAX) return false;
    }
    return true;
}

/* jansson has no code of its own for a surrogate without its other half. */
static bool is_about_text(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    return code == json_error_invalid_utf8 || code == json_error_null_character ||
           code == json_error_null_byte_in_key ||
           !strncmp(error->text, "invalid Unicode", strlen("invalid Unicode"));
}

static const char *describe(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key: return "a member occurs twice";
    case json_error_numeric_overflow: return "a number is too large";
    case json_error_premature_end_of_input: return "the body ends too early";
    case json_error_end_of_input_expected: return "there is more behind the JSON value";
    default: return "the body is not valid JSON";
    }
}

/* The body itself is never quoted: an error may be logged. */
err_t json_read(struct slice body, json_t **value, struct json_problem *problem)
{
    json_error_t error;
    problem->text[0] = '\0';
    if (!size_is_bearable(body)) {
        json_problem(problem, "the JSON has more than %d values or %d levels", JSON_VALUES_MAX,
                     JSON_DEPTH_MAX);
        return ERR_BAD_JSON;
    }
    json_t *read = json_loadb(body.ptr ? body.ptr : "", body.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!read) {
        if (is_about_text(&error)) return ERR_INVALID_UTF8;
        json_problem(problem, "%s (line %d, column %d)", describe(&error), error.line,
                     error.column);
        return ERR_BAD_JSON;
    }
    *value = read;
    return OK;
}

/* --- values to records --- */

struct reader {
    struct arena *arena;
    struct json_problem *problem;
    char path[96]; /* of the member at hand: "fallbacks[0].model" */
};

static const char *type_phrase(enum field_type type)
{
    switch (type) {
    case FIELD_BOOL: return "true or false";
    case FIELD_U64: return "a whole number, zero or more";
    case FIELD_F64: return "a number";
    case FIELD_TEXT:
    case FIELD_BYTES: return "a string";
    case FIELD_JSON:
    case FIELD_RECORD: return "an object";
    case FIELD_LIST: return "an array of objects";
    }
    return "something else";
}

static bool read_object(struct reader *reader, const struct record_type *type, const json_t *value,
                        void *record);

static bool refuse(struct reader *reader, enum field_type type)
{
    json_problem(reader->problem, "%s must be %s", *reader->path ? reader->path : "the body",
                 type_phrase(type));
    return false;
}

static struct slice json_slice(const json_t *value)
{
    return (struct slice){json_string_value(value), json_string_length(value)};
}

static bool read_raw(struct reader *reader, const json_t *value, struct slice *raw)
{
    if (!json_is_object(value)) return refuse(reader, FIELD_JSON);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) return refuse(reader, FIELD_JSON);
    *raw = arena_slice(reader->arena, slice_of(text));
    free(text);
    return true;
}

static bool read_list(struct reader *reader, const struct record_type *type, const json_t *value,
                      struct list *list)
{
    size_t path_len = strlen(reader->path);
    if (!json_is_array(value)) return refuse(reader, FIELD_LIST);
    if (!json_array_size(value)) return true;
    list->items = arena_alloc(reader->arena, json_array_size(value) * type->size);
    list->count = json_array_size(value);
    for (size_t i = 0; i < list->count; i++) {
        snprintf(reader->path + path_len, sizeof(reader->path) - path_len, "[%zu]", i);
        if (!read_object(reader, type, json_array_get(value, i),
                         (char *)list->items + i * type->size))
            return false;
    }
    reader->path[path_len] = '\0';
    return true;
}

static bool read_value(struct reader *reader, const struct field *field, const json_t *value,
                       void *at)
{
    switch (field->type) {
    case FIELD_BOOL:
        if (!json_is_boolean(value)) return refuse(reader, field->type);
        *(bool *)at = json_is_true(value);
        return true;
    case FIELD_U64:
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return refuse(reader, field->type);
        *(uint64_t *)at = (uint64_t)json_integer_value(value);
        return true;
    case FIELD_F64:
        if (!json_is_number(value)) return refuse(reader, field->type);
        *(double *)at = json_number_value(value);
        return true;
    case FIELD_TEXT:
    case FIELD_BYTES:
        if (!json_is_string(value)) return refuse(reader, field->type);
        *(struct slice *)at = json_slice(value);
        return true;
    case FIELD_JSON: return read_raw(reader, value, at);
    case FIELD_RECORD: return read_object(reader, field->record(), value, at);
    case FIELD_LIST: return read_list(reader, field->record(), value, at);
    }
    return false;
}

static bool read_member(struct reader *reader, const struct field *field, const json_t *value,
                        void *record, uint64_t bit)
{
    size_t path_len = strlen(reader->path);
    if (json_is_null(value) && !field->nullable) return true;
    *(uint64_t *)record |= bit;
    if (json_is_null(value)) return true;
    snprintf(reader->path + path_len, sizeof(reader->path) - path_len, "%s%s", path_len ? "." : "",
             field->name);
    if (!read_value(reader, field, value, (char *)record + field->offset)) return false;
    reader->path[path_len] = '\0';
    return true;
}

static bool read_object(struct reader *reader, const struct record_type *type, const json_t *value,
                        void *record)
{
    if (!json_is_object(value)) return refuse(reader, FIELD_RECORD);
    for (size_t i = 0; i < type->count; i++) {
        const json_t *member = json_object_get(value, type->fields[i].name);
        if (member && !read_member(reader, &type->fields[i], member, record, UINT64_C(1) << i))
            return false;
    }
    return true;
}

err_t record_from_json(const struct record_type *type, const json_t *value, struct arena *arena,
                       void *record, struct json_problem *problem)
{
    struct reader reader = {.arena = arena, .problem = problem};
    problem->text[0] = '\0';
    memset(record, 0, type->size);
    if (read_object(&reader, type, value, record)) return OK;
    memset(record, 0, type->size);
    return ERR_INVALID_FIELD;
}

/* --- records to text --- */

static bool is_hidden(const struct record_type *type, const struct field *field)
{
    for (size_t i = 0; i < ARRAY_LEN(write_only); i++)
        if (type == write_only[i].type() && !strcmp(field->name, write_only[i].field)) return true;
    return false;
}

static void write_raw(struct buffer *out, const struct slice *raw)
{
    buffer_append_slice(out, raw->len ? *raw : SLICE("{}"));
}

static void write_value(const struct field *field, const void *at, struct buffer *out)
{
    switch (field->type) {
    case FIELD_BOOL: buffer_append_text(out, *(const bool *)at ? "true" : "false"); break;
    case FIELD_U64: buffer_append_number(out, *(const uint64_t *)at); break;
    case FIELD_F64: json_append_number(out, *(const double *)at); break;
    case FIELD_TEXT: json_append_string(out, *(const struct slice *)at); break;
    case FIELD_BYTES: buffer_append_text(out, "null"); break; /* no place in JSON */
    case FIELD_JSON: write_raw(out, at); break;
    case FIELD_RECORD: record_to_json(field->record(), at, out); break;
    case FIELD_LIST: list_to_json(field->record(), at, out); break;
    }
}

void record_to_json(const struct record_type *type, const void *record, struct buffer *out)
{
    bool first = true;
    buffer_append_char(out, '{');
    for (size_t i = 0; i < type->count; i++) {
        const struct field *field = &type->fields[i];
        const void *at = (const char *)record + field->offset;
        if (is_hidden(type, field)) continue;
        if (!first) buffer_append_char(out, ',');
        first = false;
        buffer_append_char(out, '"');
        buffer_append(out, field->name, field->name_len);
        buffer_append_text(out, "\":");
        if (field->nullable && field_is_zero(field, at))
            buffer_append_text(out, "null");
        else
            write_value(field, at, out);
    }
    buffer_append_char(out, '}');
}

void list_to_json(const struct record_type *type, const struct list *list, struct buffer *out)
{
    buffer_append_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i) buffer_append_char(out, ',');
        record_to_json(type, (const char *)list->items + i * type->size, out);
    }
    buffer_append_char(out, ']');
}
