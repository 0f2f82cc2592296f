/* A worker's slots shared among gateways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/credits.h"

static void share(struct credit_account *accounts, size_t count, size_t slots)
{
    struct credit_account *list[4];
    for (size_t i = 0; i < count; i++) list[i] = &accounts[i];
    credits_share(list, count, slots);
}

static void lone_gateway_gets_every_slot(void **state)
{
    struct credit_account a = {.serving = true};
    (void)state;
    share(&a, 1, 8);
    assert_int_equal(credits_out(&a), 8);
    assert_true(a.due);
    assert_false(a.shared);
    credits_spend(&a);
    share(&a, 1, 8);
    assert_int_equal(a.granted, 8); /* its job still holds the slot */
    a.jobs--;
    share(&a, 1, 8);
    assert_int_equal(a.granted, 9);
}

static void second_gateway_gets_a_standby_at_once(void **state)
{
    struct credit_account accounts[2] = {{.serving = true}, {0}};
    (void)state;
    share(accounts, 2, 4);
    assert_int_equal(credits_out(&accounts[0]), 4);
    accounts[1].serving = true;
    share(accounts, 2, 4);
    assert_int_equal(credits_out(&accounts[1]), 1);
    assert_true(accounts[0].shared && accounts[0].due);
}

static void idle_gateways_keep_one_credit_each(void **state)
{
    struct credit_account accounts[3] = {{.serving = true}, {.serving = true}, {.serving = true}};
    (void)state;
    share(accounts, 3, 2); /* fewer slots than gateways: standbys may promise more */
    for (int i = 0; i < 3; i++) assert_int_equal(credits_out(&accounts[i]), 1);
}

static void free_slots_go_where_most_jobs_wait(void **state)
{
    struct credit_account accounts[2] = {{.serving = true}, {.serving = true}};
    (void)state;
    share(accounts, 2, 6);
    accounts[0].queued = 2;
    accounts[1].queued = 20;
    share(accounts, 2, 6);
    assert_int_equal(credits_out(&accounts[0]) + credits_out(&accounts[1]), 7); /* one standby over */
    assert_true(credits_out(&accounts[1]) > credits_out(&accounts[0]));
}

static void returned_credits_can_go_to_another(void **state)
{
    struct credit_account accounts[2] = {{.serving = true}, {0}};
    (void)state;
    share(accounts, 2, 4);
    accounts[1].serving = true;
    share(accounts, 2, 4);
    accounts[0].returned = 3; /* keeps one */
    accounts[1].queued = 10;
    share(accounts, 2, 4);
    assert_int_equal(credits_out(&accounts[0]), 1);
    assert_int_equal(credits_out(&accounts[1]), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lone_gateway_gets_every_slot),
        cmocka_unit_test(second_gateway_gets_a_standby_at_once),
        cmocka_unit_test(idle_gateways_keep_one_credit_each),
        cmocka_unit_test(free_slots_go_where_most_jobs_wait),
        cmocka_unit_test(returned_credits_can_go_to_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
