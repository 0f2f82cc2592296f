/* A line at a time. Texts point into the input where they can; what must outlive the input, or be
 * joined, is copied into a buffer of the parser's own. */
#include "workers/sse_parser.h"

#include <stdlib.h>

/* A field of the event being read. */
struct field {
    struct slice text; /* in the input, in the carried line, or in `own` */
    struct buffer own;
};

struct sse_parser {
    size_t event_bytes_max;
    err_t error;
    struct buffer carried; /* the start of a line that the input did not end */
    struct field name, data;
    bool has_data; /* a data line was read, though perhaps an empty one */
    bool at_start; /* of the stream, where a byte-order mark may be */
    bool after_cr; /* a LF now belongs to the line end before */
};

struct sse_parser *sse_parser_new(size_t event_bytes_max)
{
    struct sse_parser *parser = xcalloc(1, sizeof(*parser));
    parser->event_bytes_max = event_bytes_max;
    parser->at_start = true;
    return parser;
}

void sse_parser_destroy(struct sse_parser **parser)
{
    if (!*parser) return;
    buffer_free(&(*parser)->carried);
    buffer_free(&(*parser)->name.own);
    buffer_free(&(*parser)->data.own);
    free(*parser);
    *parser = NULL;
}

/* --- fields --- */

static void field_keep(struct field *field)
{
    if (!field->text.len || field->text.ptr == field->own.data) return;
    field->own.len = 0;
    buffer_append_slice(&field->own, field->text);
    field->text = buffer_slice(&field->own);
}

static void field_add_line(struct field *field, struct slice line)
{
    field_keep(field);
    field->own.len = field->text.len;
    buffer_append_char(&field->own, '\n');
    buffer_append_slice(&field->own, line);
    field->text = buffer_slice(&field->own);
}

static void event_clear(struct sse_parser *parser)
{
    parser->name.text = parser->data.text = (struct slice){0};
    parser->has_data = false;
}

/* An event without data is none (the standard says so). */
static bool event_end(struct sse_parser *parser, struct sse_event *event)
{
    bool whole = parser->has_data;
    if (whole) *event = (struct sse_event){parser->name.text, parser->data.text};
    event_clear(parser);
    return whole;
}

static struct slice value_of(struct slice line, size_t name_len)
{
    size_t skip = MIN(name_len + 1, line.len);
    if (skip < line.len && line.ptr[skip] == ' ') skip++;
    return (struct slice){line.ptr + skip, line.len - skip};
}

/* "name: value", "name:value" or "name"; fields other than `data` and `event` are of no use here.
 */
static void field_read(struct sse_parser *parser, struct slice line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    struct slice name = {line.ptr, colon ? (size_t)(colon - line.ptr) : line.len};
    if (!name.len) return; /* a comment */
    if (slice_equal(name, SLICE("event"))) parser->name.text = value_of(line, name.len);
    if (!slice_equal(name, SLICE("data"))) return;
    if (parser->has_data)
        field_add_line(&parser->data, value_of(line, name.len));
    else
        parser->data.text = value_of(line, name.len);
    parser->has_data = true;
}

/* --- lines --- */

/* The first CR or LF; NULL: none. */
static const char *line_end(struct slice bytes)
{
    const char *lf = bytes.len ? memchr(bytes.ptr, '\n', bytes.len) : NULL;
    size_t len = lf ? (size_t)(lf - bytes.ptr) : bytes.len;
    const char *cr = len ? memchr(bytes.ptr, '\r', len) : NULL;
    return cr ? cr : lf;
}

static void skip(struct slice *bytes, size_t len)
{
    bytes->ptr += len;
    bytes->len -= len;
}

static bool is_too_large(struct sse_parser *parser, size_t more)
{
    size_t bytes = parser->name.text.len + parser->data.text.len + more;
    if (bytes > parser->event_bytes_max) parser->error = ERR_PROVIDER_BAD_RESPONSE;
    return parser->error;
}

/* Takes a line without its end off the front; false, with nothing taken, if none ends here. */
static bool line_take(struct sse_parser *parser, struct slice *bytes, struct slice *line)
{
    if (parser->after_cr && bytes->len) {
        parser->after_cr = false;
        if (*bytes->ptr == '\n') skip(bytes, 1);
    }
    const char *end = line_end(*bytes);
    if (!end) return false;
    *line = (struct slice){bytes->ptr, (size_t)(end - bytes->ptr)};
    parser->after_cr = *end == '\r';
    skip(bytes, line->len + 1);
    if (parser->carried.len) {
        buffer_append_slice(&parser->carried, *line);
        *line = buffer_slice(&parser->carried);
        parser->carried.len = 0; /* its memory stays until the next line is carried */
    }
    if (parser->at_start && line->len >= 3 && !memcmp(line->ptr, "\xef\xbb\xbf", 3)) skip(line, 3);
    parser->at_start = false;
    return !is_too_large(parser, line->len);
}

/* The input goes: keeps what of it belongs to an unfinished event. */
static void input_keep(struct sse_parser *parser, struct slice *bytes)
{
    if (is_too_large(parser, parser->carried.len + bytes->len)) return;
    field_keep(&parser->name);
    field_keep(&parser->data);
    buffer_append_slice(&parser->carried, *bytes);
    skip(bytes, bytes->len);
}

bool sse_parser_next(struct sse_parser *parser, struct slice *bytes, struct sse_event *event)
{
    struct slice line;
    if (parser->error) return false;
    while (line_take(parser, bytes, &line)) {
        if (line.len)
            field_read(parser, line);
        else if (event_end(parser, event))
            return true;
    }
    if (!parser->error) input_keep(parser, bytes);
    return false;
}

err_t sse_parser_error(const struct sse_parser *parser)
{
    return parser->error;
}
