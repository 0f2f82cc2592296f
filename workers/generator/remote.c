/* The provider that asks a model over HTTP. An answer's states, and what moves it on:
 *
 *   start ─▶ ASKING ──────── text ────────▶ STREAMING ── window closes ──▶ PAUSED
 *             ▲  │                           │  │   ▲                        │
 *    timer    │  │ failed, may be            │  │   └──── window opens ──────┘
 *             │  ▼ asked again               │  │ terminator, text left
 *            RESTING                         │  └──────────────▶ GIVING
 *                                 terminator │                     │ all given
 *                                            ▼                     │
 *                    response ends ◀─ DRAINING ◀───────────────────┘
 *
 * A failure in ASKING that may not be asked again, or in STREAMING or PAUSED, ends the answer and
 * the call. DRAINING has no answer any more: the response ends by itself, within a second, so that
 * its connection can be used again. The only mover is answer_enter. */
#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/hash.h"
#include "workers/generator/health.h"
#include "workers/generator/incoming.h"
#include "workers/generator/provider.h"
#include "workers/generator/remote_call.h"
#include "workers/provider_status.h"

enum {
    BACK_OFF_MS = 250,            /* before the first retry; doubled for each one after */
    DRAIN_MS = 1000,              /* from the terminator to the response's end */
    DRAIN_BYTES_MAX = 64 << 10,   /* of a response that nobody reads */
    PAUSE_BLAME_MS = 1000,        /* see gone_while_paused */
    EVENT_BYTES_SPARE = 64 << 10, /* of an event, around its text */
    ESCAPED_BYTES_MAX = 6,        /* of a byte of text in JSON */
    BYTES_A_TOKEN = 4,            /* an estimate */
};

enum remote_state { ASKING, RESTING, STREAMING, PAUSED, GIVING, DRAINING, STATES };

/* Which states may follow, a bit each. */
static const unsigned moves[STATES] = {
    [ASKING] = 1u << RESTING | 1u << STREAMING | 1u << DRAINING,
    [RESTING] = 1u << ASKING,
    [STREAMING] = 1u << PAUSED | 1u << GIVING | 1u << DRAINING,
    [PAUSED] = 1u << STREAMING,
    [GIVING] = 1u << DRAINING,
};

struct remote {
    struct worker *worker;
    const struct settings *settings;
    struct http_client *http;
    struct health *health;
    struct buffer scratch; /* text of the event being read */
    uint64_t random;
    LIST_HEAD(, remote_answer) answers;
};

struct remote_answer {
    struct remote *remote;
    struct generation *generation; /* NULL in DRAINING */
    const struct dialect *dialect;
    enum remote_state state;
    struct http_call *call;
    struct event *timer;
    struct prompt prompt;
    bool continuing; /* how it is asked, and what is not */
    unsigned left_out;
    uint64_t retries;
    /* of the call */
    int status;
    uint64_t retry_after_ms;
    struct sse_parser *parser;
    struct dialect_reply reply;
    bool event_read;
    size_t unread; /* bytes passed over */
    /* of the text */
    struct incoming incoming;
    uint64_t text_ms, paused_ms, pause_began_ms, resumed_ms;
    LIST_ENTRY(remote_answer) link;
};

static void ask(struct remote_answer *answer);

/* --- states --- */

static void timer_set(struct remote_answer *answer, uint64_t ms)
{
    struct timeval after = clock_timeval_ms(ms);
    event_add(answer->timer, &after);
}

static void answer_enter(struct remote_answer *answer, enum remote_state state, uint64_t timer_ms)
{
    assert(moves[answer->state] & 1u << state);
    answer->state = state;
    if (timer_ms)
        timer_set(answer, timer_ms);
    else
        event_del(answer->timer);
}

static void call_drop(struct remote_answer *answer)
{
    if (answer->call) http_call_cancel(&answer->call);
    sse_parser_destroy(&answer->parser);
}

