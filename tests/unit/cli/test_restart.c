#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deploy/cli/restart.h"

static void a_process_restarts_at_once_until_its_third_death_in_ten_seconds(void **state)
{
    static const struct {
        const char *label;
        uint64_t deaths[8]; /* times; 0 ends the list */
        uint64_t want[8];
    } cases[] = {
        {"a first death", {1000}, {0}},
        {"a second", {1000, 1001}, {0, 0}},
        {"pauses double from the third on", {1000, 1001, 1002, 1300, 1900}, {0, 0, 250, 500, 1000}},
        {"and stop growing",
         {1000, 1001, 1002, 1300, 1900, 3000, 5100, 9200},
         {0, 0, 250, 500, 1000, 2000, 4000, 4000}},
        {"a third just inside the window", {1000, 5000, 10999}, {0, 0, 250}},
        {"a third just past it", {1000, 5000, 11000}, {0, 0, 0}},
        {"calm forgets", {1000, 1001, 1002, 90000, 90001, 90002}, {0, 0, 250, 0, 0, 250}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct restart restart = {0};
        for (size_t j = 0; j < 8 && cases[i].deaths[j]; j++) {
            uint64_t got = restart_delay_ms(&restart, cases[i].deaths[j]);
            if (got != cases[i].want[j])
                fail_msg("%s: death %zu waits %ju", cases[i].label, j + 1, (uintmax_t)got);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_restarts_at_once_until_its_third_death_in_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
