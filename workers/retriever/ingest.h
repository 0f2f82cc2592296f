/* Makes a document ready for the store: parsed, cut into chunks, their terms counted, everything
 * hashed. Knows no database. */
#ifndef MILLRACE_RETRIEVER_INGEST_H
#define MILLRACE_RETRIEVER_INGEST_H

#include "common/arena.h"
#include "common/sha256.h"
#include "proto/records.h"
#include "workers/retriever/chunker.h"

#define CHUNK_HASH_BYTES 16 /* of SHA-256: enough to tell contents apart */

struct ready_chunk {
    uint64_t start, end;
    struct slice heading;
    const char *language;
    struct slice text; /* up to the start of the next chunk, if that is later than `end` */
    struct slice terms;
    uint8_t hash[CHUNK_HASH_BYTES];
};

struct ready_document {
    struct slice title; /* given, or else its own */
    struct ready_chunk *chunks;
    size_t count;
    struct parsed_document parsed; /* holds the text */
    struct buffer terms;
    struct arena arena;
};

/* The hash of what was given: the same one means nothing has changed. */
void document_hash(const struct document *given, uint8_t hash[SHA256_BYTES]);
/* `pause` is called now and then (not while parsing), so that its caller can do other work; it may
 * be NULL. Slices point into `given` and into `ready`, which the caller frees with ingest_free also
 * after an error. Errors as document_parse; ERR_DOCUMENT_TOO_LARGE over `bytes_max`. */
err_t ingest_prepare(const struct document *given, size_t bytes_max, void (*pause)(void *context),
                     void *context, struct ready_document *ready) MUST_USE;
void ingest_free(struct ready_document *ready);

#endif