static void answer_free(struct remote_answer *answer)
{
    call_drop(answer);
    LIST_REMOVE(answer, link);
    event_free(answer->timer);
    incoming_free(&answer->incoming);
    free(answer);
}

static const struct target *target_of(const struct remote_answer *answer)
{
    return generation_target(answer->generation);
}

/* --- usage --- */

/* What the provider told; where it did not, an estimate. A stream that was broken off may have told
 * a first, low count. */
static void settle_usage(struct remote_answer *answer)
{
    const struct usage *told = &answer->reply.usage;
    uint64_t written = (answer->incoming.bytes + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN;
    bool whole = answer->reply.ended && told->completion_tokens;
    bool charged = answer->call || answer->status == 200;
    struct usage *usage = &answer->generation->usage;
    usage->prompt_tokens = told->prompt_tokens ? told->prompt_tokens
                           : charged           ? answer->prompt.tokens
                                               : 0;
    usage->completion_tokens =
        whole ? told->completion_tokens : MAX(told->completion_tokens, written);
    if (answer->reply.ended && (!told->prompt_tokens || !told->completion_tokens))
        worker_count(answer->remote->worker, "usage_estimated", 1);
}

/* --- an answer ends --- */

/* Nobody is asked again: the conversation, which may be long, is not needed any more. */
static void forget_history(struct remote_answer *answer)
{
    struct generation *generation = answer->generation;
    generation->history = (struct history){0};
    answer->prompt.messages = NULL;
    answer->prompt.count = 0;
    job_set_frame(generation->job, JOB_HISTORY, (struct slice){0});
}

/* The first text comes now, or the end without any. */
static void begin(struct remote_answer *answer)
{
    if (answer->generation->begun) return;
    if (answer->continuing) generation_continue(answer->generation);
    forget_history(answer);
}

static void answer_fail(struct remote_answer *answer, err_t error)
{
    struct generation *generation = answer->generation;
    settle_usage(answer);
    answer_free(answer);
    generation_fail(&generation, error); /* which may start another */
}

static void answer_done(struct remote_answer *answer)
{
    const char *reason = answer->reply.finish_reason;
    health_set_left_out(answer->remote->health, target_of(answer), answer->left_out);
    begin(answer);
    settle_usage(answer);
    answer_enter(answer, DRAINING, DRAIN_MS);
    generation_done(&answer->generation, reason ? reason : "stop");
    if (!answer->call) answer_free(answer);
}

/* --- asking again --- */

/* Between half of it and the whole. */
static uint64_t jittered(struct remote *remote, uint64_t ms)
{
    remote->random = hash_mix(remote->random + UINT64_C(0x9e3779b97f4a7c15));
    return ms - remote->random % (ms / 2 + 1);
}

/* No wait that is longer than one for a first token may be, none past the job's deadline, none
 * that the breaker outlasts. */
static bool may_wait(const struct remote_answer *answer, uint64_t ms)
{
    return ms <= answer->remote->settings->provider_first_token_timeout_ms &&
           ms >= health_wait_ms(answer->remote->health, target_of(answer)) &&
           clock_ms() + ms < job_deadline_ms(answer->generation->job);
}

/* The call was in vain and another follows. */
static void call_over(struct remote_answer *answer)
{
    settle_usage(answer);
    generation_retry(answer->generation);
    call_drop(answer);
    answer->status = 0;
    answer->reply.usage = (struct usage){0};
}

static bool rest(struct remote_answer *answer)
{
    struct remote *remote = answer->remote;
    uint64_t ms = jittered(remote, (uint64_t)BACK_OFF_MS << answer->retries);
    if (answer->retry_after_ms) ms += answer->retry_after_ms;
    if (answer->retries == remote->settings->provider_retries_max || !may_wait(answer, ms))
        return false;
    answer->retries++;
    worker_count(remote->worker, "retry", 1);
    call_over(answer);
    answer_enter(answer, RESTING, ms);
    return true;
}

/* A refused request goes again without what some servers and models refuse, a thing at a time. */
static bool ask_for_less(struct remote_answer *answer)
{
    if (!answer->continuing && answer->left_out == answer->dialect->left_out_most) return false;
    if (!answer->continuing) answer->left_out++;
    answer->continuing = false;
    call_over(answer);
    ask(answer);
    return true;
}

static void call_failed(struct remote_answer *answer, err_t error)
{
    if (answer->state != ASKING) return answer_fail(answer, error);
    health_outcome(answer->remote->health, target_of(answer), error);
    if (error == ERR_PROVIDER_REFUSED && ask_for_less(answer)) return;
    if (provider_failure_passes(error) && rest(answer)) return;
    answer_fail(answer, error);
}

/* --- text goes on --- */

/* Gives what there is. False when the window is full. */
static bool give(struct remote_answer *answer)
{
    struct slice piece;
    bool room = true;
    while (room && incoming_next(&answer->incoming, &piece)) {
        begin(answer);
        room = generation_text(answer->generation, piece);
    }
    return room;
}

/* The stream's terminator has come. */
static void finish(struct remote_answer *answer)
{
    if (incoming_is_empty(&answer->incoming))
        answer_done(answer);
    else if (answer->state != GIVING)
        answer_enter(answer, GIVING, 0);
}

static void pause_call(struct remote_answer *answer)
{
    answer->pause_began_ms = clock_ms();
    answer_enter(answer, PAUSED, 0);
}

static void resume_call(struct remote_answer *answer)
{
    uint64_t now_ms = clock_ms();
    answer->paused_ms += now_ms - answer->pause_began_ms;
    answer->text_ms = answer->resumed_ms = now_ms;
    answer_enter(answer, STREAMING, answer->remote->settings->provider_token_timeout_ms);
    http_call_resume(answer->call);
}

/* Nothing tells that a provider went while we did not read. But it is found at once when we read
 * again; one that went while we read is found then, and only seldom just after a pause. */
static bool gone_while_paused(const struct remote_answer *answer)
{
    return answer->paused_ms >= PAUSE_BLAME_MS && clock_ms() - answer->resumed_ms <= PAUSE_BLAME_MS;
}

/* --- what comes --- */

/* More text has come, or the end. */
static void note_text(struct remote_answer *answer)
{
    answer->text_ms = clock_ms();
    if (answer->state != ASKING) return;
    health_outcome(answer->remote->health, target_of(answer), OK);
    answer_enter(answer, STREAMING, answer->remote->settings->provider_token_timeout_ms);
}

static bool is_too_large(const struct remote_answer *answer)
{
    size_t before = answer->continuing ? answer->generation->prefix.len : 0;
    return before + answer->incoming.bytes > answer->remote->settings->answer_bytes_max;
}

static err_t take_text(struct remote_answer *answer)
{
    struct remote *remote = answer->remote;
    size_t before = answer->incoming.bytes;
    size_t repaired =
        incoming_add(&answer->incoming, buffer_slice(&remote->scratch), answer->reply.ended);
    remote->scratch.len = 0;
    if (repaired) worker_count(remote->worker, "provider_utf8_repaired", repaired);
    if (answer->incoming.bytes > before || answer->reply.ended) note_text(answer);
    return is_too_large(answer) ? ERR_ANSWER_TOO_LARGE : OK;
}

static err_t read_events(struct remote_answer *answer, struct slice bytes)
{
    struct sse_event event;
    err_t error = OK;
    while (!error && !answer->reply.ended && sse_parser_next(answer->parser, &bytes, &event)) {
        answer->event_read = true;
        error = answer->dialect->read(event.data, &answer->reply);
        if (!error) error = take_text(answer);
    }
    answer->remote->scratch.len = 0;
    return error ? error : sse_parser_error(answer->parser);
}

static void on_head(void *context, int status, uint64_t retry_after_ms)
{
    struct remote_answer *answer = context;
    answer->status = status;
    answer->retry_after_ms = retry_after_ms;
}

/* The rest of an answer that is whole, or a provider's own words on an error: not read, but the
 * connection is worth keeping if there is not much of it. */
static bool pass_over(struct remote_answer *answer, size_t len)
{
    answer->unread += len;
    if (answer->unread <= DRAIN_BYTES_MAX) return true;
    http_call_cancel(&answer->call);
    if (answer->state == DRAINING)
        answer_free(answer);
    else if (answer->state == ASKING)
        call_failed(answer, provider_status_error(answer->status));
    return true;
}

static bool on_body(void *context, struct slice bytes)
{
    struct remote_answer *answer = context;
    if (answer->status != 200 || answer->reply.ended) return pass_over(answer, bytes.len);
    err_t error = read_events(answer, bytes);
    if (error) {
        call_failed(answer, error);
        return true;
    }
    bool room = give(answer);
    if (answer->reply.ended)
        finish(answer);
    else if (!room)
        pause_call(answer);
    return room || answer->reply.ended; /* behind the terminator nothing is held back */
}

/* Of a response that has ended, but not its stream. */
static err_t end_error(const struct remote_answer *answer, err_t error)
{
    if (answer->status && answer->status != 200) return provider_status_error(answer->status);
    if (answer->state == STREAMING && gone_while_paused(answer)) return ERR_CLIENT_TOO_SLOW;
    if (error) return error;
    return answer->event_read ? ERR_PROVIDER_CUT : ERR_PROVIDER_BAD_RESPONSE;
}

static void on_end(void *context, err_t error)
{
    struct remote_answer *answer = context;
    answer->call = NULL;
    if (answer->state == DRAINING)
        answer_free(answer);
    else if (answer->state != GIVING)
        call_failed(answer, end_error(answer, error));
}

/* --- timers --- */

/* Set once for many tokens, it looks when the last one came. */
static void check_token(struct remote_answer *answer)
{
    uint64_t most_ms = answer->remote->settings->provider_token_timeout_ms;
    uint64_t since_ms = clock_ms() - answer->text_ms;
    if (since_ms >= most_ms)
        call_failed(answer, ERR_PROVIDER_TIMEOUT);
    else
        timer_set(answer, most_ms - since_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct remote_answer *answer = context;
    (void)fd, (void)what;
    if (answer->state == RESTING)
        ask(answer);
    else if (answer->state == ASKING)
        call_failed(answer, ERR_PROVIDER_TIMEOUT);
    else if (answer->state == STREAMING)
        check_token(answer);
    else if (answer->state == DRAINING)
        answer_free(answer);
}

/* --- asking --- */

/* A model that repeats nothing goes on from text that does not end in white space, but says that
 * again. */
static struct slice prefix_asked(const struct remote_answer *answer)
{
    struct slice prefix = answer->generation->prefix;
    if (!answer->continuing) return (struct slice){0};
    while (!answer->dialect->repeats && prefix.len && strchr(" \t\r\n", prefix.ptr[prefix.len - 1]))
        prefix.len--;
    return prefix;
}

static void reset_call(struct remote_answer *answer)
{
    struct remote *remote = answer->remote;
    size_t event_bytes_max =
        (size_t)remote->settings->answer_bytes_max * ESCAPED_BYTES_MAX + EVENT_BYTES_SPARE;
    answer->status = 0;
    answer->retry_after_ms = 0;
    answer->event_read = false;
    answer->unread = 0;
    answer->incoming.join = (struct text_join){0};
    answer->reply = (struct dialect_reply){.text = &remote->scratch};
    answer->parser = sse_parser_new(event_bytes_max);
}

static void expect_repetition(struct remote_answer *answer, struct slice asked)
{
    struct slice prefix = answer->generation->prefix;
    bool whole = answer->dialect->repeats;
    answer->incoming.repetition = (struct repetition){.settled = !answer->continuing};
    answer->incoming.repetition.text =
        whole ? prefix : (struct slice){prefix.ptr + asked.len, prefix.len - asked.len};
}

static void send_request(struct remote_answer *answer)
{
    static const struct http_call_handler handler = {on_head, on_body, on_end};
    const struct target *target = target_of(answer);
    struct dialect_request request = {
        .model = target->model,
        .prompt = &answer->prompt,
        .temperature = answer->generation->request.agent.temperature,
        .tokens_max = answer->remote->settings->anthropic_tokens_max,
        .prefix = prefix_asked(answer),
        .left_out = answer->left_out,
    };
    expect_repetition(answer, request.prefix);
    answer->call = remote_call_start(answer->remote->http, answer->dialect, target, &request,
                                     &handler, answer);
}

static void ask(struct remote_answer *answer)
{
    struct remote *remote = answer->remote;
    reset_call(answer);
    if (!health_admits(remote->health, target_of(answer)))
        return answer_fail(answer, ERR_PROVIDER_CIRCUIT_OPEN);
    if (answer->state == RESTING) answer_enter(answer, ASKING, 0);
    timer_set(answer, remote->settings->provider_first_token_timeout_ms); /* anew each time */
    send_request(answer);
}

static void build_prompt(struct remote_answer *answer)
{
    struct generation *generation = answer->generation;
    struct prompt_input input = {&generation->request, &generation->history, &generation->passages,
                                 generation->language, generation->answer_in};
    prompt_build(&input, job_arena(generation->job), &answer->prompt);
    generation->citable = answer->prompt.passages;
}

/* --- the provider --- */

static const char *remote_author(const struct target *target, struct arena *arena)
{
    return arena_printf(arena, "%s/%.*s", target->provider, (int)target->model.len,
                        target->model.ptr);
}

static void remote_start(struct generation *generation)
{
    struct remote *remote = generation->context;
    struct remote_answer *answer = xcalloc(1, sizeof *answer);
    *answer = (struct remote_answer){
        .remote = remote,
        .generation = generation,
        .dialect = dialect_find(generation_target(generation)->provider),
        .state = ASKING,
        .timer = evtimer_new(worker_base(remote->worker), on_timer, answer),
    };
    LIST_INSERT_HEAD(&remote->answers, answer, link);
    generation->data = answer;
    build_prompt(answer);
    answer->continuing = answer->dialect->continues && generation->prefix.len;
    answer->left_out = health_left_out(remote->health, target_of(answer));
    ask(answer);
}

static void remote_writable(struct generation *generation)
{
    struct remote_answer *answer = generation->data;
    if (answer->state != PAUSED && answer->state != GIVING) return;
    bool room = give(answer);
    if (answer->state == GIVING)
        finish(answer);
    else if (room)
        resume_call(answer);
}

static void remote_cancel(struct generation *generation)
{
    struct remote_answer *answer = generation->data;
    if (answer->state == ASKING) health_forget(answer->remote->health, target_of(answer));
    answer_fail(answer, ERR_CANCELLED);
}

static err_t remote_open(struct worker *worker, void **context)
{
    struct remote *remote = xcalloc(1, sizeof *remote);
    remote->worker = worker;
    remote->settings = worker_settings(worker);
    remote->http = http_client_new(worker_base(worker), remote->settings);
    remote->health = health_new(worker);
    remote->random = clock_ns();
    *context = remote;
    return OK;
}

static void remote_close(void *context)
{
    struct remote *remote = context;
    struct remote_answer *answer;
    while ((answer = LIST_FIRST(&remote->answers))) answer_free(answer);
    http_client_destroy(&remote->http);
    health_destroy(&remote->health);
    buffer_free(&remote->scratch);
    free(remote);
}

const struct provider provider_remote = {
    .name = "remote",
    .open = remote_open,
    .close = remote_close,
    .author = remote_author,
    .start = remote_start,
    .writable = remote_writable,
    .cancel = remote_cancel,
};
