/* What operators ask over real HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway_fixture.h"

static void readyz_is_503_until_every_pool_has_a_worker(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    fake_ready = false;
    client_ask(fixture, &client, "GET", "/readyz", "", NULL);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 503);
    fake_ready = true;
    client_ask(fixture, &client, "GET", "/readyz", "", NULL);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 200);
    assert_true(client_has(&client,
                           "{\"ready\":true,\"pools\":{\"embed\":true,\"retrieve\":true,"
                           "\"generate\":true},\"store\":\"ok\",\"embedder\":\"hashing-1\"}"));
    client_ask(fixture, &client, "GET", "/metrics", "", NULL);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_true(client_has(&client, "millrace_lane_oldest_seconds{pool=\"embed\"} 1.5\n"));
    assert_true(client_has(&client, "millrace_http_requests_total{route=\"readyz\",status=\"503\"} "
                                    "1\n"));
    fake_queued = 3;
    client_ask(fixture, &client, "GET", "/api/ops/pools", "", NULL);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_true(client_has(&client, "{\"pool\":\"embed\",\"queued\":3,"));
    assert_true(client_has(&client, "\"refused_workers\":[{\"address\":\"10.0.0.7\",\"protocol\":9,"
                                    "\"times\":3,"));
    client_close(&client);
}

static void readyz_says_how_the_store_is_without_the_words_of_the_retriever(void **state)
{
    static const struct {
        const char *trouble, *store;
        bool ready;
    } cases[] = {
        {"", "ok", true},
        {"store_unavailable: no route to db.internal", "store_unavailable", true},
        {"store_full: the store has no room", "store_full", true},
        {"store_failed: permission denied", "store_failed", true},
        {"something else", "internal", true},
        {"", "no_worker", false},
    };
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[64];
        fake_ready = cases[i].ready;
        fake_trouble = cases[i].trouble;
        snprintf(want, sizeof(want), "},\"store\":\"%s\",\"embedder\"", cases[i].store);
        client_ask(fixture, &client, "GET", "/readyz", "", NULL);
        TURN_UNTIL(fixture, client_has_answer(&client));
        assert_int_equal(client_status(&client), cases[i].ready ? 200 : 503);
        assert_true(client_has(&client, want));
        assert_false(client_has(&client, "db.internal"));
    }
    fake_ready = true;
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(readyz_is_503_until_every_pool_has_a_worker, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(
            readyz_says_how_the_store_is_without_the_words_of_the_retriever, fixture_open,
            fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
