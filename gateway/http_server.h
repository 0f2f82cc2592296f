/* HTTP on the loop: libmicrohttpd in its external-epoll mode, its epoll descriptor one event.
 *
 * An exchange lives from its headers to `on_end`:
 *
 *     headers ─ admit ─ body ─ handle ─┬─ http_reply ───────────────┬─ on_end(HTTP_SENT)
 *                 │                    └─ http_stream, read, read … ─┤
 *                 └ refused: the body is skipped, the error sent     └─ on_end(HTTP_GONE,
 * HTTP_STALLED)
 *
 * Between `handle` and the reply, and while a stream has nothing to say, the connection is
 * suspended. libmicrohttpd does not notice then that its client goes, so every connection is
 * watched for that on the loop itself: on_end comes within one turn.
 *
 * libmicrohttpd's own timeouts are off, since they know no slow sender nor a stream at rest. One
 * sweep over the connections judges all of them (see http_server.c). */
#ifndef MILLRACE_GATEWAY_HTTP_SERVER_H
#define MILLRACE_GATEWAY_HTTP_SERVER_H

#include <event2/event.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/errors.h"
#include "common/settings.h"

#define HTTP_REQUEST_ID_MAX 64

struct http_server;
struct http_request;
struct route;
struct caller;

/* Where a request goes and who sent it; for the program to set in `admit` and read later. */
struct http_target {
    const struct route *route;   /* NULL: nowhere */
    uint64_t ids[2];             /* from the path, in its order */
    const struct caller *caller; /* in http_arena; NULL on routes that are open to all */
    bool handed_over;            /* the route's handler has it */
};

/* What the server asks of the program behind it. */
struct http_app {
    /* The headers are in. An error refuses the request; else *body_bytes_max limits its body.
     * It may set http_target and read what the headers say. */
    err_t (*admit)(void *context, struct http_request *request, uint64_t *body_bytes_max);
    /* The whole request is in: reply now or later, exactly once. */
    void (*handle)(void *context, struct http_request *request);
    /* Appends what a refused request is told, as JSON, and returns the status. `message` NULL: the
     * error's own text. */
    int (*refuse)(void *context, const struct http_request *request, err_t error,
                  const char *message, struct buffer *out);
    /* An exchange is over, after its own on_end: for the log and the counters. */
    void (*over)(void *context, struct http_request *request);
};

struct http_server *http_server_new(struct event_base *base, const struct settings *settings,
                                    const struct http_app *app, void *context);
/* Listens. ERR_BAD_SETTING (logged, with the address) when it cannot. */
err_t http_server_open(struct http_server *server) MUST_USE;
/* The port that it listens on. */
unsigned http_server_port(const struct http_server *server);
/* Closes the listening socket; open connections are closed after their next answer. */
void http_server_drain(struct http_server *server);
/* Whether the drain should wait for a request that may be on its way: somebody has connected and
 * not asked yet. False after a second. */
bool http_server_awaits(const struct http_server *server);
/* Exchanges that are not over. */
size_t http_server_requests(const struct http_server *server);
size_t http_server_connections(const struct http_server *server);
/* Ends all exchanges (on_end is called) and connections. */
void http_server_destroy(struct http_server **server);

/* --- what the client sent; valid until the exchange is over or http_release --- */
struct slice http_method(const struct http_request *request);
struct slice http_path(const struct http_request *request); /* percent-decoded */
struct slice http_body(const struct http_request *request);
/* A header's value, or NULL. */
const char *http_header(const struct http_request *request, const char *name);
/* A query parameter's value, percent-decoded; NULL when absent or without a value. */
const char *http_query(const struct http_request *request, const char *name);
/* The client's X-Request-Id if it is a sound one, else random. Valid until the exchange is over. */
const char *http_request_id(const struct http_request *request);
/* When the headers arrived, clock_us(). */
uint64_t http_started_us(const struct http_request *request);
/* Whether it is the first of its connection: during a drain, one that was on its way. */
bool http_is_first(const struct http_request *request);
/* The error that was answered; ERR_CANCELLED while nothing was. */
err_t http_error(const struct http_request *request);
/* The status that was sent, 0 before. */
int http_status(const struct http_request *request);
/* Memory that lives as long as the exchange. */
struct arena *http_arena(struct http_request *request);
struct http_target *http_target(struct http_request *request);
/* Frees arena, path and body: called once a stream that may stay for long has begun. */
void http_release(struct http_request *request);

/* --- the answer --- */
enum http_end {
    HTTP_SENT,    /* the whole answer was written */
    HTTP_GONE,    /* the client went before */
    HTTP_STALLED, /* the client took nothing for CLIENT_STALL_MS while data waited */
};
/* Called once, when the exchange is over; `request` is invalid then. Optional. */
void http_on_end(struct http_request *request, void (*on_end)(void *context, enum http_end end),
                 void *context);
/* Adds a header to the answer. Before http_reply or http_stream. Copied. */
void http_add_header(struct http_request *request, const char *name, const char *value);
/* Answers. The buffer is taken and emptied; `type` is its Content-Type, NULL for no body. */
void http_reply(struct http_request *request, int status, const char *type, struct buffer *body);
/* Answers with what the program says of the error (`refuse`); Retry-After on 503 and on a 409 that
 * passes. `message` NULL: the error's own text. */
void http_reply_error(struct http_request *request, err_t error, const char *message);

#define HTTP_STREAM_END (-1)
/* Answers 200 with text/event-stream. `read` writes at most `max` (at least 128) bytes and returns
 * how many; 0 when there is nothing now: then http_stream_wake tells that there is; HTTP_STREAM_END
 * ends it. It is called as the client takes what was written before. A comment goes out after 15 s
 * without anything else. */
void http_stream(struct http_request *request,
                 ssize_t (*read)(void *context, char *out, size_t max), void *context);
void http_stream_wake(struct http_request *request);

#endif
