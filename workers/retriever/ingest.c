#include "workers/retriever/ingest.h"

#include <stdlib.h>

#include "workers/retriever/terms.h"

#define PAUSE_CHUNKS 32 /* a few milliseconds of work */

struct ingest {
    struct ready_document *ready;
    size_t capacity;
    size_t *terms_at; /* where each chunk's terms begin: the buffer moves while it grows */
    size_t terms_capacity;
    void (*pause)(void *context);
    void *context;
};

void document_hash(const struct document *given, uint8_t hash[SHA256_BYTES])
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_add_field(&sha, given->format);
    sha256_add_field(&sha, given->title);
    sha256_add_field(&sha, given->metadata);
    sha256_add_field(&sha, given->content);
    sha256_end(&sha, hash);
}

static void chunk_hash(struct slice text, uint8_t hash[CHUNK_HASH_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 sha;
    sha256_init(&sha);
    sha256_add(&sha, text);
    sha256_end(&sha, digest);
    memcpy(hash, digest, CHUNK_HASH_BYTES);
}

static void on_chunk(void *context, const struct chunk *chunk)
{
    struct ingest *ingest = context;
    struct ready_document *ready = ingest->ready;
    const struct language *language = language_find(slice_of(chunk->language));
    size_t n = ready->count++;
    ready->chunks = xgrow(ready->chunks, &ingest->capacity, n + 1, sizeof(*ready->chunks));
    ingest->terms_at = xgrow(ingest->terms_at, &ingest->terms_capacity, n + 1, sizeof(size_t));
    ingest->terms_at[n] = ready->terms.len;
    terms_encode(language, ready->title, chunk->heading, chunk->text, &ready->terms);
    ready->chunks[n] = (struct ready_chunk){
        .start = chunk->start,
        .end = chunk->end,
        .heading = arena_slice(&ready->arena, chunk->heading),
        .language = chunk->language,
        .text = chunk->text,
    };
    if (ingest->pause && n % PAUSE_CHUNKS == PAUSE_CHUNKS - 1) ingest->pause(ingest->context);
}

/* What is known only once all chunks are: where terms lie, and how far a text must reach so that
 * neighbours can be put together again without a hole. */
static void complete(struct ingest *ingest)
{
    struct ready_document *ready = ingest->ready;
    for (size_t n = 0; n < ready->count; n++) {
        struct ready_chunk *chunk = &ready->chunks[n];
        bool last = n + 1 == ready->count;
        size_t terms_end = last ? ready->terms.len : ingest->terms_at[n + 1];
        size_t text_end = last ? chunk->end : MAX(chunk->end, ready->chunks[n + 1].start);
        chunk->terms = (struct slice){ready->terms.data + ingest->terms_at[n],
                                      terms_end - ingest->terms_at[n]};
        chunk->text =
            (struct slice){ready->parsed.text.data + chunk->start, text_end - chunk->start};
        chunk_hash(chunk->text, chunk->hash);
    }
}

static struct slice title_of(const struct document *given, const struct parsed_document *parsed)
{
    if (given->title.len) return given->title;
    return parsed->title.len ? buffer_slice(&parsed->title) : given->source;
}

err_t ingest_prepare(const struct document *given, size_t bytes_max, void (*pause)(void *context),
                     void *context, struct ready_document *ready)
{
    struct ingest ingest = {.ready = ready, .pause = pause, .context = context};
    *ready = (struct ready_document){0};
    if (given->content.len > bytes_max) return ERR_DOCUMENT_TOO_LARGE;
    err_t error = document_parse(given->format, given->content, &ready->parsed);
    if (error) return error;
    ready->title = title_of(given, &ready->parsed);
    chunk_document(&ready->parsed, on_chunk, &ingest);
    complete(&ingest);
    free(ingest.terms_at);
    return ready->count ? OK : ERR_DOCUMENT_EMPTY;
}

void ingest_free(struct ready_document *ready)
{
    document_free(&ready->parsed);
    buffer_free(&ready->terms);
    free(ready->chunks);
    arena_free(&ready->arena);
    *ready = (struct ready_document){0};
}
