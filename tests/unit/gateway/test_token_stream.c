/* Text is placed once and in order, whatever the transport does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/token_stream.h"

static int setup(void **state)
{
    static struct token_stream stream;
    stream = (struct token_stream){.bytes_max = 100};
    token_stream_begin(&stream, 1);
    *state = &stream;
    return 0;
}

static int tear_down(void **state)
{
    token_stream_free(*state);
    return 0;
}

#define PUT(attempt, seq, at, text, now) \
    token_stream_put(stream, attempt, seq, at, slice_of(text), now)

static void assert_answer(const struct token_stream *stream, const char *want)
{
    assert_true(slice_equal(buffer_slice(&stream->answer), slice_of(want)));
}

static void stream_places_tokens_in_order(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 0, "one ", 10), TOKEN_PLACED);
    assert_int_equal(PUT(1, 2, 4, "two", 11), TOKEN_PLACED);
    assert_answer(stream, "one two");
    assert_false(token_stream_complete(stream));
    token_stream_count(stream, 2, 12);
    assert_true(token_stream_complete(stream));
}

static void stream_is_not_complete_when_done_overtakes_its_tokens(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 0, "a", 10), TOKEN_PLACED);
    token_stream_count(stream, 3, 11);
    assert_false(token_stream_complete(stream));
    assert_int_equal(PUT(1, 2, 1, "b", 12), TOKEN_PLACED);
    assert_int_equal(PUT(1, 3, 2, "c", 13), TOKEN_PLACED);
    assert_true(token_stream_complete(stream));
    assert_answer(stream, "abc");
}

static void stream_drops_repeated_and_stale_tokens(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 0, "a", 10), TOKEN_PLACED);
    assert_int_equal(PUT(1, 1, 0, "a", 11), TOKEN_REPEATED);
    assert_int_equal(PUT(2, 2, 1, "x", 12), TOKEN_STALE);
    assert_int_equal(PUT(0, 2, 1, "x", 12), TOKEN_STALE);
    assert_answer(stream, "a");
}

static void stream_asks_for_a_replay_when_a_gap_stays_open(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 0, "a", 100), TOKEN_PLACED);
    assert_int_equal(token_stream_gap(stream, 100), GAP_NONE);
    assert_int_equal(PUT(1, 3, 2, "c", 101), TOKEN_EARLY);
    assert_int_equal(token_stream_gap(stream, 101 + TOKEN_GAP_MS - 1), GAP_WAIT);
    assert_int_equal(token_stream_gap(stream, 101 + TOKEN_GAP_MS), GAP_REPLAY);
    assert_int_equal(token_stream_gap(stream, 102 + TOKEN_GAP_MS), GAP_WAIT);
    assert_int_equal(stream->next, 2);
    assert_int_equal(PUT(1, 2, 1, "b", 150), TOKEN_PLACED);
    assert_int_equal(PUT(1, 3, 2, "c", 150), TOKEN_PLACED);
    assert_int_equal(token_stream_gap(stream, 1000), GAP_NONE);
    assert_answer(stream, "abc");
}

static void stream_gives_up_on_a_gap_that_nobody_fills(void **state)
{
    struct token_stream *stream = *state;
    token_stream_sent(stream, 1, 2, 100);
    assert_int_equal(token_stream_gap(stream, 100 + TOKEN_GAP_MS), GAP_REPLAY);
    assert_int_equal(token_stream_gap(stream, 100 + TOKEN_GAP_MS + TOKEN_REPLAY_MS), GAP_REPLAY);
    assert_int_equal(token_stream_gap(stream, 100 + TOKEN_UNFILLED_MS), GAP_UNFILLED);
}

static void stream_sees_a_lost_tail_by_the_heartbeat(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 0, "a", 100), TOKEN_PLACED);
    token_stream_sent(stream, 1, 1, 200);
    assert_int_equal(token_stream_gap(stream, 300), GAP_NONE);
    token_stream_sent(stream, 1, 2, 300);
    assert_int_equal(token_stream_gap(stream, 300 + TOKEN_GAP_MS), GAP_REPLAY);
    token_stream_sent(stream, 2, 9, 300); /* of another attempt */
    assert_int_equal(stream->seen, 2);
}

static void stream_hands_out_only_what_follows_when_text_is_regenerated(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 0, "The mill ", 10), TOKEN_PLACED);
    token_stream_begin(stream, 2);
    assert_int_equal(PUT(2, 1, 0, "The ", 20), TOKEN_PLACED);
    assert_answer(stream, "The mill ");
    assert_true(token_stream_short(stream));
    assert_int_equal(PUT(2, 2, 4, "mill turns", 21), TOKEN_PLACED);
    assert_answer(stream, "The mill turns");
    assert_false(token_stream_short(stream));
}

static void stream_refuses_regenerated_text_that_differs(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 0, "The mill ", 10), TOKEN_PLACED);
    token_stream_begin(stream, 2);
    assert_int_equal(PUT(2, 1, 0, "The wheel", 20), TOKEN_DIFFERS);
    assert_answer(stream, "The mill ");
}

static void stream_begins_anew_when_nobody_has_seen_it(void **state)
{
    struct token_stream *stream = *state;
    stream->tentative = true;
    assert_int_equal(PUT(1, 1, 0, "The mill ", 10), TOKEN_PLACED);
    token_stream_begin(stream, 2);
    assert_int_equal(PUT(2, 1, 0, "A ", 20), TOKEN_RESTARTED);
    assert_int_equal(PUT(2, 2, 2, "wheel", 21), TOKEN_PLACED);
    assert_answer(stream, "A wheel");
    assert_false(token_stream_short(stream));
}

static void stream_continues_behind_its_prefix(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 0, "The mill ", 10), TOKEN_PLACED);
    token_stream_begin(stream, 2);
    assert_int_equal(PUT(2, 1, 9, "turns", 20), TOKEN_PLACED);
    assert_answer(stream, "The mill turns");
}

static void stream_refuses_offsets_that_leave_a_hole(void **state)
{
    struct token_stream *stream = *state;
    assert_int_equal(PUT(1, 1, 5, "x", 10), TOKEN_MISPLACED);
    assert_int_equal(PUT(1, 1, 0, "ab", 10), TOKEN_PLACED);
    assert_int_equal(PUT(1, 2, 1, "x", 10), TOKEN_MISPLACED);
    assert_int_equal(PUT(1, 2, 3, "x", 10), TOKEN_MISPLACED);
}

static void stream_refuses_an_answer_past_its_limit(void **state)
{
    struct token_stream *stream = *state;
    char text[102];
    memset(text, 'x', sizeof(text) - 1);
    text[101] = '\0';
    assert_int_equal(PUT(1, 1, 0, text, 10), TOKEN_TOO_LARGE);
    assert_int_equal(stream->answer.len, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(stream_places_tokens_in_order),
        CASE(stream_is_not_complete_when_done_overtakes_its_tokens),
        CASE(stream_drops_repeated_and_stale_tokens),
        CASE(stream_asks_for_a_replay_when_a_gap_stays_open),
        CASE(stream_gives_up_on_a_gap_that_nobody_fills),
        CASE(stream_sees_a_lost_tail_by_the_heartbeat),
        CASE(stream_hands_out_only_what_follows_when_text_is_regenerated),
        CASE(stream_refuses_regenerated_text_that_differs),
        CASE(stream_begins_anew_when_nobody_has_seen_it),
        CASE(stream_continues_behind_its_prefix),
        CASE(stream_refuses_offsets_that_leave_a_hole),
        CASE(stream_refuses_an_answer_past_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
