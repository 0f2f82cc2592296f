/* What heartbeats tell of workers' counts, and what the operator's metric makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/metrics.h"
#include "gateway/worker_counts.h"

static int setup(void **state)
{
    metrics_reset();
    *state = worker_counts_new();
    return 0;
}

static int tear_down(void **state)
{
    struct worker_counts *counts = *state;
    worker_counts_free(&counts);
    metrics_reset();
    return 0;
}

static void tell(struct worker_counts *counts, enum pool pool, uint64_t boot, const char *event,
                 uint64_t value)
{
    struct count_of total = {.name = slice_of(event), .value = value};
    worker_counts_take(counts, pool, boot, &(struct list){&total, 1});
}

static void assert_events(const char *pool, const char *event, unsigned want)
{
    assert_int_equal((unsigned)metric_value(METRIC_WORKER_EVENTS, pool, event), want);
}

static void counts_of_two_workers_are_added(void **state)
{
    tell(*state, POOL_GENERATE, 1, "retried", 5);
    tell(*state, POOL_GENERATE, 2, "retried", 3);
    tell(*state, POOL_GENERATE, 1, "retried", 6);
    assert_events("generate", "retried", 9);
}

static void count_told_again_adds_nothing(void **state)
{
    tell(*state, POOL_GENERATE, 1, "retried", 5);
    tell(*state, POOL_GENERATE, 1, "retried", 5);
    assert_events("generate", "retried", 5);
}

static void worker_started_again_counts_from_nothing(void **state)
{
    tell(*state, POOL_EMBED, 1, "batches", 100);
    tell(*state, POOL_EMBED, 2, "batches", 1);
    assert_events("embed", "batches", 101);
}

static void total_that_falls_changes_nothing(void **state)
{
    tell(*state, POOL_EMBED, 1, "batches", 100);
    tell(*state, POOL_EMBED, 1, "batches", 50);
    tell(*state, POOL_EMBED, 1, "batches", 101);
    assert_events("embed", "batches", 101);
}

static void events_are_told_apart_by_name_and_pool(void **state)
{
    tell(*state, POOL_EMBED, 1, "retried", 1);
    tell(*state, POOL_EMBED, 1, "retried_late", 2);
    tell(*state, POOL_GENERATE, 2, "retried", 4);
    assert_events("embed", "retried", 1);
    assert_events("embed", "retried_late", 2);
    assert_events("generate", "retried", 4);
}

static void names_past_the_limits_are_ignored(void **state)
{
    char name[64];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "event_%u", i);
        tell(*state, POOL_EMBED, 1, name, 1);
    }
    assert_events("embed", "event_31", 1);
    assert_events("embed", "event_32", 0);
    memset(name, 'n', 48);
    name[48] = '\0';
    tell(*state, POOL_EMBED, 2, name, 1);
    assert_events("embed", name, 0);
}

static void worker_longest_unheard_makes_room_for_the_next(void **state)
{
    for (uint64_t boot = 1; boot <= 256; boot++) tell(*state, POOL_EMBED, boot, "batches", 1);
    tell(*state, POOL_EMBED, 1, "batches", 1);   /* heard again: boot 2 is the longest unheard */
    tell(*state, POOL_EMBED, 257, "batches", 1); /* takes its place */
    tell(*state, POOL_EMBED, 1, "batches", 2);
    assert_events("embed", "batches", 258);
    tell(*state, POOL_EMBED, 2, "batches", 1);
    assert_events("embed", "batches", 259);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(counts_of_two_workers_are_added),
        TEST(count_told_again_adds_nothing),
        TEST(worker_started_again_counts_from_nothing),
        TEST(total_that_falls_changes_nothing),
        TEST(events_are_told_apart_by_name_and_pool),
        TEST(names_past_the_limits_are_ignored),
        TEST(worker_longest_unheard_makes_room_for_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
