/* The load's verdict on an answer: what it counts must be whole, and fed byte by byte it must say
 * the same as fed at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/load_answer.h"

#define OK_EVENTS                                            \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" \
    "Transfer-Encoding: chunked\r\n\r\n"
#define TOKEN   "2a\r\ndata: {\"type\":\"token\",\"content\":\"Hello\"}\n\n\r\n"
#define NO_TEXT "25\r\ndata: {\"type\":\"token\",\"content\":\"\"}\n\n\r\n"
#define DONE       \
    "4c\r\ndata: " \
    "{\"type\":\"done\",\"cached\":false,\"message_id\":7,\"finish_reason\":\"stop\"}\n\n\r\n"
#define LAST  "0\r\n\r\n"
#define ERROR "25\r\ndata: {\"type\":\"error\",\"code\":\"x\"}  \n\n\r\n"
#define JSON(length, body) \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n\r\n" body

#define CHUNK(content) "data: {\"choices\":[{\"delta\":{\"content\":\"" content "\"}}]}\n\n"
#define ROLE           "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
#define STOP           "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define PLAIN_EVENTS   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "

static const struct {
    const char *situation, *bytes, *want;
} cases[] = {
    {"a whole stream", OK_EVENTS TOKEN TOKEN DONE LAST, NULL},
    {"a stream without its end", OK_EVENTS TOKEN DONE, "cut short"},
    {"a stream without done", OK_EVENTS TOKEN LAST, "no end of the answer"},
    {"a stream without tokens", OK_EVENTS DONE LAST, "no text"},
    {"a stream of empty tokens", OK_EVENTS NO_TEXT DONE LAST, "no text"},
    {"a stream that ends in an error", OK_EVENTS TOKEN ERROR LAST, "an error event"},
    {"bytes after the end", OK_EVENTS TOKEN DONE LAST "x", "broken HTTP"},
    {"a whole answer", JSON("42", "{\"answer\":\"Hello\",\"finish_reason\":\"stop\"} "), NULL},
    {"an empty answer", JSON("36", "{\"answer\":\"\",\"finish_reason\":\"stop\"}"), "no text"},
    {"an answer cut short", JSON("90", "{\"answer\":\"Hello\",\"finish_reason\":\"stop\"}"),
     "cut short"},
    {"an answer without its end", JSON("19", "{\"answer\":\"Hello\"} "), "no end of the answer"},
    {"a chat completion",
     JSON("71",
          "{\"choices\":[{\"message\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}   "),
     NULL},
    {"an empty chat completion",
     JSON("63", "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}"),
     "no text"},
    {"a chat completion's stream",
     PLAIN_EVENTS "185\r\n\r\n" ROLE CHUNK("Hel") STOP "data: [DONE]\n\n", NULL},
    {"a chat completion's stream without its last line",
     PLAIN_EVENTS "171\r\n\r\n" ROLE CHUNK("Hel") STOP, "no end of the answer"},
    {"a chat completion's stream without a reason for its end",
     PLAIN_EVENTS "128\r\n\r\n" ROLE CHUNK("Hel") "data: [DONE]\n\n", "no end of the answer"},
    {"a refusal", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "status 503"},
    {"another protocol", "SSH-2.0-x\r\n", "broken HTTP"},
};

static void check(const char *situation, const struct answer *answer, const char *want)
{
    const char *got = answer_fault(answer, false);
    if ((got && want) ? strcmp(got, want) : got != want)
        fail_msg("%s: got %s, want %s", situation, got ? got : "whole", want ? want : "whole");
}

static void an_answer_is_judged_by_what_arrived(void **state)
{
    (void)state;
    struct answer answer = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = strlen(cases[i].bytes);
        answer_reset(&answer);
        answer_feed(&answer, cases[i].bytes, len);
        check(cases[i].situation, &answer, cases[i].want);
        answer_reset(&answer);
        for (size_t at = 0; at < len; at++) answer_feed(&answer, cases[i].bytes + at, 1);
        check(cases[i].situation, &answer, cases[i].want);
    }
    answer_free(&answer);
}

static void a_stream_tells_its_tokens_and_whether_it_was_recorded(void **state)
{
    (void)state;
    struct answer answer = {0};
    answer_feed(&answer, SLICE(OK_EVENTS TOKEN TOKEN DONE LAST).ptr,
                SLICE(OK_EVENTS TOKEN TOKEN DONE LAST).len);
    assert_int_equal(answer.tokens, 2);
    assert_true(answer.recorded);
    assert_false(answer.cached);
    answer_free(&answer);
}

#define EVENT(content) "data: {\"type\":\"token\",\"content\":\"" content "\"}\n\n"
#define EVENTS         "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n"

static void text_is_compared_with_what_was_wanted(void **state)
{
    static const struct {
        const char *events, *want;
        size_t told;
        bool differs;
    } texts[] = {
        {EVENT("one ") EVENT("two"), "one two", 7, false},
        {EVENT("one ") EVENT("two"), "one two three", 7, false}, /* not all of it yet */
        {EVENT("two") EVENT("one "), "one two", 7, true},
        {EVENT("one ") EVENT("one ") EVENT("two"), "one two", 11, true},
        {EVENT("one ") EVENT("two"), "one", 7, true},
        {EVENT("a \\\"b\\\" \\\\ c\\n"), "a \"b\" \\ c\n", 10, false},
        {EVENT("\\u00e9 \\u20ac \\ud83d\\ude00"), "é € 😀", 11, false},
        {CHUNK("one ") CHUNK("two"), "one two", 7, false},
        {CHUNK("two") CHUNK("one "), "one two", 7, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct answer answer = {.want = slice_of(texts[i].want)};
        answer_feed(&answer, EVENTS, strlen(EVENTS));
        answer_feed(&answer, texts[i].events, strlen(texts[i].events));
        assert_int_equal(answer.told, texts[i].told);
        assert_int_equal(answer.differs, texts[i].differs);
        answer_free(&answer);
    }
}

static void an_answer_with_another_text_does_not_count(void **state)
{
    static const struct {
        const char *want, *fault;
    } texts[] = {{"HelloHello", NULL},
                 {"HelloHello!", "text is missing"},
                 {"Hello", "another text, or another order"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct slice bytes = SLICE(OK_EVENTS TOKEN TOKEN DONE LAST);
        struct answer answer = {.want = slice_of(texts[i].want)};
        answer_feed(&answer, bytes.ptr, bytes.len);
        check(texts[i].want, &answer, texts[i].fault);
        answer_free(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_judged_by_what_arrived),
        cmocka_unit_test(a_stream_tells_its_tokens_and_whether_it_was_recorded),
        cmocka_unit_test(text_is_compared_with_what_was_wanted),
        cmocka_unit_test(an_answer_with_another_text_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
