/* A gateway in the test's own process: real HTTP on a port of its own, lanes played by the test
 * (fake_lanes.h), one loop turned by hand. Nothing sleeps: turns end when what was waited for is
 * there, and are bounded. */
#ifndef TEST_GATEWAY_FIXTURE_H
#define TEST_GATEWAY_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "fake_lanes.h"
#include "gateway/classified.h"
#include "gateway/directory.h"
#include "gateway/flags.h"
#include "gateway/gateway.h"
#include "gateway/generation.h"
#include "gateway/ingest_pump.h"
#include "gateway/rate_limit.h"
#include "gateway/recorder.h"
#include "gateway/redis_link.h"

#define TURNS_MAX 20000

struct fixture {
    struct settings settings;
    struct gateway gateway;
};

struct client {
    int fd;
    struct buffer in;
    bool closed;
};

static void fixture_settings(struct settings *settings)
{
    char *argv[] = {"test", NULL};
    assert_int_equal(settings_load(OF_GATEWAY, "test", 1, argv, settings, NULL), OK);
    settings->http_port = 0;
    settings->connections_max = 4096;
}

static int fixture_open(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct gateway *gateway = &fixture->gateway;
    log_open("test", "error");
    fixture_settings(&fixture->settings);
    gateway->settings = &fixture->settings;
    gateway->base = event_base_new();
    assert_int_equal(auth_new(&fixture->settings, &gateway->auth), OK);
    assert_int_equal(redis_link_new(gateway->base, &fixture->settings, &gateway->redis), OK);
    gateway->rate_limit = rate_limit_new(&fixture->settings, gateway->redis);
    gateway->flags = flags_new(gateway->base, &fixture->settings, gateway->redis);
    gateway->directory = directory_new(&fixture->settings, NULL, gateway->redis);
    gateway->claims = claims_new(gateway->base, &fixture->settings, NULL);
    gateway->recorder = recorder_new(gateway->base, &fixture->settings, NULL, gateway->claims);
    gateway->cache = cache_new(&fixture->settings, gateway->redis);
    gateway->generations = generations_new(NULL, gateway->cache, gateway->flags);
    gateway->classified = classified_new();
    gateway->pump = ingest_pump_new(gateway->base, NULL);
    gateway->http = http_server_new(gateway->base, &fixture->settings, &gateway_app, gateway);
    assert_int_equal(http_server_open(gateway->http), OK);
    *state = fixture;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *fixture = *state;
    struct gateway *gateway = &fixture->gateway;
    http_server_destroy(&gateway->http);
    fake_forget_all();
    classified_destroy(&gateway->classified);
    generations_destroy(&gateway->generations);
    cache_destroy(&gateway->cache);
    ingest_pump_destroy(&gateway->pump);
    recorder_destroy(&gateway->recorder);
    claims_destroy(&gateway->claims);
    directory_destroy(&gateway->directory);
    redis_link_destroy(&gateway->redis);
    rate_limit_destroy(&gateway->rate_limit);
    auth_destroy(&gateway->auth);
    flags_destroy(&gateway->flags);
    event_base_free(gateway->base);
    metrics_reset();
    free(fixture);
    return 0;
}

static void turn(struct fixture *fixture)
{
    event_base_loop(fixture->gateway.base, EVLOOP_NONBLOCK);
}

/* Turns the loop until `condition`; fails the test when it never comes. */
#define TURN_UNTIL(fixture, condition)                              \
    do {                                                            \
        size_t turns_ = 0;                                          \
        while (!(condition) && turns_++ < TURNS_MAX) turn(fixture); \
        if (!(condition)) fail_msg("never came: %s", #condition);   \
    } while (0)

/* --- the client --- */

static struct client client_connect(struct fixture *fixture)
{
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(fixture->gateway.http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(client.fd, (struct sockaddr *)&to, sizeof(to)), 0);
    fcntl(client.fd, F_SETFL, O_NONBLOCK);
    return client;
}

static void client_close(struct client *client)
{
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    buffer_free(&client->in);
}

static void client_send(struct fixture *fixture, struct client *client, const char *bytes,
                        size_t len)
{
    for (size_t turns = 0; len && turns < TURNS_MAX; turns++) {
        ssize_t n = send(client->fd, bytes, len, MSG_NOSIGNAL);
        if (n > 0) bytes += n, len -= (size_t)n;
        if (n < 0 && errno != EAGAIN) return; /* the server has closed */
        turn(fixture);
    }
}

static void client_read(struct client *client)
{
    char piece[65536];
    ssize_t n;
    while ((n = recv(client->fd, piece, sizeof(piece), 0)) > 0)
        buffer_append(&client->in, piece, (size_t)n);
    if (n == 0 || (n < 0 && errno != EAGAIN)) client->closed = true;
}

static bool client_has(struct client *client, const char *text)
{
    client_read(client);
    return client->in.len && memmem(client->in.data, client->in.len, text, strlen(text));
}

/* True when one whole answer with Content-Length, or one that ends with the last chunk, is in. */
static bool client_has_answer(struct client *client)
{
    client_read(client);
    if (client->closed) return true;
    const char *head = client->in.data;
    const char *end = client->in.len ? memmem(head, client->in.len, "\r\n\r\n", 4) : NULL;
    if (!end) return false;
    const char *length = memmem(head, (size_t)(end - head), "Content-Length: ", 16);
    size_t body = client->in.len - (size_t)(end + 4 - head);
    if (length) return body >= strtoul(length + 16, NULL, 10);
    if (!memmem(head, (size_t)(end - head), "chunked", 7)) return true; /* no body at all */
    return body >= 5 && !memcmp(head + client->in.len - 5, "0\r\n\r\n", 5);
}

static void client_ask(struct fixture *fixture, struct client *client, const char *method,
                       const char *path, const char *headers, const char *body)
{
    struct buffer out = {0};
    buffer_printf(&out, "%s %s HTTP/1.1\r\nHost: test\r\n%s", method, path, headers);
    if (body) buffer_printf(&out, "Content-Length: %zu\r\n", strlen(body));
    buffer_append_text(&out, "\r\n");
    if (body) buffer_append_text(&out, body);
    client->in.len = 0;
    client_send(fixture, client, out.data, out.len);
    buffer_free(&out);
}

static int client_status(const struct client *client)
{
    int status = 0;
    if (client->in.len > 12) sscanf(client->in.data, "HTTP/1.%*d %d", &status);
    return status;
}

/* What was received, with a NUL behind it. */
static inline const char *client_text(struct client *client)
{
    buffer_append_char(&client->in, '\0');
    client->in.len--;
    return client->in.data;
}

#endif
