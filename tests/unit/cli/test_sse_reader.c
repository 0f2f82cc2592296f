#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deploy/cli/sse.h"

static void on_data(void *context, struct slice data)
{
    struct buffer *seen = context;
    buffer_append_slice(seen, data);
    buffer_append_char(seen, '|');
}

static const struct {
    const char *label;
    struct slice stream;
    const char *want; /* the events' data, each followed by a bar */
} cases[] = {
    {"one event", SLICE("data: a\n\n"), "a|"},
    {"no space after the colon", SLICE("data:a\n\n"), "a|"},
    {"only the first space belongs to the field", SLICE("data:  a\n\n"), " a|"},
    {"CR LF", SLICE("data: a\r\n\r\n"), "a|"},
    {"data of several lines", SLICE("data: a\ndata: b\n\n"), "a\nb|"},
    {"comments and other fields", SLICE(": keepalive\n\nid: 7\nevent: x\ndata: a\n\n"), "a|"},
    {"an unfinished event is no event", SLICE("data: a\n\ndata: b\n"), "a|"},
    {"blank lines alone", SLICE("\n\n\n"), ""},
    {"a field that begins alike", SLICE("database: a\n\n"), ""},
};

static void a_stream_gives_the_same_events_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece <= cases[i].stream.len; piece++) {
            struct buffer seen = {0};
            struct sse_reader reader = {.on_data = on_data, .context = &seen};
            for (size_t at = 0; at < cases[i].stream.len; at += piece)
                sse_feed(&reader, (struct slice){cases[i].stream.ptr + at,
                                                 MIN(piece, cases[i].stream.len - at)});
            if (!slice_equal(buffer_slice(&seen), slice_of(cases[i].want)))
                fail_msg("%s in pieces of %zu: %.*s", cases[i].label, piece, (int)seen.len,
                         seen.len ? seen.data : "");
            sse_free(&reader);
            buffer_free(&seen);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_gives_the_same_events_however_it_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
