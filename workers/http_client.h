/* HTTP to providers: libcurl's multi interface on the worker's loop. Connections are kept warm,
 * HTTP/2 is spoken where it is offered, certificates are verified, names are resolved off the loop.
 *
 *     http_call_start ─▶ on_head ─▶ on_body … ─▶ on_end        http_call_cancel: nothing more
 *                                   │ ▲
 *                            false: ▼ │ http_call_resume
 *                                  waits
 *
 * All callbacks are on the loop, none from inside these functions, and a handler may call any of
 * them, for its own call or another. Redirects are not followed: a key goes where its agent says
 * and nowhere else. */
#ifndef MILLRACE_WORKERS_HTTP_CLIENT_H
#define MILLRACE_WORKERS_HTTP_CLIENT_H

#include <event2/event.h>

#include "common/errors.h"
#include "common/settings.h"

struct http_client;
struct http_call;

/* Reads PROVIDER_CONNECT_TIMEOUT_MS and PROVIDER_LINK_LOCAL. The settings must live on. */
struct http_client *http_client_new(struct event_base *base, const struct settings *settings);
/* Every call must have ended. */
void http_client_destroy(struct http_client **client);

struct http_call_handler {
    /* The status line and headers are in. retry_after_ms: of the header Retry-After, seconds or a
     * date; 0 where there is none. */
    void (*on_head)(void *context, int status, uint64_t retry_after_ms);
    /* Bytes of the body as they come. False: taken, but no more until http_call_resume. */
    bool (*on_body)(void *context, struct slice bytes);
    /* The last callback. OK: the response was received whole, as its framing says. Else
     * ERR_PROVIDER_ADDRESS (refused address, or no http/https URL), ERR_PROVIDER_AUTH (a header
     * with a line end in it: a key is wrong), ERR_PROVIDER_UNAVAILABLE (name, connection, TLS;
     * nothing was received), ERR_PROVIDER_BAD_RESPONSE (not HTTP), ERR_PROVIDER_CUT (ended before
     * its end). The call is freed before. May be called in the same turn as the last on_body; waits
     * for http_call_resume after an on_body that said false. */
    void (*on_end)(void *context, err_t error);
};

struct http_call_spec {
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; copied. NULL: none */
    struct slice body;          /* posted as JSON; copied */
};

/* Never fails at once: what is wrong with the URL is told by on_end. */
struct http_call *http_call_start(struct http_client *client, const struct http_call_spec *spec,
                                  const struct http_call_handler *handler, void *context);
/* Ends a call without another callback; its connection is closed before this returns (HTTP/2: its
 * stream is reset). Sets the pointer to NULL. */
void http_call_cancel(struct http_call **call);
/* Goes on after on_body said false. Calls nothing back by itself. */
void http_call_resume(struct http_call *call);

#endif
