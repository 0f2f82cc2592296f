#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deploy/cli/duration.h"

static void a_number_and_its_unit_are_seconds(void **state)
{
    static const struct {
        const char *text;
        uint64_t want;
    } table[] = {{"0s", 0},    {"90s", 90},      {"15m", 900},
                 {"1h", 3600}, {"30d", 2592000}, {"999999999d", UINT64_C(86399999913600)}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        uint64_t got;
        assert_true(duration_read(slice_of(table[i].text), &got));
        assert_int_equal(got, table[i].want);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const table[] = {"",    "h",    "1",  "1w", "-1h",         "1 h",
                                        "1hh", "1.5h", "1H", "h1", "1000000000s", "0x1h"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        uint64_t got = 7;
        if (duration_read(slice_of(table[i]), &got)) fail_msg("%s", table[i]);
        assert_int_equal(got, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_and_its_unit_are_seconds),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
