#include "gateway/search_api.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/complexity.h"
#include "gateway/auth.h"
#include "gateway/chat_request.h"
#include "gateway/directory.h"
#include "gateway/embedders.h"
#include "proto/codec.h"

#define TOP_K_DEFAULT 8

struct search {
    struct gateway *gateway;
    struct http_request *http; /* NULL once the exchange is over */
    uint64_t portfolio_id;
    struct search_call call; /* in the exchange's memory */
    uint64_t job;
    bool waiting; /* a callback will come */
};

static void search_free_if_over(struct search *search)
{
    if (!search->http && !search->waiting) free(search);
}

static void on_http_end(void *context, enum http_end end)
{
    struct search *search = context;
    (void)end;
    search->http = NULL;
    if (search->waiting && search->job) job_cancel(search->gateway->lanes, search->job);
    search_free_if_over(search);
}

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

static err_t reply(struct search *search, const struct job_end *end)
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
        write_timings(end, clock_us() - http_started_us(search->http), &body);
        buffer_append_text(&body, "}\n");
        http_reply(search->http, 200, "application/json", &body);
    }
    arena_free(&arena);
    return error;
}

static void on_end(void *context, const struct job_end *end)
{
    struct search *search = context;
    search->waiting = false;
    if (search->http) {
        err_t error = reply(search, end);
        if (error) http_reply_error(search->http, error, NULL);
    }
    search_free_if_over(search);
}

static const struct job_handler search_handler = {.on_end = on_end};

/* --- the job --- */

static struct body *encode_question(const struct search *search, const struct portfolio *portfolio)
{
    const struct language *language = search->call.language;
    if (!language) language = language_detect(search->call.query, NULL);
    enum complexity level = complexity_classify(language, search->call.query);
    struct chat_request request = {
        .tenant = http_target(search->http)->caller->tenant,
        .message = search->call.query,
        .language = slice_of(language_code(language)),
        .complexity = slice_of(complexity_profile(level)->name),
        .top_k = search->call.top_k ? search->call.top_k : TOP_K_DEFAULT,
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
    const struct gateway *gateway = search->gateway;
    struct job_spec spec = {
        .kind = KIND_SEARCH,
        .stages = embedder_itinerary(gateway->lanes, KIND_SEARCH, portfolio->embedder),
        .body = encode_question(search, portfolio),
        .timeout_ms = gateway->settings->request_timeout_ms,
        .affinity = search->portfolio_id,
        .trace = http_request_id(search->http),
        .versions = {{.kind = SLICE("portfolio"),
                      .id = search->portfolio_id,
                      .version = directory_version(gateway->directory, KIND_PORTFOLIO_GET,
                                                   search->portfolio_id)}},
    };
    err_t error = job_submit(gateway->lanes, &spec, &search_handler, search, &search->job);
    search->waiting = !error;
    return error;
}

static void on_portfolio(void *context, err_t error, struct config *config)
{
    struct search *search = context;
    search->waiting = false;
    if (search->http) {
        if (!error) error = submit(search, config_portfolio(config));
        if (error) http_reply_error(search->http, error, NULL);
    }
    config_unref(&config);
    search_free_if_over(search);
}

void search_whole(struct gateway *gateway, struct http_request *request)
{
    struct json_problem problem;
    struct search_call call;
    err_t error = search_call_read(http_body(request), gateway->settings->message_characters_max,
                                   http_arena(request), &call, &problem);
    if (error) {
        http_reply_error(request, error, *problem.text ? problem.text : NULL);
        return;
    }
    struct search *search = xcalloc(1, sizeof(*search));
    search->gateway = gateway;
    search->http = request;
    search->portfolio_id = http_target(request)->ids[0];
    search->call = call;
    search->waiting = true;
    http_on_end(request, on_http_end, search);
    directory_ask(gateway->directory, http_target(request)->caller->tenant, KIND_PORTFOLIO_GET,
                  search->portfolio_id, on_portfolio, search);
}
