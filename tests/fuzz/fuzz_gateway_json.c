/* Fuzz entry: what clients send as JSON. The corpus is gateway_json/; unit_json_corpus replays it,
 * and mutants of it, as an ordinary test.
 *
 *     clang -fsanitize=fuzzer,address ... fuzz_gateway_json.c && ./a.out gateway_json */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/text.h"
#include "gateway/admin_input.h"
#include "gateway/chat_request.h"
#include "proto/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is accepted must be what the pools may rely on. */
static void fuzz_questions(struct slice body)
{
    struct arena arena = {0};
    struct json_problem problem;
    struct chat_call chat;
    struct search_call search;
    if (!chat_call_read(body, 100, &arena, &chat, &problem) &&
        (!text_valid(chat.message) || !text_trim(chat.message).len ||
         text_length(chat.message) > 100 || chat.top_k > TOP_K_MAX))
        abort();
    if (!search_call_read(body, 100, &arena, &search, &problem) && !text_valid(search.query))
        abort();
    arena_free(&arena);
}

typedef err_t read_fn(struct admin_input *input, const json_t *value, struct buffer *frame,
                      struct json_problem *problem);

/* A frame must be read by the other side, and what comes back must be JSON again. */
static void fuzz_object(const json_t *value, read_fn *read, const struct record_type *type)
{
    struct admin_input input = {.document_bytes_max = 1000};
    struct json_problem problem = {""};
    struct buffer frame = {0}, text = {0};
    struct arena arena = {0};
    if (!read(&input, value, &frame, &problem)) {
        void *record = arena_alloc(&arena, type->size);
        if (record_decode(type, buffer_slice(&frame), &arena, record)) abort();
        record_to_json(type, record, &text);
        json_t *again = json_loadb(text.data, text.len, 0, NULL);
        if (!again) abort();
        json_decref(again);
    }
    if (!text_valid(slice_of(problem.text))) abort();
    buffer_free(&frame);
    buffer_free(&text);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = {(const char *)data, size};
    struct json_problem problem;
    json_t *value;
    fuzz_questions(body);
    if (json_read(body, &value, &problem)) return 0;
    fuzz_object(value, admin_read_agent, put_agent_type());
    fuzz_object(value, admin_read_portfolio, put_portfolio_type());
    fuzz_object(value, admin_read_documents, put_documents_type());
    json_decref(value);
    return 0;
}
