/* Between the HTTP server and the routes: finds the route, asks who calls and how often, says what
 * is refused, counts, and writes the closing line of every request whose handler does not write its
 * own. */
#include "common/clock.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/auth.h"
#include "gateway/openai_text.h"
#include "gateway/rate_gate.h"
#include "gateway/routes.h"

#include <stdio.h>

/* JSON needs room around and inside a document: escapes, other members, other documents. */
static uint64_t body_limit(const struct settings *settings, const struct route *route)
{
    if (openai_is_path(slice_of(route->path))) return settings->openai_body_bytes_max;
    return settings->body_bytes_max + (route->documents ? 2 * settings->document_bytes_max : 0);
}

/* Before the body is read: nobody's bytes are kept for somebody who may not send them. */
static err_t let_in(struct gateway *gateway, struct http_request *request)
{
    struct http_target *target = http_target(request);
    struct arena *arena = http_arena(request);
    enum scope needed = target->route->scope;
    if (needed == SCOPE_NONE) return OK;
    struct caller *caller = arena_alloc(arena, sizeof(*caller));
    err_t error = auth_check(gateway->auth, http_header(request, "Authorization"), needed,
                             clock_wall_ms(), arena, caller);
    if (error)
        http_add_header(request, "WWW-Authenticate", auth_challenge(error, needed, arena));
    else
        target->caller = caller;
    return error;
}

static err_t app_admit(void *context, struct http_request *request, uint64_t *body_bytes_max)
{
    struct gateway *gateway = context;
    struct http_target *target = http_target(request);
    char allow[ROUTE_ALLOW_SIZE];
    err_t error = route_find(http_method(request), http_path(request), target, allow);
    if (error == ERR_METHOD_NOT_ALLOWED) http_add_header(request, "Allow", allow);
    if (!error) error = let_in(gateway, request);
    if (!error) *body_bytes_max = body_limit(gateway->settings, target->route);
    return error;
}

static void hand_over(struct gateway *gateway, struct http_request *request)
{
    struct http_target *target = http_target(request);
    target->handed_over = true;
    target->route->handle(gateway, request);
}

/* A connection that was kept open may still ask while the gateway finishes what it has. A new one's
 * request was on its way when the gateway was told to stop: a balancer would not send it again. */
static void app_handle(void *context, struct http_request *request)
{
    struct gateway *gateway = context;
    const struct route *route = http_target(request)->route;
    if (gateway->draining && route->kind != KIND_COUNT && !http_is_first(request))
        http_reply_error(request, ERR_DRAINING, NULL);
    else if (route->limited)
        rate_gate(gateway, request, hand_over);
    else
        hand_over(gateway, request);
}

static void app_over(void *context, struct http_request *request)
{
    const struct http_target *target = http_target(request);
    const struct route *route = target->route;
    const char *name = route ? route->name : "none";
    uint64_t us = clock_us() - http_started_us(request);
    char status[16];
    (void)context;
    snprintf(status, sizeof(status), "%d", http_status(request));
    metric_add(METRIC_HTTP_REQUESTS, 1, name, status);
    metric_observe(METRIC_HTTP_SECONDS, (double)us / 1e6, name);
    if (route && route->kind == KIND_CHAT && target->handed_over) return;
    log_write(route && route->kind == KIND_COUNT ? LOG_DEBUG : LOG_INFO,
              "request=%s route=%s status=%s total=%.1fms", http_request_id(request), name,
              error_code(http_error(request)), (double)us / 1e3);
}

static void write_refusal(const struct http_request *request, err_t error, const char *message,
                          struct buffer *out)
{
    buffer_append_text(out, "{\"error\":{\"code\":");
    json_append_string(out, slice_of(error_code(error)));
    buffer_append_text(out, ",\"message\":");
    json_append_string(out, slice_of(message));
    buffer_append_text(out, ",\"request_id\":");
    json_append_string(out, slice_of(http_request_id(request)));
    buffer_append_text(out, "}}\n");
}

/* Clients of OpenAI's read its own shape, whatever it was that they asked for. */
static int app_refuse(void *context, const struct http_request *request, err_t error,
                      const char *message, struct buffer *out)
{
    (void)context;
    if (!message) message = error_text(error);
    if (openai_is_path(http_path(request))) return openai_refuse(error, message, out);
    write_refusal(request, error, message, out);
    return error_status(error);
}

const struct http_app gateway_app = {app_admit, app_handle, app_refuse, app_over};
