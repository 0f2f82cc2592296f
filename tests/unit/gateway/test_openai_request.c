#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/openai_request.h"
#include "proto/history.h"

#define ASKED(messages)     "{\"model\":\"agent-1\",\"messages\":[" messages "]}"
#define SAID(role, content) "{\"role\":\"" role "\",\"content\":" content "}"
#define WITH(member)        "{\"model\":\"agent-1\",\"messages\":[" SAID("user", "\"a\"") "]," member "}"

static const struct openai_limits limits = {.characters_max = 10, .history_max = 3};

/* --- questions --- */

static void a_bad_question_is_refused_with_its_code_and_reason(void **state)
{
    static const struct {
        const char *body;
        err_t want;
        const char *problem; /* that the text for people contains */
    } cases[] = {
        {"", ERR_BAD_JSON, ""},
        {"[]", ERR_INVALID_FIELD, "the body must be an object"},
        {"{}", ERR_INVALID_FIELD, "model is missing"},
        {"{\"model\":1}", ERR_INVALID_FIELD, "model must be a string"},
        {"{\"model\":\"gpt-4\"}", ERR_AGENT_NOT_FOUND, "no model \"gpt-4\""},
        /* cut between two letters, not inside one */
        {"{\"model\":\"aññññññññññññññññññññññññññññññññññññññ\"}", ERR_AGENT_NOT_FOUND,
         "\"añññññññññññññññññññññññññññññ\":"},
        {"{\"model\":\"agent-\"}", ERR_AGENT_NOT_FOUND, ""},
        {"{\"model\":\"agent-1x\"}", ERR_AGENT_NOT_FOUND, ""},
        {"{\"model\":\"agent--1\"}", ERR_AGENT_NOT_FOUND, ""},
        {"{\"model\":\"Agent-1\"}", ERR_AGENT_NOT_FOUND, ""},
        {"{\"model\":\"agent-1234567890123456789\"}", ERR_AGENT_NOT_FOUND, ""},
        {"{\"model\":\"agent-1\"}", ERR_INVALID_FIELD, "messages must be an array"},
        {"{\"model\":\"agent-1\",\"messages\":\"a\"}", ERR_INVALID_FIELD, "messages must be"},
        {ASKED(""), ERR_INVALID_FIELD, "at least one message"},
        {ASKED("1"), ERR_INVALID_FIELD, "messages[0].role"},
        {ASKED("{\"content\":\"a\"}"), ERR_INVALID_FIELD, "messages[0].role"},
        {ASKED(SAID("tool", "\"a\"")), ERR_INVALID_FIELD, "messages[0].role must be system"},
        {ASKED("{\"role\":\"user\"}"), ERR_INVALID_FIELD, "messages[0].content must be"},
        {ASKED(SAID("user", "null")), ERR_INVALID_FIELD, "messages[0].content must be"},
        {ASKED(SAID("user", "5")), ERR_INVALID_FIELD, "messages[0].content must be"},
        {ASKED(SAID("user", "[5]")), ERR_INVALID_FIELD, "messages[0].content[0] must be"},
        {ASKED(SAID("user", "[{\"type\":\"image_url\"}]")), ERR_INVALID_FIELD, "of type \"text\""},
        {ASKED(SAID("user", "[{\"type\":\"text\",\"text\":1}]")), ERR_INVALID_FIELD, "content[0]"},
        {ASKED(SAID("user", "[]")), ERR_MESSAGE_EMPTY, ""},
        {ASKED(SAID("user", "\" \"")), ERR_MESSAGE_EMPTY, ""},
        {ASKED(SAID("user", "\"12345678901\"")), ERR_MESSAGE_TOO_LONG, "at most 10"},
        {ASKED(SAID("user", "\"a\\u0000\"")), ERR_INVALID_UTF8, ""},
        {ASKED(SAID("system", "\"a\"")), ERR_INVALID_FIELD, "must be the user's"},
        {ASKED(SAID("user", "\"a\"") "," SAID("assistant", "\"b\"")), ERR_INVALID_FIELD,
         "must be the user's"},
        {WITH("\"n\":2"), ERR_INVALID_FIELD, "n must be 1"},
        {WITH("\"n\":0"), ERR_INVALID_FIELD, "n must be 1"},
        {WITH("\"tool_choice\":\"required\""), ERR_INVALID_FIELD, "tool_choice"},
        {WITH("\"tool_choice\":{\"type\":\"function\"}"), ERR_INVALID_FIELD, "tool_choice"},
        {WITH("\"response_format\":{\"type\":\"json_object\"}"), ERR_INVALID_FIELD,
         "response_format"},
        {WITH("\"stream\":1"), ERR_INVALID_FIELD, "stream must be true or false"},
        {WITH("\"stream_options\":true"), ERR_INVALID_FIELD, "stream_options must be an object"},
        {WITH("\"top_k\":0"), ERR_INVALID_FIELD, "top_k must be between 1"},
        {WITH("\"portfolio_id\":0"), ERR_PORTFOLIO_NOT_FOUND, ""},
        {WITH("\"language\":\"xx\""), ERR_INVALID_FIELD, "language"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct json_problem problem;
        struct openai_question question;
        memset(&question, 0xAA, sizeof(question));
        struct openai_question before = question;
        err_t got =
            openai_question_read(slice_of(cases[i].body), &limits, &arena, &question, &problem);
        if (got != cases[i].want || !strstr(problem.text, cases[i].problem))
            fail_msg("%s: got %s (%s)", cases[i].body, error_code(got), problem.text);
        assert_memory_equal(&question, &before, sizeof(question));
        arena_free(&arena);
    }
}

static void what_has_no_meaning_here_is_ignored(void **state)
{
    static const char *const bodies[] = {
        WITH("\"temperature\":9,\"user\":[],\"metadata\":1,\"max_tokens\":\"x\",\"seed\":null"),
        WITH("\"n\":1,\"tools\":[{}],\"tool_choice\":\"auto\""),
        WITH("\"n\":null,\"tool_choice\":null,\"response_format\":null,\"stream\":null"),
        WITH("\"response_format\":{\"type\":\"text\"},\"stream_options\":null"),
        WITH("\"tool_choice\":\"none\",\"message\":5,\"conversation_id\":\"x\""),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct arena arena = {0};
        struct json_problem problem;
        struct openai_question question;
        err_t got = openai_question_read(slice_of(bodies[i]), &limits, &arena, &question, &problem);
        if (got) fail_msg("%s: got %s (%s)", bodies[i], error_code(got), problem.text);
        assert_int_equal(question.call.conversation_id, 0);
        assert_false(question.stream);
        arena_free(&arena);
    }
}

/* What a body is read as, in one line. */
static void describe(const struct openai_question *question, struct buffer *out)
{
    const struct chat_message *message = question->history.messages.items;
    buffer_printf(out, "%ju%s%s%s%s ", (uintmax_t)question->agent_id,
                  question->stream ? " stream" : "", question->include_usage ? " usage" : "",
                  question->sources ? "" : " bare", question->call.store ? "" : " unstored");
    for (size_t i = 0; i < question->history.messages.count; i++)
        buffer_printf(out, "%.*s:%.*s ", (int)message[i].role.len, message[i].role.ptr,
                      (int)message[i].content.len, message[i].content.ptr);
    buffer_printf(out, "? %.*s", (int)question->call.message.len, question->call.message.ptr);
    buffer_append_char(out, '\0');
}

static void the_question_is_the_last_message_and_the_others_are_its_history(void **state)
{
    static const struct {
        const char *body, *want;
    } cases[] = {
        {ASKED(SAID("user", "\"a\"")), "1 ? a"},
        {"{\"model\":\"agent-42\",\"messages\":[" SAID(
             "user", "\" ñ \"") "],\"stream\":true,"
                                "\"stream_options\":{\"include_usage\":true},\"store\":false,"
                                "\"sources\":false}",
         "42 stream usage bare unstored ?  ñ "},
        {ASKED(SAID("system", "\"s\"") "," SAID("user", "\"a\"") "," SAID(
             "assistant", "\"b\"") "," SAID("user", "\"c\"")),
         "1 system:s user:a assistant:b ? c"},
        {ASKED(SAID("developer", "\"d\"") "," SAID("user", "\"a\"")), "1 system:d ? a"},
        {ASKED(SAID("user", "\"a\"") "," SAID("system", "\"s\"")), "1 system:s ? a"},
        {ASKED(SAID("user",
                    "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]")),
         "1 ? a\nb"},
        {ASKED(SAID("user", "\"a\"") "," SAID("assistant", "null") "," SAID("user", "\"b\"")),
         "1 user:a ? b"},
        {ASKED(SAID("user", "\"a\"") "," SAID("assistant", "\" \"") "," SAID("user", "\"b\"")),
         "1 user:a ? b"},
        /* the newest three, and every system message */
        {ASKED(SAID("system", "\"s\"") "," SAID("user", "\"1\"") "," SAID(
             "assistant", "\"2\"") "," SAID("user", "\"3\"") "," SAID("assistant",
                                                                      "\"4\"") "," SAID("user",
                                                                                        "\"5\"")),
         "1 system:s assistant:2 user:3 assistant:4 ? 5"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct buffer got = {0};
        struct json_problem problem;
        struct openai_question question;
        err_t error =
            openai_question_read(slice_of(cases[i].body), &limits, &arena, &question, &problem);
        if (error) fail_msg("%s: %s (%s)", cases[i].body, error_code(error), problem.text);
        describe(&question, &got);
        assert_string_equal(got.data, cases[i].want);
        buffer_free(&got);
        arena_free(&arena);
    }
}

static void read_digest(const char *body, char digest[SHA256_HEX + 1])
{
    struct arena arena = {0};
    struct json_problem problem;
    struct openai_question question;
    err_t error = openai_question_read(slice_of(body), &limits, &arena, &question, &problem);
    assert_int_equal(error, OK);
    assert_int_equal(question.history.digest.len, SHA256_HEX);
    memcpy(digest, question.history.digest.ptr, SHA256_HEX);
    digest[SHA256_HEX] = '\0';
    arena_free(&arena);
}

static void a_history_has_the_digest_that_the_store_would_give_it(void **state)
{
    struct chat_message said[] = {{.role = SLICE("user"), .content = SLICE("a")},
                                  {.role = SLICE("assistant"), .content = SLICE("b")}};
    char want[SHA256_HEX + 1], got[SHA256_HEX + 1];
    (void)state;
    history_digest(&(struct list){said, 2}, want);
    read_digest(
        ASKED(SAID("user", "\"a\"") "," SAID("assistant", "\"b\"") "," SAID("user", "\"c\"")), got);
    assert_string_equal(got, want);
    read_digest(
        ASKED(SAID("user", "\"a\"") "," SAID("assistant", "\"B\"") "," SAID("user", "\"c\"")), got);
    assert_string_not_equal(got, want);
    read_digest(ASKED(SAID("user", "\"ab\"") "," SAID("user", "\"c\"")), got);
    assert_string_not_equal(got, want);
}

/* --- embeddings --- */

static void bad_texts_are_refused_with_their_code_and_reason(void **state)
{
    static const struct {
        const char *body;
        err_t want;
        const char *problem;
    } cases[] = {
        {"{\"input\":\"a\"}", ERR_INVALID_FIELD, "model is missing"},
        {"{\"model\":\"m\"}", ERR_INVALID_FIELD, "input must be a string"},
        {"{\"model\":\"m\",\"input\":null}", ERR_INVALID_FIELD, "input must be a string"},
        {"{\"model\":\"m\",\"input\":[]}", ERR_INVALID_FIELD, "input must have 1 to 2048"},
        {"{\"model\":\"m\",\"input\":[1,2]}", ERR_INVALID_FIELD, "array of strings"},
        {"{\"model\":\"m\",\"input\":[[1,2]]}", ERR_INVALID_FIELD, "array of strings"},
        {"{\"model\":\"m\",\"input\":\"\"}", ERR_INVALID_FIELD, "of input is empty"},
        {"{\"model\":\"m\",\"input\":[\"a\",\" \"]}", ERR_INVALID_FIELD, "of input is empty"},
        {"{\"model\":\"m\",\"input\":\"12345678901\"}", ERR_INVALID_FIELD, "longer than 10"},
        {"{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"x\"}", ERR_INVALID_FIELD,
         "encoding_format"},
        {"{\"model\":\"m\",\"input\":\"a\",\"dimensions\":-1}", ERR_INVALID_FIELD, "dimensions"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct json_problem problem;
        struct openai_texts texts;
        err_t got = openai_texts_read(slice_of(cases[i].body), &limits, &arena, &texts, &problem);
        if (got != cases[i].want || !strstr(problem.text, cases[i].problem))
            fail_msg("%s: got %s (%s)", cases[i].body, error_code(got), problem.text);
        arena_free(&arena);
    }
}

static void more_texts_than_a_call_may_have_are_refused(void **state)
{
    struct arena arena = {0};
    struct buffer body = {0};
    struct json_problem problem;
    struct openai_texts texts;
    (void)state;
    buffer_append_text(&body, "{\"model\":\"m\",\"input\":[\"a\"");
    for (size_t i = 1; i < OPENAI_TEXTS_MAX; i++) buffer_append_text(&body, ",\"a\"");
    size_t len = body.len;
    buffer_append_text(&body, "]}");
    assert_int_equal(openai_texts_read(buffer_slice(&body), &limits, &arena, &texts, &problem), OK);
    assert_int_equal(texts.texts.count, OPENAI_TEXTS_MAX);
    body.len = len;
    buffer_append_text(&body, ",\"a\"]}");
    assert_int_equal(openai_texts_read(buffer_slice(&body), &limits, &arena, &texts, &problem),
                     ERR_INVALID_FIELD);
    buffer_free(&body);
    arena_free(&arena);
}

static void texts_come_alone_or_as_an_array_in_either_encoding(void **state)
{
    static const struct {
        const char *body;
        size_t count;
        bool base64;
        uint64_t dimensions;
    } cases[] = {
        {"{\"model\":\"m\",\"input\":\"a\"}", 1, false, 0},
        {"{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\"}", 2, true, 0},
        {"{\"model\":\"m\",\"input\":[\"a\"],\"encoding_format\":\"float\",\"dimensions\":8}", 1,
         false, 8},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct json_problem problem;
        struct openai_texts texts;
        assert_int_equal(
            openai_texts_read(slice_of(cases[i].body), &limits, &arena, &texts, &problem), OK);
        assert_int_equal(texts.texts.count, cases[i].count);
        assert_int_equal(texts.base64, cases[i].base64);
        assert_int_equal(texts.dimensions, cases[i].dimensions);
        const struct embed_text *text = texts.texts.items;
        assert_true(slice_equal(text[0].text, SLICE("a")));
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_question_is_refused_with_its_code_and_reason),
        cmocka_unit_test(what_has_no_meaning_here_is_ignored),
        cmocka_unit_test(the_question_is_the_last_message_and_the_others_are_its_history),
        cmocka_unit_test(a_history_has_the_digest_that_the_store_would_give_it),
        cmocka_unit_test(bad_texts_are_refused_with_their_code_and_reason),
        cmocka_unit_test(more_texts_than_a_call_may_have_are_refused),
        cmocka_unit_test(texts_come_alone_or_as_an_array_in_either_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
