/* The switches: kept in a file, shared through a real Redis, the newest set wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/flags.h"
#include "tests/unit/gateway/redis_fixture.h"

#define WAIT_MS 20000

static struct event_base *base;
static char file[64], url[64];

/* A gateway's part in it. */
static struct side {
    struct settings settings;
    struct redis_link *redis;
    struct flags_store *flags;
} one, two;

static void side_open(struct side *side, const char *flags_file, const char *redis_url)
{
    side->settings = (struct settings){.redis_max_connections = 2,
                                       .redis_timeout_ms = 500,
                                       .redis_url = redis_url,
                                       .flags_file = flags_file};
    assert_int_equal(redis_link_new(base, &side->settings, &side->redis), OK);
    side->flags = flags_new(base, &side->settings, side->redis);
}

static void side_close(struct side *side)
{
    redis_link_destroy(&side->redis);
    flags_destroy(&side->flags);
}

static void set_streaming(struct side *side, bool on)
{
    struct flags change = {.streaming = on, .present = 1};
    flags_change(side->flags, &change, "test");
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
}

static void turn_until(bool (*holds)(void))
{
    const struct timeval tick = {.tv_usec = 1000};
    struct event *ticker = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    uint64_t until_ms = clock_ms() + WAIT_MS;
    event_add(ticker, &tick);
    while (!holds() && clock_ms() < until_ms) event_base_loop(base, EVLOOP_ONCE);
    event_free(ticker);
    assert_true(holds());
}

static bool both_available(void)
{
    return redis_available(one.redis) && redis_available(two.redis);
}

static bool two_streams(void)
{
    return flags_now(two.flags)->streaming;
}

static bool two_does_not_stream(void)
{
    return !two_streams();
}

static bool one_does_not_stream(void)
{
    return !flags_now(one.flags)->streaming;
}

static int setup(void **state)
{
    (void)state;
    log_open("test", "error");
    base = event_base_new();
    snprintf(file, sizeof(file), "/tmp/millrace-flags-%d.json", (int)getpid());
    unlink(file);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    event_base_free(base);
    unlink(file);
    redis_stop();
    return 0;
}

static void switches_are_on_until_somebody_turns_one_off(void **state)
{
    (void)state;
    side_open(&one, file, "");
    const struct flags *now = flags_now(one.flags);
    assert_true(now->streaming && now->cache && now->semantic_cache && now->dynamic_context);
    set_streaming(&one, false);
    assert_false(now->streaming);
    assert_true(now->cache && now->semantic_cache && now->dynamic_context);
    side_close(&one);
}

static void the_file_keeps_them_across_restarts(void **state)
{
    (void)state;
    side_open(&one, file, "");
    set_streaming(&one, false);
    side_close(&one);
    side_open(&one, file, "");
    assert_false(flags_now(one.flags)->streaming);
    assert_true(flags_now(one.flags)->cache);
    side_close(&one);
}

static void a_file_that_holds_no_flags_changes_nothing(void **state)
{
    static const char *const contents[] = {"", "{", "[]", "{\"streaming\":false}",
                                           "{\"streaming\":3,\"changed_at\":5}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        FILE *out = fopen(file, "w");
        fputs(contents[i], out);
        fclose(out);
        side_open(&one, file, "");
        assert_true(flags_now(one.flags)->streaming);
        side_close(&one);
    }
}

static void a_change_reaches_the_other_gateway(void **state)
{
    (void)state;
    redis_start(NULL);
    proxy_open(base);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", proxy.port);
    side_open(&one, "", url);
    side_open(&two, "", url);
    turn_until(both_available);
    set_streaming(&one, false);
    turn_until(two_does_not_stream);
    set_streaming(&one, true);
    turn_until(two_streams);
    side_close(&one);
    side_close(&two);
    proxy_close();
}

static void a_change_made_while_redis_was_away_is_made_good(void **state)
{
    (void)state;
    redis_start(NULL);
    proxy_open(base);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", proxy.port);
    side_open(&one, "", url);
    side_open(&two, "", url);
    turn_until(both_available);
    redis_stop();
    set_streaming(&one, false);
    redis_start(NULL);
    turn_until(two_does_not_stream);
    side_close(&one);
    side_close(&two);
    proxy_close();
}

static void what_redis_has_is_taken_over_at_the_start(void **state)
{
    (void)state;
    redis_start(NULL);
    proxy_open(base);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", proxy.port);
    side_open(&one, "", url);
    side_open(&two, "", url);
    turn_until(both_available);
    set_streaming(&two, false);
    turn_until(one_does_not_stream);
    side_close(&one);
    side_open(&one, file, url);
    assert_true(flags_now(one.flags)->streaming);
    turn_until(one_does_not_stream);
    side_close(&one);
    side_close(&two);
    side_open(&one, file, "");
    assert_false(flags_now(one.flags)->streaming);
    side_close(&one);
    proxy_close();
}

int main(void)
{
#define FLAGS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest alone[] = {
        FLAGS_TEST(switches_are_on_until_somebody_turns_one_off),
        FLAGS_TEST(the_file_keeps_them_across_restarts),
        FLAGS_TEST(a_file_that_holds_no_flags_changes_nothing),
    };
    const struct CMUnitTest shared[] = {
        FLAGS_TEST(a_change_reaches_the_other_gateway),
        FLAGS_TEST(a_change_made_while_redis_was_away_is_made_good),
        FLAGS_TEST(what_redis_has_is_taken_over_at_the_start),
    };
    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    if (access(REDIS_SERVER, X_OK)) {
        puts("no redis-server here: the tests with Redis are skipped");
        return failed;
    }
    return failed + cmocka_run_group_tests(shared, NULL, NULL);
}
