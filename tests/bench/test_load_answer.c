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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_judged_by_what_arrived),
        cmocka_unit_test(a_stream_tells_its_tokens_and_whether_it_was_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
