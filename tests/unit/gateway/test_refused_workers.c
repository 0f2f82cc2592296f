#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/refused_workers.h"

static void each_is_news_once(void **state)
{
    static const struct {
        enum pool pool;
        const char *address;
        uint64_t protocol, at_ms;
        bool news;
    } tries[] = {
        {POOL_EMBED, "10.0.0.1", 2, 1000, true},    {POOL_EMBED, "10.0.0.1", 2, 2000, false},
        {POOL_EMBED, "10.0.0.2", 2, 2000, true},    {POOL_EMBED, "10.0.0.1", 3, 2000, true},
        {POOL_GENERATE, "10.0.0.1", 2, 2000, true}, {POOL_EMBED, "10.0.0.1", 2, 3000, false},
    };
    struct refused_workers *refused = refused_workers_new();
    struct refused_worker got;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tries); i++)
        assert_int_equal(refused_workers_note(refused, tries[i].pool, tries[i].address,
                                              tries[i].protocol, tries[i].at_ms),
                         tries[i].news);
    assert_int_equal(refused_workers_count(refused, POOL_EMBED, 3000), 3);
    assert_int_equal(refused_workers_count(refused, POOL_RETRIEVE, 3000), 0);
    assert_true(refused_workers_at(refused, POOL_EMBED, 0, &got));
    assert_string_equal(got.address, "10.0.0.1");
    assert_int_equal(got.protocol, 2);
    assert_int_equal(got.times, 3);
    assert_int_equal(got.last_ms, 3000);
    assert_false(refused_workers_at(refused, POOL_EMBED, 3, &got));
    refused_workers_destroy(&refused);
}

static void one_that_tries_no_more_is_forgotten_and_news_again(void **state)
{
    struct refused_workers *refused = refused_workers_new();
    const uint64_t later = 1000 + REFUSED_FORGET_MS;
    (void)state;
    assert_true(refused_workers_note(refused, POOL_EMBED, "a", 2, 1000));
    assert_true(refused_workers_note(refused, POOL_EMBED, "b", 2, 2000));
    assert_int_equal(refused_workers_count(refused, POOL_EMBED, later), 2);
    assert_int_equal(refused_workers_count(refused, POOL_EMBED, later + 1), 1);
    assert_true(refused_workers_note(refused, POOL_EMBED, "a", 2, later + 1));
    refused_workers_destroy(&refused);
}

static void they_are_bounded_and_the_silent_make_room(void **state)
{
    struct refused_workers *refused = refused_workers_new();
    char address[16];
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(address, sizeof(address), "a%u", i);
        assert_true(refused_workers_note(refused, POOL_EMBED, address, 2, 1000 + i));
    }
    assert_int_equal(refused_workers_count(refused, POOL_EMBED, 2000), 64);
    assert_false(refused_workers_note(refused, POOL_EMBED, address, 2, 2000));
    refused_workers_destroy(&refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_news_once),
        cmocka_unit_test(one_that_tries_no_more_is_forgotten_and_news_again),
        cmocka_unit_test(they_are_bounded_and_the_silent_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
