#include "tests/fakes/provider_answer.h"

#include <event2/event.h>

#include "common/clock.h"
#include "common/text.h"
#include "tests/support/scripted_text.h"

#define CUT          (-2)  /* of read(): the connection is closed in the middle */
#define BLOCK_BYTES  16384 /* written ahead where there are no gaps */
#define BIG_TOKEN    ((size_t)1 << 20)
#define BIG_ANSWER   ((uint64_t)100 << 20)
#define FILLER_BYTES ((size_t)64 << 10) /* of a big answer, at a time */

static void note(const struct answer *answer, const char *event)
{
    provider_note(event, answer->facts.id, answer->given, answer->facts.model);
}

/* --- time --- */

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct answer *answer = context;
    (void)fd, (void)what;
    answer->then(answer);
}

/* Due times are counted from one another, so that lateness does not add up. */
static void after_ms(struct answer *answer, uint64_t ms, void (*then)(struct answer *answer))
{
    uint64_t now = clock_ns();
    answer->then = then;
    answer->due_ns += ms * 1000000;
    uint64_t us = answer->due_ns > now ? (answer->due_ns - now) / 1000 : 0;
    struct timeval interval = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
    event_add(answer->timer, &interval);
}

/* --- text --- */

static uint64_t answer_length(const struct answer *answer)
{
    return answer->text.ptr ? text_length(answer->text) : answer->script.length;
}

/* Characters `from` to `to` of the given text. */
static void copy_characters(struct slice text, uint64_t from, uint64_t to, struct buffer *out)
{
    uint32_t c;
    for (uint64_t at = 0; at < to && (c = text_take(&text)); at++)
        if (at >= from) text_append(c, out);
}

static void append_text(const struct answer *answer, uint64_t from, uint64_t to, struct buffer *out)
{
    if (answer->text.ptr)
        copy_characters(answer->text, from, to, out);
    else
        scripted_text(answer->script.seed, from, to, out);
}

static void fill(struct buffer *out, size_t len)
{
    memset(buffer_reserve(out, len), 'x', len);
    out->len += len;
}

static void give(struct answer *answer, struct slice text)
{
    answer->facts.completion_tokens++;
    answer->dialect->text(&answer->facts, text, &answer->out);
}

static void give_filler(struct answer *answer, size_t len)
{
    struct buffer text = {0};
    fill(&text, len);
    give(answer, buffer_slice(&text));
    buffer_free(&text);
}

/* --- what goes wrong in a stream; true: the stream goes on --- */

static bool fault_cut(struct answer *answer)
{
    answer->end = CUT;
    return false;
}

static bool fault_early_end(struct answer *answer)
{
    answer->end = HTTP_STREAM_END;
    return false;
}

static bool fault_stall(struct answer *answer)
{
    (void)answer;
    return false;
}

static bool fault_bad_json(struct answer *answer)
{
    provider_event(answer->script.frame, NULL,
                   SLICE("{\"choices\":[{\"delta\":{\"content\":\"" PROVIDER_SECRET), &answer->out);
    return true;
}

static bool fault_bad_utf8(struct answer *answer)
{
    give(answer, SLICE("\xff\xc3(\xe2\x82"));
    return true;
}

static bool fault_nul(struct answer *answer)
{
    give(answer, (struct slice){"a\0b", 3});
    return true;
}

static bool fault_big_token(struct answer *answer)
{
    give_filler(answer, BIG_TOKEN);
    return true;
}

static bool fault_big_answer(struct answer *answer)
{
    answer->script.length = BIG_ANSWER;
    return true;
}

static bool fault_error_event(struct answer *answer)
{
    answer->dialect->error_event(&answer->facts, &answer->out);
    answer->end = HTTP_STREAM_END;
    return false;
}

/* The stream goes on after its end was told. */
static bool fault_after_end(struct answer *answer)
{
    answer->dialect->close(&answer->facts, &answer->out);
    return true;
}

static const struct fault {
    const char *name;
    bool (*happen)(struct answer *answer);
} faults[] = {
    {"cut", fault_cut},
    {"early_end", fault_early_end},
    {"stall", fault_stall},
    {"bad_json", fault_bad_json},
    {"bad_utf8", fault_bad_utf8},
    {"nul", fault_nul},
    {"big_token", fault_big_token},
    {"big_answer", fault_big_answer},
    {"error_event", fault_error_event},
    {"after_end", fault_after_end},
};

static bool fault_is_due(const struct answer *answer)
{
    uint64_t at = answer->script.at == NEVER ? answer_length(answer) / 2 : answer->script.at;
    return answer->faulty && answer->given >= MIN(at, answer_length(answer));
}

static bool fault_happens(struct answer *answer)
{
    answer->faulty = false;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        if (!strcmp(faults[i].name, answer->script.fault)) return faults[i].happen(answer);
    return true;
}

/* --- a stream --- */

/* A piece ends where something is to happen, so that it happens to the character. */
static uint64_t piece_end(const struct answer *answer)
{
    uint64_t end = MIN(answer->given + answer->script.piece, answer_length(answer));
    uint64_t at = answer->script.at;
    return answer->faulty && at > answer->given ? MIN(end, at) : end;
}

