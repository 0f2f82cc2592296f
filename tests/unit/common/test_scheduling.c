#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>

#include "common/scheduling.h"

static void a_process_keeps_its_policy_unless_batch_is_asked_for(void **state)
{
    (void)state;
    scheduling_set("other");
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    scheduling_set("batch");
    assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_keeps_its_policy_unless_batch_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
