/* A question's steps, one table and one dispatcher:
 *
 *     read ─ agent ─ portfolio ─ claim ─ classify ─ answer ─ record ─ finish
 *              ~         ~         ~ │                 ~        ~       ▲
 *                                    └ an Idempotency-Key's answer ─────┘
 *
 * `answer` follows a generation (generation.h): kept, shared with others, or its own.
 *
 * A step does its work and returns; where it had to ask (~) it leaves `waiting` set, and the
 * callback takes the dispatcher up again. An error ends the steps wherever they are: before the job
 * is admitted it is plain HTTP, after it the stream's last event and a turn that is recorded too.
 *
 * The chat lives until its exchange is over and no callback is to come. A client that goes ends the
 * job within the same loop turn. */
#include "gateway/request_flow.h"

#include <stdlib.h>

#include "common/clock.h"
#include "gateway/auth.h"
#include "gateway/chat_claim.h"
#include "gateway/chat_generation.h"
#include "gateway/chat_shapes.h"
#include "gateway/classified.h"
#include "gateway/flags.h"
#include "gateway/openai_chat.h"

/* --- read, agent, portfolio --- */

static void step_read(struct chat *chat)
{
    chat->error = chat->shape->read(chat);
    if (!chat->error) chat->error = chat_check_key(chat);
    if (!chat->error && chat->shape->stream && !flags_now(chat->gateway->flags)->streaming)
        chat->error = ERR_STREAMING_DISABLED;
    if (chat->error) return;
    chat->question = xstrndup(chat->call.message.ptr, chat->call.message.len);
    chat->call.message.ptr = chat->question;
}

static void on_agent(void *context, err_t error, struct config *config)
{
    struct chat *chat = context;
    chat->agent = config;
    chat_resume(chat, error);
}

static void step_agent(struct chat *chat)
{
    chat->waiting = true;
    directory_ask(chat->gateway->directory, slice_of(chat->tenant), KIND_AGENT_GET, chat->agent_id,
                  on_agent, chat);
}

static void on_portfolio(void *context, err_t error, struct config *config)
{
    struct chat *chat = context;
    chat->portfolio = config;
    chat_resume(chat, error);
}

static void step_portfolio(struct chat *chat)
{
    chat->portfolio_id = chat->call.portfolio_id;
    if (!chat->portfolio_id) chat->portfolio_id = config_agent(chat->agent)->portfolio_id;
    if (!chat->portfolio_id) return;
    chat->waiting = true;
    directory_ask(chat->gateway->directory, slice_of(chat->tenant), KIND_PORTFOLIO_GET,
                  chat->portfolio_id, on_portfolio, chat);
}

uint64_t chat_time_left_ms(const struct chat *chat)
{
    uint64_t passed_ms = (clock_us() - chat->started_us) / 1000;
    uint64_t limit_ms = chat->gateway->settings->request_timeout_ms;
    return passed_ms < limit_ms ? limit_ms - passed_ms : 1;
}

/* --- classify --- */

/* The question's level says how much context it gets; a trivial one gets none. */
static void size_by_level(struct chat *chat)
{
    const struct complexity_profile *profile = complexity_profile(chat->level);
    chat->max_tokens = profile->max_tokens;
    chat->top_k = profile->top_k && chat->call.top_k ? chat->call.top_k : profile->top_k;
}

/* With dynamic_context off every question gets what the agent says, or as much as a medium one. */
static void size_by_agent(struct chat *chat, const struct agent *agent)
{
    const struct complexity_profile *medium = complexity_profile(COMPLEXITY_MEDIUM);
    chat->max_tokens = agent->max_context_tokens ? agent->max_context_tokens : medium->max_tokens;
    chat->top_k = agent->top_k ? agent->top_k : medium->top_k;
    if (chat->call.top_k) chat->top_k = chat->call.top_k;
}

static void step_classify(struct chat *chat)
{
    const struct agent *agent = config_agent(chat->agent);
    struct classification found =
        classified_find(chat->gateway->classified, chat->call.message, chat->call.language,
                        language_find(agent->language));
    chat->language = found.language;
    chat->level = found.level;
    if (flags_now(chat->gateway->flags)->dynamic_context)
        size_by_level(chat);
    else
        size_by_agent(chat, agent);
    if (!chat->portfolio_id) chat->top_k = 0;
}

/* --- record --- */

static void on_recorded(void *context, const struct recorded *recorded)
{
    struct chat *chat = context;
    chat->timings.record = clock_us() - chat->record_started_us;
    chat->recorded = recorded != NULL;
    if (recorded) {
        chat->conversation_id = recorded->conversation_id;
        chat->message_id = recorded->message_id;
    }
    chat_resume(chat, OK);
}

static void step_record(struct chat *chat)
{
    if (chat->call.store) chat->waiting = chat_record(chat, on_recorded);
}

/* --- finish --- */

