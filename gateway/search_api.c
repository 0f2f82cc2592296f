#include "gateway/search_api.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/complexity.h"
#include "gateway/auth.h"
#include "gateway/call.h"
#include "gateway/chat_request.h"
#include "gateway/directory.h"
#include "gateway/embedders.h"
#include "proto/codec.h"

#define TOP_K_DEFAULT 8

struct search {
    struct call base; /* first */
    uint64_t portfolio_id;
    struct search_call wanted; /* in the exchange's memory */
};

/* --- the answer --- */

static void write_timings(const struct job_end *end, uint64_t total_us, struct buffer *out)
{
    uint64_t queue_us = 0;
    for (size_t i = 0; i < POOL_COUNT; i++) queue_us += end->queue_us[i];
    buffer_printf(
        out, "{\"queue\":%.3f,\"embed\":%.3f,\"retrieve\":%.3f,\"search\":%.3f,\"total\":%.3f}",
        (double)queue_us / 1e3, (double)end->stage_us[POOL_EMBED] / 1e3,
        (double)end->stage_us[POOL_RETRIEVE] / 1e3, (double)end->meta->search_us / 1e3,
        (double)total_us / 1e3);
}

static err_t reply(struct http_request *http, const struct job_end *end)
{
    struct arena arena = {0};
    struct buffer body = {0};
    struct search_results results;
    err_t error = end->error;
    if (!error) error = record_decode(search_results_type(), end->result, &arena, &results);
    if (!error) {
        buffer_append_text(&body, "{\"results\":");
        list_to_json(passage_type(), &results.results, &body);
        buffer_append_text(&body, ",\"timings_ms\":");
        write_timings(end, clock_us() - http_started_us(http), &body);
        buffer_append_text(&body, "}\n");
        http_reply(http, 200, "application/json", &body);
    }
    arena_free(&arena);
    return error;
}

static void on_end(struct call *call, const struct job_end *end)
{
    err_t error = call->http ? reply(call->http, end) : OK;
    if (error) http_reply_error(call->http, error, NULL);
}

/* --- the job --- */

static struct body *encode_question(const struct search *search, const struct portfolio *portfolio)
{
    const struct language *language = search->wanted.language;
    if (!language) language = language_detect(search->wanted.query, NULL);
    enum complexity level = complexity_classify(language, search->wanted.query);
    struct chat_request request = {
        .tenant = http_target(search->base.http)->caller->tenant,
        .message = search->wanted.query,
        .language = slice_of(language_code(language)),
        .complexity = slice_of(complexity_profile(level)->name),
        .top_k = search->wanted.top_k ? search->wanted.top_k : TOP_K_DEFAULT,
        .portfolio_id = search->portfolio_id,
        .embedder = portfolio->embedder,
    };
    struct body *body = body_new();
    struct buffer frame = {0};
    record_encode(chat_request_type(), &request, &frame);
    body_set(body, FRAME_REQUEST, buffer_slice(&frame));
    buffer_free(&frame);
    return body;
}

static err_t submit(struct search *search, const struct portfolio *portfolio)
{
    const struct gateway *gateway = search->base.gateway;
    struct job_spec spec = {
        .kind = KIND_SEARCH,
        .stages = embedder_itinerary(gateway->lanes, KIND_SEARCH, portfolio->embedder),
        .body = encode_question(search, portfolio),
        .timeout_ms = gateway->settings->request_timeout_ms,
        .affinity = search->portfolio_id,
        .versions = {{.kind = SLICE("portfolio"),
                      .id = search->portfolio_id,
                      .version = directory_version(gateway->directory, KIND_PORTFOLIO_GET,
                                                   search->portfolio_id)}},
    };
    return call_submit(&search->base, &spec);
}

static void on_portfolio(void *context, err_t error, struct config *config)
{
    struct search *search = context;
    search->base.waiting = false;
    if (search->base.http) {
        if (!error) error = submit(search, config_portfolio(config));
        if (error) http_reply_error(search->base.http, error, NULL);
    }
    config_unref(&config);
    call_settle(&search->base);
}

void search_whole(struct gateway *gateway, struct http_request *request)
{
    struct json_problem problem;
    struct search_call wanted;
    err_t error = search_call_read(http_body(request), gateway->settings->message_characters_max,
                                   http_arena(request), &wanted, &problem);
    if (error) {
        http_reply_error(request, error, *problem.text ? problem.text : NULL);
        return;
    }
    struct search *search = xcalloc(1, sizeof(*search));
    call_open(&search->base, gateway, request);
    search->base.on_end = on_end;
    search->base.waiting = true; /* for the directory */
    search->portfolio_id = http_target(request)->ids[0];
    search->wanted = wanted;
    directory_ask(gateway->directory, http_target(request)->caller->tenant, KIND_PORTFOLIO_GET,
                  search->portfolio_id, on_portfolio, search);
}