static void give_piece(struct answer *answer)
{
    struct buffer text = {0};
    uint64_t end = piece_end(answer);
    if (answer->script.length == BIG_ANSWER) {
        give_filler(answer, FILLER_BYTES);
        answer->given += FILLER_BYTES;
        return;
    }
    append_text(answer, answer->given, end, &text);
    answer->given = end;
    give(answer, buffer_slice(&text));
    buffer_free(&text);
}

static void open_events(struct answer *answer)
{
    answer->opened = true;
    if (answer->script.frame && !strcmp(answer->script.frame, "bom"))
        buffer_append_text(&answer->out, "\xef\xbb\xbf");
    answer->dialect->open(&answer->facts, &answer->out);
}

/* One step: a fault, a piece or the end. False: no step comes after it. */
static bool step(struct answer *answer)
{
    if (!answer->opened) open_events(answer);
    if (fault_is_due(answer) && !fault_happens(answer)) return false;
    if (answer->given < answer_length(answer)) give_piece(answer);
    if (answer->given < answer_length(answer) || answer->faulty) return true;
    answer->dialect->close(&answer->facts, &answer->out);
    answer->end = HTTP_STREAM_END;
    return false;
}

static bool step_on(struct answer *answer)
{
    answer->over = !step(answer);
    return !answer->over;
}

static void step_in_time(struct answer *answer)
{
    if (step_on(answer) && answer->script.gap_ms)
        after_ms(answer, answer->script.gap_ms, step_in_time);
    http_stream_wake(answer->request);
}

/* Where there are no gaps, what the client takes sets the pace. */
static void write_ahead(struct answer *answer)
{
    answer->out.len = answer->taken = 0;
    if (answer->script.gap_ms || !answer->opened) return;
    while (!answer->over && answer->out.len < BLOCK_BYTES) step_on(answer);
}

static ssize_t on_read(void *context, char *out, size_t max)
{
    struct answer *answer = context;
    if (answer->taken == answer->out.len) write_ahead(answer);
    size_t len = MIN(max, answer->out.len - answer->taken);
    if (!len) return answer->end;
    if (!answer->is_out) note(answer, "first");
    answer->is_out = true;
    memcpy(out, answer->out.data + answer->taken, len);
    answer->taken += len;
    return (ssize_t)len;
}

static void begin_stream(struct answer *answer)
{
    http_stream(answer->request, on_read, answer);
    if (answer->script.first_ms)
        after_ms(answer, answer->script.first_ms, step_in_time);
    else
        step_in_time(answer);
}

/* --- a whole answer --- */

/* What of the faults a whole answer can have; the others are a connection that is closed. */
static void whole_text(struct answer *answer, struct buffer *text)
{
    static const struct {
        const char *fault;
        struct slice bytes;
    } inserts[] = {{"bad_utf8", SLICE("\xff\xc3(\xe2\x82")}, {"nul", {"a\0b", 3}}};
    append_text(answer, 0, answer_length(answer), text);
    for (size_t i = 0; answer->faulty && i < ARRAY_LEN(inserts); i++)
        if (!strcmp(inserts[i].fault, answer->script.fault))
            buffer_append_slice(text, inserts[i].bytes);
    if (answer->faulty && !strcmp(answer->script.fault, "big_answer")) fill(text, BIG_ANSWER);
    if (answer->faulty && !strcmp(answer->script.fault, "big_token")) fill(text, BIG_TOKEN);
}

static bool fault_is(const struct answer *answer, const char *name)
{
    return answer->faulty && !strcmp(answer->script.fault, name);
}

static void give_whole(struct answer *answer)
{
    struct buffer text = {0};
    const struct provider_script *script = &answer->script;
    answer->given = answer_length(answer);
    answer->facts.completion_tokens = (answer->given + script->piece - 1) / script->piece;
    whole_text(answer, &text);
    answer->dialect->whole(&answer->facts, buffer_slice(&text), &answer->out);
    if (fault_is(answer, "bad_json") || fault_is(answer, "early_end")) answer->out.len /= 2;
    buffer_free(&text);
    if (fault_is(answer, "stall")) return;
    note(answer, "first");
    if (fault_is(answer, "cut")) {
        answer->end = CUT;
        answer->over = answer->is_out = true;
        answer->out.len /= 2;
        http_stream(answer->request, on_read, answer);
    } else
        http_reply(answer->request, 200, "application/json", &answer->out);
}

static void begin_whole(struct answer *answer)
{
    const struct provider_script *script = &answer->script;
    uint64_t gaps = (answer_length(answer) + script->piece - 1) / script->piece;
    uint64_t ms = script->first_ms + script->gap_ms * gaps;
    if (ms)
        after_ms(answer, ms, give_whole);
    else
        give_whole(answer);
}

/* --- from start to end --- */

static void on_end(void *context, enum http_end end)
{
    struct answer *answer = context;
    note(answer, end == HTTP_SENT ? "done" : answer->end == CUT ? "cut" : "closed");
    event_free(answer->timer);
    buffer_free(&answer->out);
}

static void begin(struct answer *answer)
{
    if (fault_is(answer, "slow_head")) return; /* and nothing ever follows */
    if (answer->streams)
        begin_stream(answer);
    else
        begin_whole(answer);
}

void answer_start(struct answer *answer)
{
    answer->timer = evtimer_new(answer->base, on_timer, answer);
    answer->due_ns = clock_ns();
    note(answer, "begin");
    http_on_end(answer->request, on_end, answer);
    if (answer->script.head_ms)
        after_ms(answer, answer->script.head_ms, begin);
    else
        begin(answer);
}