static void step_finish(struct chat *chat)
{
    struct buffer body = {0};
    chat->timings.total = clock_us() - chat->started_us;
    chat->finished = true;
    if (chat->shape->stream) {
        chat->shape->done(chat, &chat->tail);
        http_stream_wake(chat->http);
    } else {
        chat->shape->done(chat, &body);
        http_reply(chat->http, 200, "application/json", &body);
    }
}

/* Tells the client that it will get no (or no whole) answer, if it is still there. */
static void chat_fail(struct chat *chat)
{
    const char *message = *chat->problem.text ? chat->problem.text : error_text(chat->error);
    chat->timings.total = clock_us() - chat->started_us;
    chat->finished = true;
    if (!chat->http) return;
    if (!chat->opened) {
        http_reply_error(chat->http, chat->error, message);
        return;
    }
    chat->shape->failed(chat, message, &chat->tail);
    http_stream_wake(chat->http);
}

/* --- the dispatcher --- */

enum { UNKNOWN = 1, KNOWN = 2, ANY = UNKNOWN | KNOWN }; /* whether the answer is */

static const struct flow_step {
    const char *name;
    void (*run)(struct chat *chat);
    unsigned runs_for;
} steps[] = {
    {"read", step_read, ANY},
    {"agent", step_agent, ANY},
    {"portfolio", step_portfolio, ANY},
    {"claim", chat_claim, ANY},
    {"classify", step_classify, UNKNOWN},
    {"answer", chat_answer, UNKNOWN},
    {"replay", chat_replay_known, KNOWN},
    {"record", step_record, UNKNOWN},
    {"finish", step_finish, ANY},
};

static void chat_free(struct chat *chat)
{
    LIST_REMOVE(chat, link);
    chat_close(chat);
    follower_release(&chat->follower);
    config_unref(&chat->agent);
    config_unref(&chat->portfolio);
    body_unref(&chat->body);
    buffer_free(&chat->staged);
    buffer_free(&chat->tail);
    buffer_free(&chat->openai.head);
    buffer_free(&chat->known_timings);
    free(chat->question);
    free(chat->tenant);
    free(chat);
}

static void chat_run(struct chat *chat)
{
    chat->running = true;
    while (!chat->waiting && !chat->error && chat->step < ARRAY_LEN(steps)) {
        const struct flow_step *step = &steps[chat->step++];
        if (step->runs_for & (chat->known ? KNOWN : UNKNOWN)) step->run(chat);
    }
    if (chat->error && !chat->waiting) chat_release_claim(chat);
    if (chat->error && !chat->waiting && !chat->finished) chat_fail(chat);
    chat->running = false;
    if (!chat->http && !chat->waiting) chat_free(chat);
}

/* A callback came. It may come before the step that asked has returned. */
void chat_resume(struct chat *chat, err_t error)
{
    chat->waiting = false;
    if (!chat->error) chat->error = error;
    if (!chat->running) chat_run(chat);
}

/* --- the client --- */

static void on_http_end(void *context, enum http_end end)
{
    struct chat *chat = context;
    chat->http = NULL;
    if (end != HTTP_SENT && !chat->error)
        chat->error = end == HTTP_STALLED ? ERR_CLIENT_TOO_SLOW : ERR_CANCELLED;
    if (!chat->waiting)
        chat_run(chat);
    else
        chat_leave(chat);
}

static void chat_start(struct gateway *gateway, struct http_request *request,
                       const struct chat_shape *shape)
{
    struct chat *chat = xcalloc(1, sizeof(*chat));
    const char *id = http_request_id(request);
    struct slice tenant = http_target(request)->caller->tenant;
    LIST_INSERT_HEAD(&gateway->chats, chat, link);
    chat->gateway = gateway;
    chat->http = request;
    chat->tenant = xstrndup(tenant.ptr, tenant.len);
    chat->shape = shape;
    chat->started_us = http_started_us(request);
    chat->level = COMPLEXITY_COUNT;
    memcpy(chat->request_id, id, strlen(id) + 1);
    http_on_end(request, on_http_end, chat);
    chat_run(chat);
}

void chat_whole(struct gateway *gateway, struct http_request *request)
{
    chat_start(gateway, request, &chat_shape_whole);
}

void chat_stream(struct gateway *gateway, struct http_request *request)
{
    chat_start(gateway, request, &chat_shape_stream);
}

void chat_completions(struct gateway *gateway, struct http_request *request)
{
    chat_start(gateway, request, &openai_shape_whole);
}

/* An answer that only waits for its commit is given without it. */
static void give_up(struct chat *chat)
{
    if (chat->record_started_us && !chat->error) {
        chat->step = ARRAY_LEN(steps);
        step_finish(chat);
        return;
    }
    if (!chat->error) chat->error = ERR_DRAINING;
    chat->retryable = error_retryable(chat->error);
    chat_fail(chat);
    chat_leave(chat);
}

/* The clients are told now; the jobs' ends and the turns that are recorded come as they may. */
void chats_give_up(struct gateway *gateway)
{
    struct chat *chat = LIST_FIRST(&gateway->chats), *next;
    for (; chat; chat = next) {
        next = LIST_NEXT(chat, link);
        if (chat->waiting && !chat->finished) give_up(chat);
    }
}
