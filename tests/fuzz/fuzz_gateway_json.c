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
#include "gateway/openai_request.h"
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

static bool is_sound(const struct openai_question *question)
{
    const struct chat_message *message = question->history.messages.items;
    size_t said = 0;
    for (size_t i = 0; i < question->history.messages.count; i++) {
        if (!text_valid(message[i].content) || !text_trim(message[i].content).len) return false;
        said += !slice_equal(message[i].role, SLICE("system"));
    }
    return said <= 3 && question->history.digest.len == 64 &&
           text_trim(question->call.message).len && text_length(question->call.message) <= 100;
}

static void fuzz_openai(struct slice body)
{
    static const struct openai_limits limits = {.characters_max = 100, .history_max = 3};
    struct arena arena = {0};
    struct json_problem problem = {""};
    struct openai_question question;
    struct openai_texts texts;
    if (!openai_question_read(body, &limits, &arena, &question, &problem) && !is_sound(&question))
        abort();
    if (!text_valid(slice_of(problem.text))) abort();
    if (!openai_texts_read(body, &limits, &arena, &texts, &problem) &&
        (!texts.texts.count || texts.texts.count > OPENAI_TEXTS_MAX))
        abort();
    if (!text_valid(slice_of(problem.text))) abort();
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
    fuzz_openai(body);
    if (json_read(body, &value, &problem)) return 0;
    fuzz_object(value, admin_read_agent, put_agent_type());
    fuzz_object(value, admin_read_portfolio, put_portfolio_type());
    fuzz_object(value, admin_read_documents, put_documents_type());
    json_decref(value);
    return 0;
}
