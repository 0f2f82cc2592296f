/* A provider of answers and embeddings that does what the name of the model says
 * (provider_script.h), for tests and benchmarks.
 *
 *     scripted-provider [PORT]     without one, a free one; says "listening PORT"
 *
 *     /v1/chat/completions  /v1/embeddings  /v1/models      OpenAI
 *     /mistral/v1/…                                         Mistral: refuses what Mistral does
 *     /v1/messages                                          Anthropic
 *
 * Its text is a pure function of the seed, so a client can check it to the byte. What happens when
 * is appended to the file SCRIPTED_LOG (provider_note). */
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "tests/fakes/provider_answer.h"
#include "tests/fakes/provider_embeddings.h"

#define BODY_BYTES_MAX (256 * MIB)

struct counter { /* of the requests of a model whose script counts them */
    char *model;
    uint64_t requests;
};

static struct {
    struct event_base *base;
    uint64_t requests;
    struct counter *counters;
    size_t count, capacity;
    int log_fd;
} provider = {.log_fd = -1};

/* A request that was understood. */
struct order {
    struct http_request *request;
    const struct provider_dialect *dialect;
    json_t *body;
    const char *model; /* in the request's arena */
    struct provider_script script;
    bool faulty; /* meets its script's status or fault */
};

/* --- the log --- */

void provider_note(const char *event, uint64_t id, uint64_t given, const char *model)
{
    char line[512];
    if (provider.log_fd < 0) return;
    int len = snprintf(line, sizeof(line), "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %.400s\n", event,
                       clock_ns(), id, given, model);
    if (write(provider.log_fd, line, (size_t)len) < 0) abort();
}

/* --- errors --- */

static void refuse(const struct order *order, int status, const char *message)
{
    struct buffer body = {0};
    order->dialect->error(status, message, &body);
    provider_note("refuse", provider.requests, (uint64_t)status, order->model ? order->model : "");
    http_reply(order->request, status, "application/json", &body);
}

static void refuse_by_script(const struct order *order)
{
    char seconds[24];
    snprintf(seconds, sizeof(seconds), "%" PRIu64, order->script.retry_after);
    if (order->script.retry_after) http_add_header(order->request, "Retry-After", seconds);
    refuse(order, (int)order->script.status, PROVIDER_SECRET);
}

static bool key_is_right(const struct order *order)
{
    const char *given = http_header(order->request, order->dialect->key_header);
    size_t prefix = strlen(order->dialect->key_prefix);
    if (!order->script.key) return true;
    return given && !strncmp(given, order->dialect->key_prefix, prefix) &&
           !strcmp(given + prefix, order->script.key);
}

/* Providers say of a wrong key what it was. */
static void refuse_key(const struct order *order)
{
    const char *given = http_header(order->request, order->dialect->key_header);
    refuse(order, 401,
           arena_printf(http_arena(order->request), "Incorrect key provided: %s, says %s",
                        given ? given : "none", PROVIDER_SECRET));
}

/* --- orders --- */

static bool is_among_the_first(const char *model, uint64_t first)
{
    size_t i = 0;
    if (first == NEVER) return true;
    while (i < provider.count && strcmp(provider.counters[i].model, model)) i++;
    if (i == provider.count) {
        provider.counters = xgrow(provider.counters, &provider.capacity, ++provider.count,
                                  sizeof(*provider.counters));
        provider.counters[i] = (struct counter){xstrdup(model), 0};
    }
    return provider.counters[i].requests++ < first;
}

/* Anything that a real provider would refuse, or the script does; NULL where all is well. */
static const char *order_read(struct order *order)
{
    struct slice body = http_body(order->request);
    struct arena *arena = http_arena(order->request);
    const char *version = order->dialect->version_header;
    if (version && !http_header(order->request, version)) return "a version header is missing";
    order->body = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL);
    if (!json_is_object(order->body)) return "the body is not a JSON object";
    const char *model = json_string_value(json_object_get(order->body, "model"));
    if (!model) return "a model is missing";
    order->model = arena_copy(arena, slice_of(model));
    if (!provider_script_read(order->model, arena, &order->script)) return "unknown word in script";
    order->faulty = is_among_the_first(order->model, order->script.fails);
    return NULL;
}

