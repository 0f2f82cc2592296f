#include "gateway/rate_gate.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/rate_limit.h"

struct waiting {
    struct gateway *gateway;
    struct http_request *http; /* NULL once the exchange is over */
    void (*pass)(struct gateway *gateway, struct http_request *request);
};

static void on_http_end(void *context, enum http_end end)
{
    struct waiting *waiting = context;
    (void)end;
    waiting->http = NULL;
}

static void add_number(struct http_request *request, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%ju", (uintmax_t)number);
    http_add_header(request, name, text);
}

static uint64_t seconds(uint64_t us)
{
    return (us + 999999) / 1000000;
}

static void add_headers(const struct waiting *waiting, const struct gcra_verdict *verdict)
{
    add_number(waiting->http, "RateLimit-Limit", rate_limit_burst(waiting->gateway->rate_limit));
    add_number(waiting->http, "RateLimit-Remaining", verdict->remaining);
    add_number(waiting->http, "RateLimit-Reset", seconds(verdict->reset_us));
    if (!verdict->allowed) add_number(waiting->http, "Retry-After", seconds(verdict->retry_us));
}

static void on_verdict(void *context, const struct gcra_verdict *verdict)
{
    struct waiting *waiting = context;
    struct http_request *request = waiting->http;
    if (request) {
        http_on_end(request, NULL, NULL);
        add_headers(waiting, verdict);
    }
    if (request && verdict->allowed)
        waiting->pass(waiting->gateway, request);
    else if (request)
        http_reply_error(request, ERR_RATE_LIMITED, NULL);
    free(waiting);
}

void rate_gate(struct gateway *gateway, struct http_request *request,
               void (*pass)(struct gateway *gateway, struct http_request *request))
{
    if (!rate_limit_is_on(gateway->rate_limit)) {
        pass(gateway, request);
        return;
    }
    struct waiting *waiting = xcalloc(1, sizeof(*waiting));
    *waiting = (struct waiting){gateway, request, pass};
    http_on_end(request, on_http_end, waiting);
    rate_limit_take(gateway->rate_limit, http_target(request)->caller, on_verdict, waiting);
}
