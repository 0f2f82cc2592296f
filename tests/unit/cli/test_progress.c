#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deploy/cli/progress.h"

static void a_line_shows_share_rate_and_time_left(void **state)
{
    static const struct {
        const char *label;
        struct progress progress;
        size_t done;
        uint64_t bytes, elapsed_ms;
        bool bar;
        size_t width;
        const char *want;
    } cases[] = {
        {"half of the bytes",
         {"loading", 10, 8000000},
         3,
         4000000,
         2000,
         false,
         200,
         "loading  50% 3/10 files, 2/s, 2.0 MB/s, 0:02 left"},
        {"files alone",
         {"vectors", 10, 0},
         5,
         0,
         60000,
         false,
         200,
         "vectors  50% 5/10 files, 0/s, 1:00 left"},
        {"chunks",
         {.what = "notes, hashing-1", .total = 10, .unit = "chunks"},
         5,
         0,
         1000,
         false,
         200,
         "notes, hashing-1  50% 5/10 chunks, 5/s, 0:01 left"},
        {"hours",
         {"vectors", 100, 0},
         1,
         0,
         60000,
         false,
         200,
         "vectors   1% 1/100 files, 0/s, 1:39:00 left"},
        {"nothing yet",
         {"loading", 10, 100},
         0,
         0,
         100,
         false,
         200,
         "loading   0% 0/10 files, 0/s, 0.0 MB/s, ? left"},
        {"more than was told",
         {"loading", 1, 10},
         1,
         20,
         1000,
         false,
         200,
         "loading 100% 1/1 files, 1/s, 0.0 MB/s, 0:00 left"},
        {"a bar where it fits",
         {"vectors", 10, 0},
         5,
         0,
         1000,
         true,
         63,
         "vectors [##########..........]  50% 5/10 files, 5/s, 0:01 left"},
        {"none where it does not",
         {"vectors", 10, 0},
         5,
         0,
         1000,
         true,
         45,
         "vectors  50% 5/10 files, 5/s, 0:01 left"},
        {"never wider than the terminal",
         {"vectors", 10, 0},
         5,
         0,
         1000,
         true,
         21,
         "vectors  50% 5/10 fi"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[256];
        progress_format(&cases[i].progress, cases[i].done, cases[i].bytes, cases[i].elapsed_ms,
                        cases[i].bar, cases[i].width, got, sizeof(got));
        if (strcmp(got, cases[i].want) != 0) fail_msg("%s: \"%s\"", cases[i].label, got);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_shows_share_rate_and_time_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