static bool order_is_refused(struct order *order)
{
    const char *reason = order_read(order);
    if (reason)
        refuse(order, 400, reason);
    else if (!key_is_right(order))
        refuse_key(order);
    else if (order->script.status && order->faulty)
        refuse_by_script(order);
    else
        return false;
    return true;
}

/* --- answers --- */

static bool asks_for_usage(const struct order *order, bool streams)
{
    const json_t *options = json_object_get(order->body, "stream_options");
    if (order->script.fault && order->faulty && !strcmp(order->script.fault, "no_usage"))
        return false;
    if (!streams || order->dialect != &dialect_of_openai) return true;
    return json_is_true(json_object_get(options, "include_usage"));
}

/* A message's text; of several parts, the first one's. */
static struct slice message_text(const json_t *message)
{
    const json_t *content = json_object_get(message, "content");
    if (json_is_array(content)) content = json_object_get(json_array_get(content, 0), "text");
    return (struct slice){json_string_value(content), json_string_length(content)};
}

static uint64_t prompt_tokens(const json_t *messages)
{
    const json_t *message;
    uint64_t bytes = 0;
    size_t i;
    json_array_foreach(messages, i, message) bytes += message_text(message).len;
    return bytes / 4 + 1;
}

static struct slice given_text(const struct order *order)
{
    const json_t *messages = json_object_get(order->body, "messages");
    struct arena *arena = http_arena(order->request);
    if (order->script.echo) {
        struct slice last = message_text(json_array_get(messages, json_array_size(messages) - 1));
        return arena_slice(arena, last);
    }
    if (!order->script.text) return (struct slice){0};
    char *text = arena_copy(arena, slice_of(order->script.text));
    for (char *c = text; (c = strchr(c, '_')); c++) *c = ' ';
    return slice_of(text);
}

/* The characters of a last message that is the model's own. Anthropic's models go on from it,
 * Mistral's say it again first, OpenAI's take it for one of the conversation's. */
static uint64_t continued(const struct order *order)
{
    const json_t *messages = json_object_get(order->body, "messages");
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    bool goes_on = order->dialect == &dialect_of_anthropic && role && !strcmp(role, "assistant");
    return goes_on ? text_length(message_text(last)) : 0;
}

static void handle_chat(struct order *order)
{
    struct answer *answer = arena_alloc(http_arena(order->request), sizeof(*answer));
    const char *reason = order->dialect->refuses(order->body);
    if (reason) {
        refuse(order, 400, reason);
        return;
    }
    answer->base = provider.base;
    answer->request = order->request;
    answer->dialect = order->dialect;
    answer->script = order->script;
    answer->text = given_text(order);
    answer->given = continued(order);
    answer->streams = json_is_true(json_object_get(order->body, "stream"));
    answer->faulty = order->script.fault && order->faulty;
    answer->facts = (struct answer_facts){
        .model = order->model,
        .finish = order->script.finish ? order->script.finish : "stop",
        .frame = order->script.frame,
        .id = provider.requests,
        .prompt_tokens = prompt_tokens(json_object_get(order->body, "messages")),
        .usage = asks_for_usage(order, answer->streams),
    };
    answer_start(answer);
}

static void handle_embeddings(struct order *order)
{
    const char *fault = order->script.fault && order->faulty ? order->script.fault : "";
    struct embeddings *embeddings = arena_alloc(http_arena(order->request), sizeof(*embeddings));
    *embeddings = (struct embeddings){provider.base,     order->request, order->model,
                                      provider.requests, fault,          &order->script};
    const char *reason = embeddings_start(embeddings, order->body);
    if (reason) refuse(order, 400, reason);
}

