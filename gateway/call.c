#include "gateway/call.h"

#include <stdlib.h>

void call_settle(struct call *call)
{
    if (!call->http && !call->waiting) free(call);
}

static void on_http_end(void *context, enum http_end end)
{
    struct call *call = context;
    (void)end;
    call->http = NULL;
    if (call->waiting && call->job && !call->goes_on) job_cancel(call->gateway->lanes, call->job);
    call_settle(call);
}

static void on_job_end(void *context, const struct job_end *end)
{
    struct call *call = context;
    call->waiting = false;
    call->on_end(call, end);
    call_settle(call);
}

static const struct job_handler call_handler = {.on_end = on_job_end};

void call_open(struct call *call, struct gateway *gateway, struct http_request *request)
{
    call->gateway = gateway;
    call->http = request;
    http_on_end(request, on_http_end, call);
}

err_t call_submit(struct call *call, struct job_spec *spec)
{
    spec->trace = http_request_id(call->http);
    err_t error = job_submit(call->gateway->lanes, spec, &call_handler, call, &call->job);
    call->waiting = !error;
    return error;
}
