/* The link to a real Redis, through a proxy that does what networks do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/redis_link.h"
#include "tests/unit/gateway/redis_fixture.h"

#define WAIT_MS  20000 /* for what must come; only a failing test waits so long */
#define SLACK_MS 80    /* of a busy machine, on top of REDIS_TIMEOUT_MS */

static struct event_base *base;
static struct settings settings = {.redis_max_connections = 4, .redis_timeout_ms = 100};
static struct redis_link *redis;
static char url[128];

/* --- the loop --- */

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
}

/* Turns the loop until the condition holds. */
static bool turn_until(bool (*holds)(void))
{
    const struct timeval tick = {.tv_usec = 1000};
    struct event *ticker = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    uint64_t until_ms = clock_ms() + WAIT_MS;
    event_add(ticker, &tick);
    while (!holds() && clock_ms() < until_ms) event_base_loop(base, EVLOOP_ONCE);
    event_free(ticker);
    return holds();
}

static bool is_available(void)
{
    return redis_available(redis);
}

static bool is_away(void)
{
    return !redis_available(redis);
}

/* --- calls --- */

static struct {
    size_t asked, answered, hits, misses, away;
    uint64_t began_us, slowest_us;
    char value[64];
} seen;

static void on_answer(void *context, enum redis_outcome outcome, struct slice value)
{
    (void)context;
    seen.answered++;
    seen.hits += outcome == REDIS_HIT;
    seen.misses += outcome == REDIS_MISS;
    seen.away += outcome == REDIS_AWAY;
    seen.slowest_us = MAX(seen.slowest_us, clock_us() - seen.began_us);
    snprintf(seen.value, sizeof(seen.value), "%.*s", (int)value.len, value.ptr ? value.ptr : "");
}

static bool all_answered(void)
{
    return seen.answered == seen.asked;
}

static void ask(const char *key, size_t times)
{
    memset(&seen, 0, sizeof(seen));
    seen.began_us = clock_us();
    seen.asked = times;
    for (size_t i = 0; i < times; i++) redis_get(redis, slice_of(key), on_answer, NULL);
    assert_true(turn_until(all_answered));
}

static void assert_in_time(void)
{
    assert_in_range(seen.slowest_us / 1000, 0, settings.redis_timeout_ms + SLACK_MS);
}

/* --- the fixture --- */

static void link_open(const char *account)
{
    snprintf(url, sizeof(url), "redis://%s127.0.0.1:%u/3", account, proxy.port);
    settings.redis_url = url;
    assert_int_equal(redis_link_new(base, &settings, &redis), OK);
}

static int start(void **state, const char *const *options)
{
    (void)state;
    log_open("test", "error");
    metrics_reset();
    redis_start(options);
    base = event_base_new();
    proxy_open(base);
    return 0;
}

static int setup(void **state)
{
    start(state, NULL);
    link_open("");
    assert_true(turn_until(is_available));
    return 0;
}

static int setup_with_password(void **state)
{
    return start(state, (const char *const[]){"--requirepass", "s3:cret", NULL});
}

static int setup_full(void **state)
{
    start(state,
          (const char *const[]){"--maxmemory", "1", "--maxmemory-policy", "noeviction", NULL});
    link_open("");
    assert_true(turn_until(is_available));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    redis_link_destroy(&redis);
    proxy_close();
    event_base_free(base);
    redis_stop();
    return 0;
}

/* --- tests --- */

static void a_value_that_was_set_is_got_until_it_is_deleted(void **state)
{
    (void)state;
    ask("k", 1);
    assert_int_equal(seen.misses, 1);
    redis_set(redis, SLICE("k"), SLICE("value"), 60);
    ask("k", 1);
    assert_int_equal(seen.hits, 1);
    assert_string_equal(seen.value, "value");
    redis_delete(redis, SLICE("k"));
    ask("k", 1);
    assert_int_equal(seen.misses, 1);
}

static void many_calls_are_pipelined_over_more_connections(void **state)
{
    (void)state;
    redis_set(redis, SLICE("k"), SLICE("value"), 0);
    ask("k", 2000);
    assert_int_equal(seen.hits, 2000);
    ask("k", 2000);
    assert_in_range(metric_value(METRIC_REDIS_CONNECTIONS, NULL, NULL), 2, 4);
}

static void nobody_waits_for_a_redis_that_stands_still(void **state)
{
    (void)state;
    proxy_set(FROZEN);
    ask("k", 50);
    assert_int_equal(seen.away, 50);
    assert_in_time();
    assert_false(redis_available(redis));
    ask("k", 50);
    assert_int_equal(seen.away, 50);
    assert_true(seen.slowest_us < 5000);
    proxy_set(PASSES);
    assert_true(turn_until(is_available));
    ask("k", 1);
    assert_int_equal(seen.misses, 1);
}

static void a_freeze_shows_although_nobody_asks(void **state)
{
    (void)state;
    proxy_set(FROZEN);
    assert_true(turn_until(is_away));
    assert_true(metric_value(METRIC_REDIS_TROUBLE, "late", NULL) >= 1);
}

static void a_late_answer_reaches_nobody_else(void **state)
{
    (void)state;
    redis_set(redis, SLICE("a"), SLICE("of a"), 0);
    redis_set(redis, SLICE("b"), SLICE("of b"), 0);
    ask("a", 1);
    proxy_set(FROZEN);
    ask("a", 1);
    assert_int_equal(seen.away, 1);
    proxy_set(PASSES);
    assert_true(turn_until(is_available));
    ask("b", 3);
    assert_int_equal(seen.hits, 3);
    assert_string_equal(seen.value, "of b");
}

