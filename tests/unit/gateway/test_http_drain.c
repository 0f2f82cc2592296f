/* A gateway that was told to stop: who had connected before is served, who kept a connection is
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/http_internal.h"
#include "gateway_fixture.h"

#define CHAT "/api/agents/1/chat"

static void drain(struct fixture *fixture)
{
    fixture->gateway.draining = true;
    http_server_drain(fixture->gateway.http);
}

/* Asks what is refused without any worker, if it is looked at. */
static int ask_blank(struct fixture *fixture, struct client *client)
{
    client_ask(fixture, client, "POST", CHAT, "", "{\"message\":\" \"}");
    TURN_UNTIL(fixture, client_has_answer(client));
    return client_status(client);
}

static void who_has_connected_and_was_not_seen_yet_is_served(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[40];
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) clients[i] = client_connect(fixture);
    drain(fixture);
    assert_int_equal(http_server_connections(fixture->gateway.http), ARRAY_LEN(clients));
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        assert_int_equal(ask_blank(fixture, &clients[i]), 422);
        assert_true(client_has(&clients[i], "Connection: close"));
        client_close(&clients[i]);
    }
}

static void a_connection_that_was_kept_is_told_to_go_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    assert_int_equal(ask_blank(fixture, &client), 422);
    drain(fixture);
    assert_int_equal(ask_blank(fixture, &client), 503);
    assert_true(client_has(&client, "Retry-After: "));
    client_close(&client);
}

static void nobody_can_connect_any_more(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(fixture->gateway.http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    drain(fixture);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

static void a_request_on_its_way_is_awaited_for_a_moment(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    drain(fixture);
    assert_true(http_server_awaits(fixture->gateway.http));
    assert_int_equal(ask_blank(fixture, &client), 422);
    assert_false(http_server_awaits(fixture->gateway.http));
    client_close(&client);
}

static void who_connects_and_never_asks_holds_nobody_back(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    drain(fixture);
    fixture->gateway.http->drained_ms -= 1000;
    assert_false(http_server_awaits(fixture->gateway.http));
    client_close(&client);
}

#define DRAIN_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRAIN_TEST(who_has_connected_and_was_not_seen_yet_is_served),
        DRAIN_TEST(a_connection_that_was_kept_is_told_to_go_elsewhere),
        DRAIN_TEST(nobody_can_connect_any_more),
        DRAIN_TEST(a_request_on_its_way_is_awaited_for_a_moment),
        DRAIN_TEST(who_connects_and_never_asks_holds_nobody_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
