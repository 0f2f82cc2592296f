/* Gateways that limit together through a real Redis, and each alone while it is away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/rate_limit.h"
#include "redis_fixture.h"

#define BURST 3

enum { PATIENCE_MS = 5000, SLACK_MS = 250 };

/* One a minute: no test lasts long enough for another. */
static struct settings settings = {.redis_max_connections = 2,
                                   .redis_timeout_ms = 20,
                                   .rate_limit_per_minute = 1,
                                   .rate_limit_burst = BURST};
static const struct caller ana = {SLICE("acme"), SLICE("ana"), SCOPE_CHAT};
static struct event_base *base;
static char url[64];

static struct side {
    struct redis_link *redis;
    struct rate_limit *limit;
} one, other;

static void side_open(struct side *side)
{
    assert_int_equal(redis_link_new(base, &settings, &side->redis), OK);
    side->limit = rate_limit_new(&settings, side->redis);
}

static void side_close(struct side *side)
{
    redis_link_destroy(&side->redis);
    rate_limit_destroy(&side->limit);
}

static void turn_until_available(const struct side *side)
{
    uint64_t until = clock_ms() + PATIENCE_MS;
    while (!redis_available(side->redis) && clock_ms() < until) event_base_loop(base, EVLOOP_ONCE);
    assert_true(redis_available(side->redis));
}

static struct {
    struct gcra_verdict verdict;
    size_t count;
} told;

static void on_verdict(void *context, const struct gcra_verdict *verdict)
{
    (void)context;
    told.verdict = *verdict;
    told.count++;
}

static struct gcra_verdict take(const struct side *side, const struct caller *caller)
{
    uint64_t began_ms = clock_ms();
    told.count = 0;
    rate_limit_take(side->limit, caller, on_verdict, NULL);
    while (!told.count && clock_ms() < began_ms + PATIENCE_MS) event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(told.count, 1);
    assert_in_range(clock_ms() - began_ms, 0, settings.redis_timeout_ms + SLACK_MS);
    return told.verdict;
}

static int setup_alone(void **state)
{
    (void)state;
    log_open("test", "error");
    metrics_reset();
    base = event_base_new();
    settings.redis_url = "";
    side_open(&one);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    log_open("test", "error");
    metrics_reset();
    redis_start(NULL);
    base = event_base_new();
    proxy_open(base);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", proxy.port);
    settings.redis_url = url;
    side_open(&one);
    side_open(&other);
    turn_until_available(&one);
    turn_until_available(&other);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    side_close(&one);
    if (other.limit) side_close(&other);
    if (redis_pid) proxy_close();
    event_base_free(base);
    redis_stop();
    return 0;
}

static void without_redis_a_gateway_counts_for_itself(void **state)
{
    const struct caller of_another_tenant = {SLICE("other"), SLICE("ana"), SCOPE_CHAT};
    const struct caller run_together = {SLICE("acmea"), SLICE("na"), SCOPE_CHAT};
    (void)state;
    for (uint64_t left = BURST; left-- > 0;) {
        struct gcra_verdict got = take(&one, &ana);
        assert_true(got.allowed);
        assert_int_equal(got.remaining, left);
    }
    assert_false(take(&one, &ana).allowed);
    assert_true(take(&one, &of_another_tenant).allowed);
    assert_true(take(&one, &run_together).allowed);
    assert_int_equal(metric_value(METRIC_RATE_LIMITED, "local", NULL), 1);
}

static void gateways_share_one_limit_through_redis(void **state)
{
    (void)state;
    assert_int_equal(take(&one, &ana).remaining, 2);
    assert_int_equal(take(&other, &ana).remaining, 1);
    assert_int_equal(take(&one, &ana).remaining, 0);
    for (int i = 0; i < 3; i++) {
        struct gcra_verdict got = take(i % 2 ? &one : &other, &ana);
        assert_false(got.allowed);
        assert_in_range(got.retry_us, 50000000, 60000000);
    }
    assert_int_equal(metric_value(METRIC_RATE_LIMITED, "redis", NULL), 3);
}

static void nobody_starts_anew_when_redis_goes(void **state)
{
    (void)state;
    assert_true(take(&one, &ana).allowed);
    assert_true(take(&one, &ana).allowed);
    proxy_set(FROZEN);
    assert_int_equal(take(&one, &ana).remaining, 0);
    assert_false(redis_available(one.redis));
    assert_false(take(&one, &ana).allowed);
    assert_int_equal(metric_value(METRIC_RATE_LIMITED, "local", NULL), 1);
    proxy_cut();
    proxy_set(PASSES);
    turn_until_available(&one);
    assert_true(take(&one, &ana).allowed); /* what Redis has not seen it does not count */
}

static void answers_that_are_none_leave_the_count_to_the_gateway(void **state)
{
    (void)state;
    proxy_set(GARBLES);
    assert_true(take(&one, &ana).allowed);
    assert_int_equal(take(&one, &ana).remaining, 1);
}

#define RATE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_redis_a_gateway_counts_for_itself, setup_alone,
                                        teardown),
        RATE_TEST(gateways_share_one_limit_through_redis),
        RATE_TEST(nobody_starts_anew_when_redis_goes),
        RATE_TEST(answers_that_are_none_leave_the_count_to_the_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
