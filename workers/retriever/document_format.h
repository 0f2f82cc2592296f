/* What the readers of the formats share. Each reads valid UTF-8 into an empty document and cannot
 * fail: what makes no sense in a format is text. */
#ifndef MILLRACE_RETRIEVER_DOCUMENT_FORMAT_H
#define MILLRACE_RETRIEVER_DOCUMENT_FORMAT_H

#include "workers/retriever/document.h"

void document_read_text(struct slice content, struct parsed_document *document);
void document_read_markdown(struct slice content, struct parsed_document *document);
void document_read_html(struct slice content, struct parsed_document *document);

/* Adds a block, trimmed of white space; none if nothing is left. It leads when it ends in a colon.
 * Returns it (until the next is added) or NULL. */
struct block *document_add(struct parsed_document *document, size_t start, size_t end,
                           unsigned level);

/* The lines of a text, one by one, without their ends. Start with {text, 0}; false at the end. */
struct text_lines {
    struct slice text;
    size_t at;
};
bool text_next_line(struct text_lines *lines, struct slice *line);

/* How many spaces a line starts with; a tab counts up to the next multiple of four. */
size_t line_indent(struct slice line);
/* Spaces, tabs, nothing else. */
bool line_is_blank(struct slice line);
/* A line that underlines the one above: only `mark`, three times or more. */
bool line_is_rule(struct slice line, char mark);

#endif
