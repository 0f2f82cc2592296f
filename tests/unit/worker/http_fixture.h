/* A server of a few lines on the test's own loop. It answers every request with the bytes that the
 * test gives it and keeps what it was sent; the test moves the loop until something has happened.
 */
#ifndef MILLRACE_TESTS_UNIT_WORKER_HTTP_FIXTURE_H
#define MILLRACE_TESTS_UNIT_WORKER_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "workers/http_client.h"

#define LOOP_S 20 /* a test that waits for longer has failed */

enum { PEERS_MAX = 64 };

struct server {
    int listener;
    unsigned port;
    struct event *accepting;
    struct event *reading[PEERS_MAX]; /* of connections, in the order in which they came */
    int peers[PEERS_MAX];             /* -1: closed */
    int count;
    struct slice early; /* to the first bytes of a request, once */
    struct slice reply; /* to every request */
    bool closes;        /* after it */
    struct buffer request;
    int requests;
};

struct fixture {
    struct event_base *base;
    struct settings settings;
    struct http_client *client;
    struct server server;
};

static void peer_close(struct server *server, int peer)
{
    if (server->peers[peer] < 0) return;
    event_free(server->reading[peer]);
    close(server->peers[peer]);
    server->peers[peer] = -1;
}

static void peer_send(struct server *server, int peer, struct slice bytes)
{
    while (bytes.len) {
        ssize_t sent = send(server->peers[peer], bytes.ptr, bytes.len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        bytes.ptr += sent;
        bytes.len -= (size_t)sent;
    }
}

/* Looks at the head alone: it is asked after each piece of bodies of megabytes. */
static bool request_is_whole(const struct buffer *request)
{
    const char *end = request->len ? memmem(request->data, request->len, "\r\n\r\n", 4) : NULL;
    if (!end) return false;
    size_t head = (size_t)(end - request->data);
    const char *length = memmem(request->data, head, "Content-Length: ", 16);
    return length && request->len >= head + 4 + strtoull(length + 16, NULL, 10);
}

static struct server *the_server;

static void on_peer(evutil_socket_t fd, short what, void *context)
{
    struct server *server = the_server;
    int peer = (int)(intptr_t)context;
    char bytes[65536];
    ssize_t len = recv(fd, bytes, sizeof(bytes), 0);
    (void)what;
    if (len <= 0) {
        peer_close(server, peer);
        return;
    }
    peer_send(server, peer, server->early);
    server->early = (struct slice){0};
    if (request_is_whole(&server->request)) server->request.len = 0; /* of the request before */
    buffer_append(&server->request, bytes, (size_t)len);
    if (!request_is_whole(&server->request)) return;
    server->requests++;
    peer_send(server, peer, server->reply);
    if (server->closes) peer_close(server, peer);
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
    struct server *server = the_server;
    int peer = server->count++;
    (void)what;
    assert_true(peer < PEERS_MAX);
    server->peers[peer] = accept(fd, NULL, NULL);
    server->reading[peer] = event_new(context, server->peers[peer], EV_READ | EV_PERSIST, on_peer,
                                      (void *)(intptr_t)peer);
    event_add(server->reading[peer], NULL);
}

static void server_open(struct server *server, struct event_base *base)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    the_server = server;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, PEERS_MAX), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
    server->accepting = event_new(base, server->listener, EV_READ | EV_PERSIST, on_accept, base);
    event_add(server->accepting, NULL);
}

static void server_close(struct server *server)
{
    for (int i = 0; i < server->count; i++) peer_close(server, i);
    event_free(server->accepting);
    close(server->listener);
    buffer_free(&server->request);
}

static int fixture_open(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->base = event_base_new();
    fixture->settings.provider_connect_timeout_ms = 3000;
    fixture->settings.provider_link_local = "refuse";
    fixture->client = http_client_new(fixture->base, &fixture->settings);
    server_open(&fixture->server, fixture->base);
    *state = fixture;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *fixture = *state;
    http_client_destroy(&fixture->client);
    server_close(&fixture->server);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

static void loop_until(struct fixture *fixture, bool (*done)(const void *), const void *context)
{
    time_t end = time(NULL) + LOOP_S;
    struct timeval tick = {1, 0};
    while (!done(context)) {
        event_base_loopexit(fixture->base, &tick);
        event_base_loop(fixture->base, EVLOOP_ONCE);
        assert_true(time(NULL) < end);
    }
}

/* --- a call, and what became of it --- */

struct outcome {
    struct http_call *call;
    int heads, status, ends;
    uint64_t retry_after_ms;
    struct buffer body;
    err_t error;
    bool pauses;           /* after each piece */
    bool cancels;          /* at the first piece */
    struct outcome *other; /* whose call is cancelled at the first piece */
    int pieces;
};

static void outcome_head(void *context, int status, uint64_t retry_after_ms)
{
    struct outcome *outcome = context;
    outcome->heads++;
    outcome->status = status;
    outcome->retry_after_ms = retry_after_ms;
}

static bool outcome_body(void *context, struct slice bytes)
{
    struct outcome *outcome = context;
    outcome->pieces++;
    buffer_append_slice(&outcome->body, bytes);
    if (outcome->cancels) http_call_cancel(&outcome->call);
    if (outcome->other && outcome->other->call) http_call_cancel(&outcome->other->call);
    return !outcome->pauses;
}

static void outcome_end(void *context, err_t error)
{
    struct outcome *outcome = context;
    outcome->ends++;
    outcome->error = error;
    outcome->call = NULL;
}

static const struct http_call_handler outcome_handler = {outcome_head, outcome_body, outcome_end};

static bool outcome_has_ended(const void *outcome)
{
    return ((const struct outcome *)outcome)->ends;
}

static bool outcome_has_body(const void *outcome)
{
    return ((const struct outcome *)outcome)->pieces;
}

static void call_url(struct fixture *fixture, const char *url, struct outcome *outcome)
{
    const char *const headers[] = {"Authorization: Bearer k", NULL};
    struct http_call_spec spec = {url, headers, SLICE("{\"a\":1}")};
    outcome->call = http_call_start(fixture->client, &spec, &outcome_handler, outcome);
    assert_int_equal(outcome->ends + outcome->heads, 0); /* nothing is told from inside */
}

static void call_server(struct fixture *fixture, struct outcome *outcome)
{
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1/x", fixture->server.port);
    call_url(fixture, url, outcome);
}

/* One call to its end, whose body is then `body` (NULL: any). */
static struct outcome ask(struct fixture *fixture, const char *reply, const char *body)
{
    struct outcome outcome = {0};
    fixture->server.reply = slice_of(reply);
    call_server(fixture, &outcome);
    loop_until(fixture, outcome_has_ended, &outcome);
    if (body && !slice_equal(buffer_slice(&outcome.body), slice_of(body)))
        fail_msg("body %.*s, want %s", (int)outcome.body.len, outcome.body.data, body);
    buffer_free(&outcome.body);
    return outcome;
}

#endif
