/* What is remembered of providers: bounded, by their ids, told to the operator while it matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/generator/endpoints.h"

static const struct breaker_limits limits = {.failures = 1, .open_ms = 100};

static void an_endpoint_is_found_again_by_its_id(void **state)
{
    struct endpoints *endpoints = endpoints_new();
    (void)state;
    endpoints_find(endpoints, 7, "openai", 0)->error = ERR_PROVIDER_FAILED;
    assert_int_equal(endpoints_find(endpoints, 8, "mistral", 0)->error, OK);
    assert_int_equal(endpoints_find(endpoints, 7, "openai", 0)->error, ERR_PROVIDER_FAILED);
    endpoints_destroy(&endpoints);
    assert_null(endpoints);
}

static void the_one_unused_for_longest_makes_room(void **state)
{
    struct endpoints *endpoints = endpoints_new();
    (void)state;
    for (uint64_t id = 1; id <= ENDPOINTS_MAX; id++)
        endpoints_find(endpoints, id, "openai", id)->error = ERR_PROVIDER_FAILED;
    endpoints_find(endpoints, 1, "openai", 5000); /* used again: the second is the oldest now */
    assert_int_equal(endpoints_find(endpoints, 9999, "openai", 5001)->error, OK);
    assert_int_equal(endpoints_find(endpoints, 1, "openai", 5002)->error, ERR_PROVIDER_FAILED);
    assert_int_equal(endpoints_find(endpoints, 2, "openai", 5003)->error, OK);
    endpoints_destroy(&endpoints);
}

static void assert_trouble(const struct endpoints *endpoints, uint64_t now_ms, const char *want,
                           uint64_t want_ms)
{
    struct buffer got = {0};
    assert_int_equal(endpoints_trouble(endpoints, now_ms, &got), want_ms);
    assert_true(slice_equal(buffer_slice(&got), slice_of(want)));
    buffer_free(&got);
}

static void trouble_lasts_as_long_as_a_breaker_is_open(void **state)
{
    struct endpoints *endpoints = endpoints_new();
    (void)state;
    static const struct {
        uint64_t id, at_ms;
        const char *provider;
        err_t error;
    } failed[] = {{1, 1000, "openai", ERR_PROVIDER_FAILED}, {2, 1050, "mistral", ERR_PROVIDER_CUT}};
    for (size_t i = 0; i < ARRAY_LEN(failed); i++) {
        struct endpoint *endpoint =
            endpoints_find(endpoints, failed[i].id, failed[i].provider, failed[i].at_ms);
        endpoint->error = failed[i].error;
        breaker_failure(&endpoint->breaker, &limits, failed[i].at_ms);
    }
    assert_trouble(endpoints, 1060, "openai: provider_failed, mistral: provider_cut", 40);
    assert_trouble(endpoints, 1100, "mistral: provider_cut", 50);
    assert_trouble(endpoints, 1150, "", 0);
    endpoints_destroy(&endpoints);
}

static void what_the_latest_models_refuse_is_known(void **state)
{
    struct endpoint endpoint = {.id = 1};
    const char *models[] = {"a", "b", "c", "d", "e"};
    (void)state;
    assert_int_equal(endpoint_left_out(&endpoint, SLICE("a")), 0);
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        endpoint_set_left_out(&endpoint, slice_of(models[i]), 1);
        endpoint_set_left_out(&endpoint, slice_of(models[i]), 2); /* takes no second place */
        assert_int_equal(endpoint_left_out(&endpoint, slice_of(models[i])), 2);
    }
    assert_int_equal(endpoint_left_out(&endpoint, SLICE("a")), 0);
    assert_int_equal(endpoint_left_out(&endpoint, SLICE("b")), 2);
    endpoint_set_left_out(&endpoint, SLICE("b"), 1); /* is the newest now */
    endpoint_set_left_out(&endpoint, SLICE("f"), 1);
    assert_int_equal(endpoint_left_out(&endpoint, SLICE("b")), 1);
    assert_int_equal(endpoint_left_out(&endpoint, SLICE("c")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_is_found_again_by_its_id),
        cmocka_unit_test(the_one_unused_for_longest_makes_room),
        cmocka_unit_test(trouble_lasts_as_long_as_a_breaker_is_open),
        cmocka_unit_test(what_the_latest_models_refuse_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
