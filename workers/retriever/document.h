/* A document's plain text with its headings, whatever format it came in. Pure. */
#ifndef MILLRACE_RETRIEVER_DOCUMENT_H
#define MILLRACE_RETRIEVER_DOCUMENT_H

#include "common/buffer.h"
#include "common/errors.h"

/* A stretch of the text that belongs together: a heading, a paragraph, a list item, a code block, a
 * table row. Blocks are in order, not empty, and do not overlap. */
struct block {
    size_t start, end; /* bytes of the text, white space at both ends left out */
    unsigned level;    /* 1..6 for a heading, 0 for anything else */
    bool code;         /* to be cut at lines, not at sentences */
    bool lead; /* introduces the next block, which means little without it: a term, "such as:" */
};

struct parsed_document {
    struct buffer text;  /* valid UTF-8; of text and Markdown it is the content itself */
    struct buffer title; /* what the document calls itself; may be empty */
    struct block *blocks;
    size_t count;
    size_t capacity; /* of `blocks` */
};

/* `format` is "text", "markdown" or "html". ERR_DOCUMENT_EMPTY, ERR_DOCUMENT_BINARY (NUL bytes or
 * not UTF-8), ERR_INVALID_FIELD (an unknown format). Caller frees with document_free. HTML nested
 * without bound, or broken, is read as far as it makes sense. */
err_t document_parse(struct slice format, struct slice content,
                     struct parsed_document *document) MUST_USE;
void document_free(struct parsed_document *document);

#endif
