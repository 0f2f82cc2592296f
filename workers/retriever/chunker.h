/* Cuts a document into chunks of about 1,000 characters at heading, paragraph, then sentence
 * boundaries, with an overlap of about 150 inside a section. Pure. */
#ifndef MILLRACE_RETRIEVER_CHUNKER_H
#define MILLRACE_RETRIEVER_CHUNKER_H

#include "workers/retriever/document.h"

/* No chunk is longer, whatever the document. */
enum { CHUNK_CHARACTERS_MAX = 1500 };

struct chunk {
    size_t start, end;    /* bytes of the document's text */
    struct slice text;    /* that stretch */
    struct slice heading; /* path of headings above it, "Install > Linux"; may be empty */
    const char *language; /* code of the language it is written in: a string that lives on */
};

/* Calls `each` for every chunk in order; slices are valid during the call. Every block's text is in
 * some chunk. */
void chunk_document(const struct parsed_document *document,
                    void (*each)(void *context, const struct chunk *chunk), void *context);

#endif