static void handle_models(struct order *order)
{
    struct buffer body = {0};
    buffer_append_text(&body,
                       "{\"object\":\"list\",\"data\":[{\"id\":\"script\",\"object\":\"model\","
                       "\"created\":1700000000,\"owned_by\":\"tests\"}]}");
    http_reply(order->request, 200, "application/json", &body);
}

/* --- routes --- */

static const struct provider_route {
    const char *method, *path;
    const struct provider_dialect *dialect;
    bool has_body;
    void (*handle)(struct order *order);
} routes[] = {
    {"POST", "/v1/chat/completions", &dialect_of_openai, true, handle_chat},
    {"POST", "/mistral/v1/chat/completions", &dialect_of_mistral, true, handle_chat},
    {"POST", "/v1/messages", &dialect_of_anthropic, true, handle_chat},
    {"POST", "/v1/embeddings", &dialect_of_openai, true, handle_embeddings},
    {"POST", "/mistral/v1/embeddings", &dialect_of_mistral, true, handle_embeddings},
    {"GET", "/v1/models", &dialect_of_openai, false, handle_models},
    {"GET", "/mistral/v1/models", &dialect_of_mistral, false, handle_models},
};

static void on_request(void *context, struct http_request *request)
{
    struct order order = {.request = request, .dialect = &dialect_of_openai};
    (void)context;
    provider.requests++;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const struct provider_route *route = &routes[i];
        if (!slice_equal(http_path(request), slice_of(route->path)) ||
            !slice_equal(http_method(request), slice_of(route->method)))
            continue;
        order.dialect = route->dialect;
        if (!route->has_body || !order_is_refused(&order)) route->handle(&order);
        json_decref(order.body);
        return;
    }
    refuse(&order, 404, "no such route at " PROVIDER_SECRET);
}

static err_t on_admit(void *context, struct http_request *request, uint64_t *body_bytes_max)
{
    (void)context, (void)request;
    *body_bytes_max = BODY_BYTES_MAX;
    return OK;
}

static int on_refuse(void *context, const struct http_request *request, err_t error,
                     const char *message, struct buffer *out)
{
    (void)context, (void)request;
    dialect_of_openai.error(error_status(error), message ? message : error_text(error), out);
    return error_status(error);
}

static const struct http_app app = {.admit = on_admit, .handle = on_request, .refuse = on_refuse};

/* --- the program --- */

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    event_base_loopexit(context, NULL);
}

static void open_log(void)
{
    const char *path = getenv("SCRIPTED_LOG");
    if (path) provider.log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (path && provider.log_fd < 0) abort();
}

static void forget_counters(void)
{
    for (size_t i = 0; i < provider.count; i++) free(provider.counters[i].model);
    free(provider.counters);
}

static int serve(const struct settings *settings)
{
    struct http_server *server = http_server_new(provider.base, settings, &app, NULL);
    int status = http_server_open(server) ? 1 : 0;
    if (!status) {
        printf("listening %u\n", http_server_port(server));
        fflush(stdout);
        event_base_dispatch(provider.base);
    }
    http_server_destroy(&server);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .http_address = "127.0.0.1",
        .http_port = argc > 1 ? strtoull(argv[1], NULL, 10) : 0,
        .connections_max = 8192,
        .client_header_timeout_s = 3600,
        .client_stall_ms = 3600000,
        .body_bytes_max = BODY_BYTES_MAX,
    };
    log_open("scripted-provider", "warn");
    open_log();
    signal(SIGPIPE, SIG_IGN);
    provider.base = event_base_new();
    struct event *term = evsignal_new(provider.base, SIGTERM, on_stop, provider.base);
    event_add(term, NULL);
    int status = serve(&settings);
    event_free(term);
    event_base_free(provider.base);
    forget_counters();
    return status;
}
