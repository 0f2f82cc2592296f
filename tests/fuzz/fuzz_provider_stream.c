/* Fuzz entry: what a provider streams, read in each dialect. However the bytes are cut, the same
 * text comes out, whole and valid, and the same end. The corpus is provider_stream/;
 * unit_stream_corpus replays it, and mutants of it, as an ordinary test.
 *
 *     clang -fsanitize=fuzzer,address ... fuzz_provider_stream.c && ./a.out provider_stream */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/text.h"
#include "workers/generator/dialect.h"
#include "workers/generator/incoming.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENT_BYTES_MAX = 512 };

struct outcome {
    struct buffer text;
    const char *finish_reason;
    struct usage usage;
    bool ended;
    err_t error;
};

static void take(struct outcome *outcome, struct incoming *incoming, struct buffer *scratch)
{
    struct slice piece;
    incoming_add(incoming, buffer_slice(scratch), outcome->ended);
    scratch->len = 0;
    while (incoming_next(incoming, &piece)) {
        if (!text_valid(piece)) abort();
        buffer_append_slice(&outcome->text, piece);
    }
}

/* As remote.c reads, in pieces of `cut` bytes. */
static struct outcome read_stream(const struct dialect *dialect, struct slice bytes, size_t cut)
{
    struct outcome outcome = {0};
    struct incoming incoming = {.repetition.settled = true};
    struct buffer scratch = {0};
    struct dialect_reply reply = {.text = &scratch};
    struct sse_parser *parser = sse_parser_new(EVENT_BYTES_MAX);
    while (bytes.len && !outcome.error && !outcome.ended) {
        struct slice piece = {bytes.ptr, MIN(cut, bytes.len)};
        struct sse_event event;
        bytes = (struct slice){bytes.ptr + piece.len, bytes.len - piece.len};
        while (!outcome.error && !outcome.ended && sse_parser_next(parser, &piece, &event)) {
            outcome.error = dialect->read(event.data, &reply);
            outcome.ended = reply.ended;
            if (!outcome.error) take(&outcome, &incoming, &scratch);
        }
        if (!outcome.error) outcome.error = sse_parser_error(parser);
    }
    outcome.finish_reason = reply.finish_reason;
    outcome.usage = reply.usage;
    sse_parser_destroy(&parser);
    incoming_free(&incoming);
    buffer_free(&scratch);
    return outcome;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return slice_equal(buffer_slice(&a->text), buffer_slice(&b->text)) &&
           a->finish_reason == b->finish_reason &&
           a->usage.prompt_tokens == b->usage.prompt_tokens &&
           a->usage.completion_tokens == b->usage.completion_tokens && a->ended == b->ended &&
           a->error == b->error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const dialects[] = {"openai", "mistral", "anthropic"};
    static const size_t cuts[] = {1, 7};
    struct slice bytes = {(const char *)data, size};
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
        const struct dialect *dialect = dialect_find(dialects[i]);
        struct outcome whole = read_stream(dialect, bytes, size);
        for (size_t j = 0; j < ARRAY_LEN(cuts); j++) {
            struct outcome cut = read_stream(dialect, bytes, cuts[j]);
            if (!same(&whole, &cut)) abort();
            buffer_free(&cut.text);
        }
        buffer_free(&whole.text);
    }
    return 0;
}