static void calls_under_way_are_answered_when_the_connection_is_cut(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    seen.began_us = clock_us();
    seen.asked = 10;
    for (int i = 0; i < 10; i++) redis_get(redis, SLICE("k"), on_answer, NULL);
    proxy_cut();
    assert_true(turn_until(all_answered));
    assert_int_equal(seen.away, 10);
    assert_in_time();
    assert_true(turn_until(is_available));
}

static void garbage_is_trouble(void **state)
{
    (void)state;
    proxy_set(GARBLES);
    ask("k", 5);
    assert_int_equal(seen.away, 5);
    assert_in_time();
    assert_true(metric_value(METRIC_REDIS_TROUBLE, "garbage", NULL) >= 1);
    proxy_set(PASSES);
    proxy_cut();
    assert_true(turn_until(is_available));
}

static void a_restarted_redis_is_found_again(void **state)
{
    (void)state;
    redis_stop();
    assert_true(turn_until(is_away));
    ask("k", 1);
    assert_int_equal(seen.away, 1);
    redis_start(NULL);
    assert_true(turn_until(is_available));
    ask("k", 1);
    assert_int_equal(seen.misses, 1);
}

static void a_full_redis_still_answers_and_the_refusals_are_counted(void **state)
{
    (void)state;
    redis_set(redis, SLICE("k"), SLICE("value"), 60);
    ask("k", 1);
    assert_int_equal(seen.misses, 1);
    assert_true(redis_available(redis));
    assert_int_equal(metric_value(METRIC_REDIS_REQUESTS, "set", "full"), 1);
}

static bool auth_failed(void)
{
    return metric_value(METRIC_REDIS_TROUBLE, "auth", NULL) >= 1;
}

static void a_password_opens_and_a_wrong_one_does_not(void **state)
{
    (void)state;
    link_open(":s3%3Acret@");
    assert_true(turn_until(is_available));
    redis_link_destroy(&redis);
    metrics_reset();
    link_open(":wrong@");
    assert_true(turn_until(auth_failed));
    assert_false(redis_available(redis));
    redis_link_destroy(&redis);
    metrics_reset();
    link_open("");
    assert_true(turn_until(auth_failed));
    assert_false(redis_available(redis));
}

static bool memory_told(void)
{
    return metric_value(METRIC_REDIS_USED_MEMORY, NULL, NULL) > 100000;
}

static void redis_tells_its_memory(void **state)
{
    (void)state;
    assert_true(turn_until(memory_told));
}

/* --- messages --- */

static struct {
    size_t empty, told;
    char last[32];
} heard;

static void on_message(void *context, struct slice message)
{
    (void)context;
    heard.empty += !message.len;
    heard.told += message.len > 0;
    snprintf(heard.last, sizeof(heard.last), "%.*s", (int)message.len,
             message.ptr ? message.ptr : "");
}

static bool subscribed(void)
{
    return heard.empty > 0;
}

static bool told(void)
{
    if (!heard.told) redis_publish(redis, "channel", SLICE("hello"));
    return heard.told > 0;
}

static void messages_arrive_and_a_gap_is_told(void **state)
{
    (void)state;
    memset(&heard, 0, sizeof(heard));
    redis_subscribe(redis, "channel", on_message, NULL);
    assert_true(turn_until(subscribed));
    assert_true(turn_until(told));
    assert_string_equal(heard.last, "hello");
    heard.empty = 0;
    proxy_cut();
    assert_true(turn_until(is_away));
    assert_true(turn_until(subscribed));
}

/* --- without Redis --- */

static void without_a_url_every_call_is_answered_at_once(void **state)
{
    struct redis_link *none;
    (void)state;
    base = event_base_new();
    settings.redis_url = "";
    assert_int_equal(redis_link_new(base, &settings, &none), OK);
    memset(&seen, 0, sizeof(seen));
    redis_get(none, SLICE("k"), on_answer, NULL);
    redis_set(none, SLICE("k"), SLICE("v"), 1);
    assert_int_equal(seen.away, 1);
    redis_link_destroy(&none);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(without_a_url_every_call_is_answered_at_once),
    };
#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_REDIS(a_value_that_was_set_is_got_until_it_is_deleted),
        WITH_REDIS(many_calls_are_pipelined_over_more_connections),
        WITH_REDIS(nobody_waits_for_a_redis_that_stands_still),
        WITH_REDIS(a_freeze_shows_although_nobody_asks),
        WITH_REDIS(a_late_answer_reaches_nobody_else),
        WITH_REDIS(calls_under_way_are_answered_when_the_connection_is_cut),
        WITH_REDIS(garbage_is_trouble),
        WITH_REDIS(a_restarted_redis_is_found_again),
        WITH_REDIS(redis_tells_its_memory),
        WITH_REDIS(messages_arrive_and_a_gap_is_told),
        cmocka_unit_test_setup_teardown(a_full_redis_still_answers_and_the_refusals_are_counted,
                                        setup_full, teardown),
        cmocka_unit_test_setup_teardown(a_password_opens_and_a_wrong_one_does_not,
                                        setup_with_password, teardown),
    };
    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    if (access(REDIS_SERVER, X_OK)) {
        puts("no redis-server here: the tests with Redis are skipped");
        return failed;
    }
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
