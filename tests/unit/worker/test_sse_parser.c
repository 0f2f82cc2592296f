/* Server-sent events, wherever the bytes are cut. Events are written down as "name|data;". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "workers/sse_parser.h"

#define EVENT_BYTES_MAX 64

static const struct stream {
    const char *what;
    struct slice bytes;
    const char *want;
    err_t error;
} streams[] = {
    {"nothing", SLICE(""), ""},
    {"LF", SLICE("data: a\n\ndata: b\n\n"), "|a;|b;"},
    {"CR", SLICE("data: a\r\rdata: b\r\r"), "|a;|b;"},
    {"CRLF", SLICE("data: a\r\n\r\ndata: b\r\n\r\n"), "|a;|b;"},
    {"mixed line ends", SLICE("data: a\r\n\ndata: b\n\rdata: c\r\r\n"), "|a;|b;|c;"},
    {"no space", SLICE("data:a\n\n"), "|a;"},
    {"two spaces", SLICE("data:  a\n\n"), "| a;"},
    {"several data lines", SLICE("data: a\ndata: b\ndata:\ndata: c\n\n"), "|a\nb\n\nc;"},
    {"several data lines, CRLF", SLICE("data: a\r\ndata: b\r\n\r\n"), "|a\nb;"},
    {"empty data", SLICE("data\n\ndata:\n\n"), "|;|;"},
    {"empty first line of data", SLICE("data:\ndata: a\n\n"), "|\na;"},
    {"name before data", SLICE("event: delta\ndata: a\n\ndata: b\n\n"), "delta|a;|b;"},
    {"name after data", SLICE("data: a\nevent:stop\n\n"), "stop|a;"},
    {"the last name counts", SLICE("event: x\nevent: yy\ndata: a\n\n"), "yy|a;"},
    {"name without data", SLICE("event: ping\n\ndata: a\n\n"), "|a;"},
    {"comments", SLICE(": hello\n\n:\ndata: a\n: between\ndata: b\n\n: end\n\n"), "|a\nb;"},
    {"other fields", SLICE("id: 7\nretry: 10\nx\ndata: a\ndatum: no\nDATA: no\n\n"), "|a;"},
    {"byte-order mark",
     SLICE("\xef\xbb\xbf"
           "data: a\n\n\xef\xbb\xbf"
           "data: b\n\n"),
     "|a;"},
    {"blank lines", SLICE("\n\r\n\rdata: a\n\n\n\n"), "|a;"},
    {"colons in data", SLICE("data: a:b: c\n\n"), "|a:b: c;"},
    {"NUL and bytes that are no UTF-8", SLICE("data: a\0b\xff\n\n"), "|a\0b\xff;"},
    {"no blank line at the end", SLICE("data: a\n\ndata: b\n"), "|a;"},
    {"no line end at the end", SLICE("data: a\n\nda"), "|a;"},
    {"only a name at the end", SLICE("data: a\n\nevent: b\n"), "|a;"},
    {"only a comment at the end", SLICE("data: a\n\n: b\n"), "|a;"},
    {"as large as allowed",
     SLICE("data: 23456789 123456789 123456789 123456789 123456789 123456789\n\n"),
     "|23456789 123456789 123456789 123456789 123456789 123456789;"},
    {"a line too large",
     SLICE("data: a\n\ndata: 23456789 123456789 123456789 123456789 123456789 1234567890\n\n"),
     "|a;", ERR_PROVIDER_BAD_RESPONSE},
    {"too large in several lines",
     SLICE("data: 3456789 123456789 123456789\ndata: 3456789 123456789 123456789 1234567\n\n"), "",
     ERR_PROVIDER_BAD_RESPONSE},
    {"a line too large that never ends",
     SLICE("data: 23456789 123456789 123456789 123456789 123456789 1234567890"), "",
     ERR_PROVIDER_BAD_RESPONSE},
};

/* Feeds one piece, from memory that is overwritten afterwards: nothing may point to it still. */
static void feed(struct sse_parser *parser, struct slice piece, struct buffer *got)
{
    char *copy = xmalloc(piece.len);
    struct slice bytes = {copy, piece.len};
    struct sse_event event;
    if (piece.len) memcpy(copy, piece.ptr, piece.len);
    while (sse_parser_next(parser, &bytes, &event)) {
        buffer_append_slice(got, event.name);
        buffer_append_char(got, '|');
        buffer_append_slice(got, event.data);
        buffer_append_char(got, ';');
    }
    if (!sse_parser_error(parser)) assert_int_equal(bytes.len, 0);
    memset(copy, '#', piece.len);
    free(copy);
}

