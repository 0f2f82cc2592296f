/* Plain text: paragraphs between blank lines. A heading shows by its place: a short line at the
 * margin, after a blank line, with indented text right under it (as manual pages have them), a line
 * underlined with = or -, or one in capitals that stands alone. */
#include "common/text.h"
#include "workers/retriever/document_format.h"

enum { HEADING_MAX = 100 };

/* The lines around the one that is looked at. */
struct reader {
    struct parsed_document *document;
    struct slice before, line, after;
    size_t paragraph; /* where the open one starts */
    bool open;
};

static size_t offset(const struct reader *reader, struct slice line)
{
    return (size_t)(line.ptr - reader->document->text.data);
}

static void close_paragraph(struct reader *reader, size_t end)
{
    if (reader->open) document_add(reader->document, reader->paragraph, end, 0);
    reader->open = false;
}

static bool is_capitals(struct slice line)
{
    size_t letters = 0;
    while (line.len) {
        uint32_t c = text_take(&line);
        if (c >= 'a' && c <= 'z') return false;
        letters += (c >= 'A' && c <= 'Z');
    }
    return letters >= 3;
}

static bool ends_a_sentence(struct slice line)
{
    line = text_trim(line);
    return line.len && strchr(".,;!?", line.ptr[line.len - 1]) != NULL;
}

/* The level of the heading that the line is, or 0. */
static unsigned heading_level(const struct reader *reader)
{
    struct slice line = reader->line;
    if (line.len > HEADING_MAX || line_is_blank(line) || !line_is_blank(reader->before)) return 0;
    if (line_is_rule(reader->after, '=')) return 1;
    if (line_is_rule(reader->after, '-')) return 2;
    size_t indent = line_indent(line);
    if (indent > 3 || ends_a_sentence(line)) return 0;
    bool hangs = !line_is_blank(reader->after) && line_indent(reader->after) > indent;
    bool alone = line_is_blank(reader->after) && is_capitals(line);
    if (!hangs && !(indent == 0 && alone)) return 0;
    return indent == 0 ? 1 : 2;
}

static void read_line(struct reader *reader)
{
    struct slice line = reader->line;
    size_t start = offset(reader, line);
    unsigned level = heading_level(reader);
    bool rule = line_is_rule(line, '=') || line_is_rule(line, '-');
    if (level || rule || line_is_blank(line)) close_paragraph(reader, start);
    if (level) {
        document_add(reader->document, start, start + line.len, level);
    } else if (!reader->open && !rule && !line_is_blank(line)) {
        reader->paragraph = start;
        reader->open = true;
    }
}

/* The first line, if it stands alone; its white space folded. */
static void read_title(struct slice content, struct buffer *title)
{
    struct text_lines lines = {content, 0};
    struct slice line = {0}, after = {0};
    while (text_next_line(&lines, &line) && line_is_blank(line)) line = after;
    text_next_line(&lines, &after);
    bool rule = line_is_rule(after, '=') || line_is_rule(after, '-');
    line = text_trim(line);
    if (line.len > HEADING_MAX || !(line_is_blank(after) || rule)) return;
    for (size_t i = 0; i < line.len; i++)
        if (i == 0 || line.ptr[i] != ' ' || line.ptr[i - 1] != ' ')
            buffer_append_char(title, line.ptr[i]);
}

void document_read_text(struct slice content, struct parsed_document *document)
{
    buffer_append_slice(&document->text, content);
    read_title(content, &document->title);
    struct text_lines lines = {buffer_slice(&document->text), 0};
    struct reader reader = {.document = document};
    bool more = text_next_line(&lines, &reader.line);
    while (more) {
        reader.after = (struct slice){0};
        more = text_next_line(&lines, &reader.after);
        read_line(&reader);
        /* What follows a heading is under it, not in the same paragraph. */
        reader.before = reader.line;
        reader.line = reader.after;
    }
    close_paragraph(&reader, document->text.len);
}
