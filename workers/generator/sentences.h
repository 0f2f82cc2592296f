/* Cuts a passage into what can be quoted from it: sentences, list items, table rows, lines of code;
 * and headings, which are not quoted but tell what stands below them. Reads Markdown and plain text
 * alike. Pure: knows no language but the common abbreviations. */
#ifndef MILLRACE_GENERATOR_SENTENCES_H
#define MILLRACE_GENERATOR_SENTENCES_H

#include "common/base.h"
#include "common/buffer.h"

enum sentence_kind {
    SENTENCE_PROSE,
    SENTENCE_ITEM, /* of a list, or the first sentence of a longer item */
    SENTENCE_ROW,  /* of a table */
    SENTENCE_CODE,
    SENTENCE_HEADING, /* also a line that stands alone without an end mark */
};

struct sentence {
    struct slice text; /* as in the passage, line breaks and all, without its marker ("-", "##") */
    enum sentence_kind kind;
    unsigned block; /* rises with each paragraph, item, row: equal for sentences that run on */
    unsigned level; /* of a marked heading, 1..6; 0 for a bare line */
};

/* Start with {text}. */
struct sentence_reader {
    struct slice text;
    size_t at;          /* of the next line */
    struct slice block; /* what is left of the current block */
    enum sentence_kind kind;
    unsigned blocks, level;
    bool fenced; /* inside a code fence */
    bool spaced; /* the line before was empty */
};

/* The next one, never empty; false at the end. */
bool sentence_next(struct sentence_reader *reader, struct sentence *sentence);

/* Appends a sentence as it is quoted: white space collapsed, Markdown's emphasis, links and table
 * bars taken off, the document's own reference marks ("[3]") dropped, more than `max` bytes cut at
 * a word with "…". */
void sentence_quote(struct slice text, enum sentence_kind kind, size_t max, struct buffer *out);

#endif