static void check(const struct stream *stream, struct sse_parser *parser, struct buffer *got)
{
    size_t want_len = strlen(stream->want);
    if (strstr(stream->what, "NUL")) want_len = sizeof("|a\0b\xff;") - 1;
    if (got->len != want_len || memcmp(got->data, stream->want, got->len))
        fail_msg("%s: got %.*s", stream->what, (int)got->len, got->data ? got->data : "");
    assert_int_equal(sse_parser_error(parser), stream->error);
    buffer_free(got);
    sse_parser_destroy(&parser);
}

static void cut_at(const struct stream *stream, size_t first, size_t second)
{
    struct sse_parser *parser = sse_parser_new(EVENT_BYTES_MAX);
    struct buffer got = {0};
    feed(parser, (struct slice){stream->bytes.ptr, first}, &got);
    feed(parser, (struct slice){stream->bytes.ptr + first, second - first}, &got);
    feed(parser, (struct slice){stream->bytes.ptr + second, stream->bytes.len - second}, &got);
    if (!got.data) buffer_reserve(&got, 1);
    check(stream, parser, &got);
}

static void events_are_the_same_wherever_the_stream_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        for (size_t second = 0; second <= streams[i].bytes.len; second++)
            for (size_t first = 0; first <= second; first++) cut_at(&streams[i], first, second);
}

static void events_are_the_same_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct sse_parser *parser = sse_parser_new(EVENT_BYTES_MAX);
        struct buffer got = {0};
        buffer_reserve(&got, 1);
        for (size_t at = 0; at < streams[i].bytes.len; at++)
            feed(parser, (struct slice){streams[i].bytes.ptr + at, 1}, &got);
        check(&streams[i], parser, &got);
    }
}

static void event_comes_with_its_blank_line_though_its_line_end_is_unfinished(void **state)
{
    struct sse_parser *parser = sse_parser_new(EVENT_BYTES_MAX);
    struct slice bytes = SLICE("data: a\r\n\r");
    struct sse_event event;
    (void)state;
    assert_true(sse_parser_next(parser, &bytes, &event));
    assert_true(slice_equal(event.data, SLICE("a")));
    bytes = SLICE("\ndata: b\r\r");
    assert_true(sse_parser_next(parser, &bytes, &event));
    assert_true(slice_equal(event.data, SLICE("b")));
    sse_parser_destroy(&parser);
}

static void event_that_lies_whole_in_the_input_is_not_copied(void **state)
{
    struct sse_parser *parser = sse_parser_new(EVENT_BYTES_MAX);
    static const char input[] = "event: x\ndata: abc\n\n";
    struct slice bytes = slice_of(input);
    struct sse_event event;
    (void)state;
    assert_true(sse_parser_next(parser, &bytes, &event));
    assert_ptr_equal(event.name.ptr, input + 7);
    assert_ptr_equal(event.data.ptr, input + 15);
    sse_parser_destroy(&parser);
}

static void nothing_is_read_after_an_error(void **state)
{
    struct sse_parser *parser = sse_parser_new(8);
    struct slice bytes = SLICE("data: 0123456789\n\n");
    struct sse_event event;
    (void)state;
    assert_false(sse_parser_next(parser, &bytes, &event));
    assert_int_equal(sse_parser_error(parser), ERR_PROVIDER_BAD_RESPONSE);
    bytes = SLICE("data\n\n");
    assert_false(sse_parser_next(parser, &bytes, &event));
    sse_parser_destroy(&parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_the_same_wherever_the_stream_is_cut),
        cmocka_unit_test(events_are_the_same_byte_by_byte),
        cmocka_unit_test(event_comes_with_its_blank_line_though_its_line_end_is_unfinished),
        cmocka_unit_test(event_that_lies_whole_in_the_input_is_not_copied),
        cmocka_unit_test(nothing_is_read_after_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
