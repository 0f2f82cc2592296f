/* Bodies over their limit: the answer comes at once, and lasts until its client has stopped
 * sending. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway_fixture.h"

#define ANNOUNCED_BYTES (1 << 20)
#define ENDLESS_BYTES   ((size_t)64 << 20)

static char piece[65536];

/* Sends `bytes` of a body and reads nothing. Returns how many went before the connection broke. */
static size_t send_body(struct fixture *fixture, struct client *client, size_t bytes)
{
    size_t sent = 0;
    for (size_t turns = 0; sent < bytes && turns < TURNS_MAX; turns++) {
        ssize_t n = send(client->fd, piece, MIN(sizeof(piece), bytes - sent), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) break;
        if (n > 0) sent += (size_t)n;
        turn(fixture);
    }
    return sent;
}

static struct client ask_with_body_of(struct fixture *fixture, size_t bytes)
{
    struct client client = client_connect(fixture);
    char header[64];
    snprintf(header, sizeof(header), "Content-Length: %zu\r\n", bytes);
    memset(piece, ' ', sizeof(piece));
    client_ask(fixture, &client, "POST", "/api/agents/1/chat", header, NULL);
    return client;
}

static void a_client_that_waits_is_answered_before_it_sends(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask_with_body_of(fixture, ANNOUNCED_BYTES);
    TURN_UNTIL(fixture, client_has(&client, "body_too_large") && client.closed);
    assert_int_equal(client_status(&client), 413);
    client_close(&client);
}

static void a_client_that_sends_first_is_heard_out_and_answered(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask_with_body_of(fixture, ANNOUNCED_BYTES);
    assert_int_equal(send_body(fixture, &client, ANNOUNCED_BYTES), ANNOUNCED_BYTES);
    TURN_UNTIL(fixture, http_server_connections(fixture->gateway.http) == 0);
    TURN_UNTIL(fixture, client_has(&client, "body_too_large") && client.closed);
    assert_int_equal(client_status(&client), 413);
    client_close(&client);
}

static void a_client_that_never_stops_sending_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask_with_body_of(fixture, ENDLESS_BYTES);
    assert_true(send_body(fixture, &client, ENDLESS_BYTES) < ENDLESS_BYTES / 2);
    client_close(&client);
}

static void the_answer_keeps_its_headers(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.auth_mode = "jwt";
    fixture->settings.jwt_secret = "a secret of the tests, 32 bytes or more";
    auth_destroy(&fixture->gateway.auth);
    assert_int_equal(auth_new(&fixture->settings, &fixture->gateway.auth), OK);
    struct client client = ask_with_body_of(fixture, ANNOUNCED_BYTES);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 401);
    assert_non_null(strstr(client_text(&client), "WWW-Authenticate: Bearer"));
    client_close(&client);
}

#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_client_that_waits_is_answered_before_it_sends),
        HTTP_TEST(a_client_that_sends_first_is_heard_out_and_answered),
        HTTP_TEST(a_client_that_never_stops_sending_is_cut_off),
        HTTP_TEST(the_answer_keeps_its_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
