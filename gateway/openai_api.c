/* Each call is one job: a function makes its request frame, another writes its result. */
#include "gateway/openai_api.h"

#include <stdlib.h>

#include "common/text.h"
#include "gateway/auth.h"
#include "gateway/call.h"
#include "gateway/embedders.h"
#include "gateway/openai_request.h"
#include "gateway/openai_text.h"
#include "proto/codec.h"

#define MODELS_MAX      1000
#define BYTES_PER_TOKEN 4  /* what usage counts is an estimate */
#define MODEL_SHOWN_MAX 60 /* bytes of a name that is not known */

struct openai_call {
    struct call base; /* first */
    const struct call_kind *kind;
    struct json_problem problem;
    struct openai_texts texts; /* of an embedding call; in the exchange's memory */
};

struct call_kind {
    enum kind kind;
    /* Makes the request frame. */
    err_t (*ask)(struct openai_call *call, struct buffer *frame);
    /* Writes the answer from the decoded result. */
    err_t (*answer)(struct openai_call *call, const void *result, struct buffer *out);
};

/* Before the exchange is over. */
static struct slice tenant(const struct openai_call *call)
{
    return http_target(call->base.http)->caller->tenant;
}

/* --- models --- */

static err_t ask_models(struct openai_call *call, struct buffer *frame)
{
    struct select select = {.tenant = tenant(call), .limit = MODELS_MAX};
    record_encode(select_type(), &select, frame);
    return OK;
}

static err_t answer_models(struct openai_call *call, const void *result, struct buffer *out)
{
    const struct agents *agents = result;
    (void)call;
    openai_models(&agents->data, out);
    return OK;
}

static struct slice last_segment(struct slice path)
{
    const char *slash = memrchr(path.ptr, '/', path.len);
    return (struct slice){slash + 1, (size_t)(path.ptr + path.len - slash) - 1};
}

static err_t ask_model(struct openai_call *call, struct buffer *frame)
{
    struct select select = {.tenant = tenant(call)};
    err_t error = openai_agent_of(last_segment(http_path(call->base.http)), &select.id);
    if (!error) record_encode(select_type(), &select, frame);
    return error;
}

static err_t answer_model(struct openai_call *call, const void *result, struct buffer *out)
{
    (void)call;
    openai_model(result, out);
    buffer_append_char(out, '\n');
    return OK;
}

/* --- embeddings --- */

/* A vector of another embedder than was asked for would be of no use, whatever its shape. */
static err_t choose_embedder(struct openai_call *call, struct slice *embedder)
{
    const struct lane_io *lanes = call->base.gateway->lanes;
    struct slice model = call->texts.model;
    if (slice_equal(model, SLICE("default"))) return OK;
    if (lane_io_ready(lanes, POOL_EMBED) && !embedder_is_served(lanes, model)) {
        struct slice usual = embedder_default(lanes);
        json_problem(&call->problem,
                     "there is no embedder \"%.*s\": ask for \"default\", which is \"%.*s\"",
                     (int)text_cut(model, MODEL_SHOWN_MAX), model.ptr, (int)usual.len, usual.ptr);
        return ERR_AGENT_NOT_FOUND;
    }
    *embedder = model;
    return OK;
}

static err_t ask_embeddings(struct openai_call *call, struct buffer *frame)
{
    const struct settings *settings = call->base.gateway->settings;
    struct openai_limits limits = {.characters_max = settings->message_characters_max};
    struct embed_request request = {.tenant = tenant(call)};
    err_t error = openai_texts_read(http_body(call->base.http), &limits,
                                    http_arena(call->base.http), &call->texts, &call->problem);
    if (!error) error = choose_embedder(call, &request.embedder);
    if (error) return error;
    request.texts = call->texts.texts;
    record_encode(embed_request_type(), &request, frame);
    return OK;
}

static uint64_t tokens_of(const struct list *texts)
{
    const struct embed_text *text = texts->items;
    uint64_t tokens = 0;
    for (size_t i = 0; i < texts->count; i++)
        tokens += (text[i].text.len + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
    return tokens;
}

static err_t answer_embeddings(struct openai_call *call, const void *result, struct buffer *out)
{
    const struct embedding *embedding = result;
    const struct openai_texts *texts = &call->texts;
    if (texts->dimensions && texts->dimensions != embedding->dimensions)
        return json_problem(&call->problem, "dimensions must be %ju with this embedder",
                            (uintmax_t)embedding->dimensions);
    return openai_embeddings(embedding, texts->texts.count, tokens_of(&texts->texts), texts->base64,
                             out);
}

/* --- the job --- */

static void fail(struct openai_call *call, err_t error)
{
    http_reply_error(call->base.http, error, *call->problem.text ? call->problem.text : NULL);
}

static void reply(struct openai_call *call, struct slice result)
{
    const struct record_type *type = kind_info(call->kind->kind)->result();
    struct arena arena = {0};
    struct buffer body = {0};
    void *record = arena_alloc(&arena, type->size);
    err_t error = record_decode(type, result, &arena, record);
    if (!error) error = call->kind->answer(call, record, &body);
    if (error)
        fail(call, error);
    else
        http_reply(call->base.http, 200, "application/json", &body);
    buffer_free(&body);
    arena_free(&arena);
}

static void on_end(struct call *base, const struct job_end *end)
{
    struct openai_call *call = (struct openai_call *)base;
    if (!base->http) return;
    if (end->error)
        fail(call, end->error);
    else
        reply(call, end->result);
}

static err_t submit(struct openai_call *call, struct slice frame)
{
    struct job_spec spec = {
        .kind = call->kind->kind,
        .body = body_new(),
        .timeout_ms = call->base.gateway->settings->request_timeout_ms,
    };
    body_set(spec.body, FRAME_REQUEST, frame);
    return call_submit(&call->base, &spec);
}

static void call_start(struct gateway *gateway, struct http_request *request,
                       const struct call_kind *kind)
{
    struct openai_call *call = xcalloc(1, sizeof(*call));
    struct buffer frame = {0};
    call_open(&call->base, gateway, request);
    call->base.on_end = on_end;
    call->kind = kind;
    err_t error = kind->ask(call, &frame);
    if (!error) error = submit(call, buffer_slice(&frame));
    if (error) fail(call, error);
    buffer_free(&frame);
}

void openai_models_list(struct gateway *gateway, struct http_request *request)
{
    static const struct call_kind kind = {KIND_AGENT_LIST, ask_models, answer_models};
    call_start(gateway, request, &kind);
}

void openai_models_get(struct gateway *gateway, struct http_request *request)
{
    static const struct call_kind kind = {KIND_AGENT_GET, ask_model, answer_model};
    call_start(gateway, request, &kind);
}

void openai_embeddings_make(struct gateway *gateway, struct http_request *request)
{
    static const struct call_kind kind = {KIND_EMBED, ask_embeddings, answer_embeddings};
    call_start(gateway, request, &kind);
}
