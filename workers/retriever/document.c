/* Chooses the reader of the format, after what is no text at all has been refused. */
#include "workers/retriever/document.h"

#include <stdlib.h>

#include "common/text.h"
#include "workers/retriever/document_format.h"

enum { TITLE_BYTES_MAX = 400 };

static const struct {
    struct slice name;
    void (*read)(struct slice content, struct parsed_document *document);
} formats[] = {
    {{"text", 4}, document_read_text},
    {{"markdown", 8}, document_read_markdown},
    {{"html", 4}, document_read_html},
};

static const struct slice byte_order_mark = {"\xEF\xBB\xBF", 3};

static struct slice without_byte_order_mark(struct slice text)
{
    size_t len = byte_order_mark.len;
    if (text.len < len || memcmp(text.ptr, byte_order_mark.ptr, len) != 0) return text;
    return (struct slice){text.ptr + len, text.len - len};
}

static void trim_title(struct buffer *title)
{
    struct slice trimmed = text_trim(buffer_slice(title));
    buffer_consume(title, (size_t)(trimmed.ptr - title->data));
    title->len = text_cut((struct slice){title->data, trimmed.len}, TITLE_BYTES_MAX);
}

static err_t read_as(size_t format, struct slice content, struct parsed_document *document)
{
    struct parsed_document read = {0};
    content = without_byte_order_mark(content);
    if (!text_trim(content).len) return ERR_DOCUMENT_EMPTY;
    if (!text_valid(content)) return ERR_DOCUMENT_BINARY;
    formats[format].read(content, &read);
    if (read.title.len) trim_title(&read.title);
    if (!read.count) return document_free(&read), ERR_DOCUMENT_EMPTY;
    *document = read;
    return OK;
}

err_t document_parse(struct slice format, struct slice content, struct parsed_document *document)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (slice_equal(formats[i].name, format)) return read_as(i, content, document);
    return ERR_INVALID_FIELD;
}

void document_free(struct parsed_document *document)
{
    buffer_free(&document->text);
    buffer_free(&document->title);
    free(document->blocks);
    *document = (struct parsed_document){0};
}

struct block *document_add(struct parsed_document *document, size_t start, size_t end,
                           unsigned level)
{
    const char *text = document->text.data;
    struct slice trimmed = text_trim((struct slice){text + start, end - start});
    if (!trimmed.len) return NULL;
    document->blocks =
        xgrow(document->blocks, &document->capacity, document->count + 1, sizeof *document->blocks);
    struct block *block = &document->blocks[document->count++];
    *block = (struct block){
        .start = (size_t)(trimmed.ptr - text),
        .end = (size_t)(trimmed.ptr - text) + trimmed.len,
        .level = level,
        .lead = level == 0 && trimmed.ptr[trimmed.len - 1] == ':',
    };
    return block;
}

bool text_next_line(struct text_lines *lines, struct slice *line)
{
    if (lines->at >= lines->text.len) return false;
    const char *start = lines->text.ptr + lines->at;
    size_t left = lines->text.len - lines->at;
    const char *end = memchr(start, '\n', left);
    size_t len = end ? (size_t)(end - start) : left;
    lines->at += len + 1;
    if (len && start[len - 1] == '\r') len--;
    *line = (struct slice){start, len};
    return true;
}

size_t line_indent(struct slice line)
{
    size_t column = 0;
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '\t')
            column += 4 - column % 4;
        else if (line.ptr[i] == ' ')
            column++;
        else
            break;
    }
    return column;
}

bool line_is_blank(struct slice line)
{
    return text_trim(line).len == 0;
}

bool line_is_rule(struct slice line, char mark)
{
    line = text_trim(line);
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != mark) return false;
    return line.len >= 3;
}
