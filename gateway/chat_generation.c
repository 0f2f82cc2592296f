#include "gateway/chat_generation.h"

#include "common/clock.h"
#include "gateway/chat_stream.h"
#include "gateway/embedders.h"
#include "proto/codec.h"

/* --- what is asked --- */

static bool retrieves(const struct chat *chat)
{
    return chat->portfolio_id && chat->top_k;
}

static struct slice embedder_of(const struct chat *chat)
{
    return retrieves(chat) ? config_portfolio(chat->portfolio)->embedder : (struct slice){0};
}

/* An agent that names no provider answers as the generators do by default. */
static struct slice served(struct gateway *gateway, const struct agent *agent)
{
    if (agent->provider.len) return SLICE("");
    return slice_of(generations_default(gateway->generations));
}

/* The language that the answer is to be in: the request's, or the agent's; "" for the question's.
 */
static struct slice answer_in(const struct chat *chat)
{
    if (chat->call.language) return slice_of(language_code(chat->call.language));
    return config_agent(chat->agent)->language;
}

static struct answer_question question_of(const struct chat *chat)
{
    const struct agent *agent = config_agent(chat->agent);
    return (struct answer_question){
        .tenant = slice_of(chat->tenant),
        .agent_id = chat->agent_id,
        .agent_version = agent->version,
        .served = served(chat->gateway, agent),
        .message = chat->call.message,
        .language = slice_of(language_code(chat->language)),
        .answer_in = answer_in(chat),
        .portfolio_id = retrieves(chat) ? chat->portfolio_id : 0,
        .embedder = embedder_of(chat),
        .top_k = chat->top_k,
        .max_tokens = chat->max_tokens,
        .history = slice_of(chat->history_digest),
    };
}

static void place(struct chat *chat, const struct answer_question *question)
{
    chat->placed = true;
    chat->place.base = answer_base(question);
    if (question->portfolio_id)
        chat->place.version =
            directory_version(chat->gateway->directory, KIND_PORTFOLIO_GET, question->portfolio_id);
    chat->place.key = digest_at_version(&chat->place.base, chat->place.version);
}

static bool takes_semantic(const struct chat *chat)
{
    const struct flags *flags = flags_now(chat->gateway->flags);
    bool follows_up = chat->call.conversation_id || *chat->history_digest;
    return config_agent(chat->agent)->semantic_cache && flags->cache && flags->semantic_cache &&
           retrieves(chat) && !follows_up && !chat->call.language;
}

static void encode_question(struct chat *chat)
{
    struct chat_request request = {
        .tenant = slice_of(chat->tenant),
        .message = chat->call.message,
        .language = slice_of(language_code(chat->language)),
        .complexity = slice_of(complexity_profile(chat->level)->name),
        .top_k = chat->top_k,
        .max_tokens = chat->max_tokens,
        .portfolio_id = chat->portfolio_id,
        .conversation_id = chat->call.conversation_id,
        .semantic = chat->semantic,
        .agent = *config_agent(chat->agent),
    };
    request.agent.language = answer_in(chat);
    if (chat->portfolio) request.embedder = config_portfolio(chat->portfolio)->embedder;
    body_encode(chat->body, FRAME_REQUEST, chat_request_type(), &request);
}

static const char *itinerary(const struct chat *chat)
{
    if (!retrieves(chat)) return "G";
    return embedder_itinerary(chat->gateway->lanes, KIND_CHAT, embedder_of(chat));
}

static void begin(struct chat *chat, const struct answer_question *question)
{
    encode_question(chat);
    struct generation_order order = {
        .place = chat->placed ? &chat->place : NULL,
        .question = question,
        .semantic = chat->semantic,
        .tentative = !chat->shape->stream,
        .sources = chat->shape->retrieved != NULL,
        .stages = itinerary(chat),
        .body = chat->body,
        .timeout_ms = chat_time_left_ms(chat),
        .trace = chat->request_id,
    };
    chat->body = NULL;
    generation_begin(chat->gateway->generations, &order, &chat->follower);
}

/* --- how it goes --- */

/* Memory that only the steps before needed; a stream may stay for long. */
static void slim(struct chat *chat)
{
    config_unref(&chat->agent);
    config_unref(&chat->portfolio);
    body_unref(&chat->body);
    if (chat->http && chat->shape->stream) http_release(chat->http);
}

static void on_stage(void *context)
{
    struct chat *chat = context;
    if (!chat->http || !chat->shape->retrieved) return;
    chat->shape->retrieved(chat, chat->follower.generation->staged, &chat->staged);
    http_stream_wake(chat->http);
}

static void on_text(void *context)
{
    struct chat *chat = context;
    if (!chat->timings.first_token) chat->timings.first_token = clock_us() - chat->started_us;
    if (!chat->http) return;
    if (chat->shape->stream)
        http_stream_wake(chat->http);
    else
        generation_taken(&chat->follower, chat_text(chat).len);
}

static void on_start(void *context)
{
    struct chat *chat = context;
    if (chat->opened || !chat->http) return;
    if (chat->shape->stream) chat_stream_open(chat);
    slim(chat);
    if (chat->follower.generation->staged) on_stage(chat);
    if (chat_text(chat).len) on_text(chat);
}

/* A turn that came to nothing is recorded too, once it has cost something. */
static void ended(struct chat *chat)
{
    chat_take_end(chat);
    if (chat->error && chat->call.store && chat->follower.generation->job) chat_record(chat, NULL);
}

static void on_end(void *context)
{
    struct chat *chat = context;
    ended(chat);
    chat_resume(chat, OK);
}

static const struct follower_handler handler = {on_start, on_text, on_stage, on_end};

/* --- the steps --- */

void chat_answer(struct chat *chat)
{
    struct gateway *gateway = chat->gateway;
    struct follower *follower = &chat->follower;
    struct answer_question question = question_of(chat);
    follower->handler = &handler;
    follower->context = chat;
    chat->agent_version = question.agent_version;
    chat->semantic = takes_semantic(chat);
    if (flags_now(gateway->flags)->cache) place(chat, &question);
    if (!chat->placed || !generation_find(gateway->generations, &chat->place, chat->shape->stream,
                                          chat_time_left_ms(chat), follower))
        begin(chat, &question);
    struct generation *generation = follower->generation;
    if (chat->shape->retrieved && generation->source == ANSWER_EXACT)
        generation_recall(generation, &question);
    if (generation->state != GENERATION_LOOKING && !generation->error) on_start(chat);
    if (generation->state == GENERATION_OVER)
        ended(chat);
    else
        chat->waiting = true;
}

void chat_replay_known(struct chat *chat)
{
    if (chat->shape->stream) chat_stream_open(chat);
    slim(chat);
}

void chat_leave(struct chat *chat)
{
    if (!chat->follower.attached || !generation_leave(&chat->follower)) return;
    if (chat->call.store && chat->follower.generation->job) (void)!chat_record(chat, NULL);
    chat_resume(chat, OK);
}
