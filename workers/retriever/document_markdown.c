/* Markdown, line by line: headings of both kinds, fenced and indented code, list items, table rows,
 * front matter. Marks inside a line stay: they harm neither search nor reading. */
#include "common/text.h"
#include "workers/retriever/document_format.h"

struct reader {
    struct parsed_document *document;
    size_t start; /* of the open block */
    bool open;
    bool code;  /* the open block is code by its indentation */
    char fence; /* '`' or '~' inside fenced code, else 0 */
    size_t fence_len;
    bool after_blank;
};

static void close_block(struct reader *reader, size_t end)
{
    struct block *block = NULL;
    if (reader->open) block = document_add(reader->document, reader->start, end, 0);
    if (block) block->code = reader->code;
    reader->open = reader->code = false;
}

static void open_block(struct reader *reader, size_t start)
{
    if (reader->open) return;
    reader->start = start;
    reader->open = true;
}

static struct slice from(struct slice line, size_t at)
{
    return (struct slice){line.ptr + at, line.len - at};
}

static size_t run_of(struct slice text, char c)
{
    size_t n = 0;
    while (n < text.len && text.ptr[n] == c) n++;
    return n;
}

static bool is_space_at(struct slice text, size_t at)
{
    return at >= text.len || text.ptr[at] == ' ' || text.ptr[at] == '\t';
}

/* "## Heading ##": its level, and the text without marks. */
static unsigned atx_level(struct slice line, struct slice *heading)
{
    struct slice text = text_trim(line);
    size_t level = run_of(text, '#');
    if (line_indent(line) > 3 || level < 1 || level > 6 || !is_space_at(text, level)) return 0;
    text = text_trim(from(text, level));
    size_t marks = 0;
    while (marks < text.len && text.ptr[text.len - 1 - marks] == '#') marks++;
    if (marks < text.len && marks && is_space_at(text, text.len - 1 - marks)) text.len -= marks;
    *heading = text_trim(text);
    return (unsigned)level;
}

static unsigned underline_level(struct slice line)
{
    if (line_indent(line) > 3) return 0;
    struct slice text = text_trim(line);
    if (text.len && run_of(text, '=') == text.len) return 1;
    return text.len >= 2 && run_of(text, '-') == text.len ? 2 : 0;
}

static bool starts_item(struct slice line)
{
    struct slice text = text_trim(line);
    size_t digits = 0;
    while (digits < text.len && digits < 9 && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    if (digits && digits < text.len && (text.ptr[digits] == '.' || text.ptr[digits] == ')'))
        return is_space_at(text, digits + 1);
    return text.len > 1 && strchr("-*+", text.ptr[0]) && is_space_at(text, 1);
}

static bool is_table_row(struct slice line)
{
    struct slice text = text_trim(line);
    return text.len > 1 && text.ptr[0] == '|';
}

static void add_heading(struct reader *reader, struct slice heading, unsigned level)
{
    struct parsed_document *document = reader->document;
    size_t start = (size_t)(heading.ptr - document->text.data);
    struct block *block = document_add(document, start, start + heading.len, level);
    if (block && level == 1 && !document->title.len)
        buffer_append(&document->title, document->text.data + block->start,
                      block->end - block->start);
}

/* Opens or closes fenced code. False if the line is no fence. */
static bool read_fence(struct reader *reader, struct slice line, size_t start, size_t next)
{
    struct slice text = text_trim(line);
    char mark = reader->fence ? reader->fence : text.len ? text.ptr[0] : 0;
    size_t len = run_of(text, mark);
    if (reader->fence) {
        if (len < reader->fence_len || len < text.len) return true;
        close_block(reader, start);
        reader->fence = 0;
        return true;
    }
    if ((mark != '`' && mark != '~') || len < 3) return false;
    if (mark == '`' && memchr(text.ptr + len, '`', text.len - len)) return false;
    close_block(reader, start);
    open_block(reader, next);
    reader->code = true;
    reader->fence = mark;
    reader->fence_len = len;
    return true;
}

/* A paragraph's text whose underline makes it a heading. False if it is none. */
static bool read_underline(struct reader *reader, struct slice line, size_t start)
{
    unsigned level = underline_level(line);
    if (!level || !reader->open || reader->code || reader->after_blank) return false;
    struct slice text = {reader->document->text.data + reader->start, start - reader->start};
    if (starts_item(text) || is_table_row(text)) return false;
    reader->open = false;
    add_heading(reader, text_trim(text), level);
    return true;
}

static void read_plain(struct reader *reader, struct slice line, size_t start)
{
    bool indented = line_indent(line) >= 4 && !starts_item(line);
    bool code = indented && (reader->open ? reader->code : reader->after_blank);
    if (reader->code && !indented) close_block(reader, start);
    if (starts_item(line) || is_table_row(line)) close_block(reader, start);
    open_block(reader, start);
    reader->code = code;
}

static void read_line(struct reader *reader, struct slice line, size_t start, size_t next)
{
    struct slice heading;
    unsigned level;
    if (read_fence(reader, line, start, next) || read_underline(reader, line, start)) return;
    if (line_is_blank(line)) {
        if (!reader->code) close_block(reader, start);
    } else if ((level = atx_level(line, &heading))) {
        close_block(reader, start);
        add_heading(reader, heading, level);
    } else if (line_is_rule(line, '-') || line_is_rule(line, '*') || line_is_rule(line, '_')) {
        close_block(reader, start);
    } else {
        read_plain(reader, line, start);
    }
}

/* Takes the title out of "---" front matter at the top, and skips it. Without an end it is none. */
static void skip_front_matter(struct text_lines *lines, struct parsed_document *document)
{
    struct text_lines ahead = *lines;
    struct slice line, title = {0};
    const struct slice key = SLICE("title:");
    if (!text_next_line(&ahead, &line) || !slice_equal(line, SLICE("---"))) return;
    while (text_next_line(&ahead, &line)) {
        if (line.len > key.len && memcmp(line.ptr, key.ptr, key.len) == 0)
            title = text_trim(from(line, key.len));
        if (!slice_equal(line, SLICE("---"))) continue;
        bool quoted = title.len > 1 && strchr("\"'", title.ptr[0]) &&
                      title.ptr[title.len - 1] == title.ptr[0];
        if (quoted) title = (struct slice){title.ptr + 1, title.len - 2};
        buffer_append_slice(&document->title, title);
        *lines = ahead;
        return;
    }
}

void document_read_markdown(struct slice content, struct parsed_document *document)
{
    buffer_append_slice(&document->text, content);
    struct text_lines lines = {buffer_slice(&document->text), 0};
    struct reader reader = {.document = document, .after_blank = true};
    struct slice line;
    skip_front_matter(&lines, document);
    while (text_next_line(&lines, &line)) {
        size_t start = (size_t)(line.ptr - document->text.data);
        read_line(&reader, line, start, MIN(lines.at, document->text.len));
        reader.after_blank = line_is_blank(line);
    }
    close_block(&reader, document->text.len);
}
