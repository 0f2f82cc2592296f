/* Which questions go past the embedders: those of portfolios that none of them serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/metrics.h"
#include "fake_lanes.h"
#include "gateway/embedders.h"

static void a_question_skips_the_stage_that_nobody_serves(void **state)
{
    static const struct {
        const char *serves, *embedder, *want;
        bool ready;
    } cases[] = {
        {"hashing-1", "hashing-1", "", true},
        {"use-multilingual-3,hashing-1", "hashing-1", "", true},
        {"hashing-1,use-multilingual-3", "hashing-1", "", true},
        {"hashing-1", "use-multilingual-3", "RG", true},
        {"use-multilingual-3,hashing-1", "hashing", "RG", true},
        {"hashing-12", "hashing-1", "RG", true},
        {"hashing-1,openai/", "openai/text-embedding-3-small/1536", "", true},
        {"hashing-1,openai/", "openai-compatible/m/8", "RG", true},
        {"hashing-1,/", "openai/m/8", "RG", true},
        {"", "hashing-1", "", true},            /* serves whatever comes */
        {"hashing-1", "", "", true},            /* a portfolio that names none */
        {"hashing-1", "openai/a/3", "", false}, /* may be starting */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_serves = cases[i].serves;
        fake_ready = cases[i].ready;
        double before = metric_value(METRIC_QUESTIONS_BY_WORDS, "chat", NULL);
        const char *got = embedder_itinerary(NULL, KIND_CHAT, slice_of(cases[i].embedder));
        assert_string_equal(got ? got : "", cases[i].want);
        bool counted = metric_value(METRIC_QUESTIONS_BY_WORDS, "chat", NULL) > before;
        assert_int_equal(counted, *cases[i].want == 'R');
    }
    fake_ready = true;
    fake_serves = "hashing-1";
    assert_string_equal(embedder_itinerary(NULL, KIND_SEARCH, SLICE("x")), "R");
    metrics_reset();
}

static void the_first_that_is_served_is_the_default(void **state)
{
    static const char *const cases[][2] = {{"", ""},
                                           {"hashing-1", "hashing-1"},
                                           {"use-multilingual-3,hashing-1", "use-multilingual-3"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_serves = cases[i][0];
        assert_true(slice_equal(embedder_default(NULL), slice_of(cases[i][1])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_skips_the_stage_that_nobody_serves),
        cmocka_unit_test(the_first_that_is_served_is_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
