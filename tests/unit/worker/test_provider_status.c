/* What a provider's status is called, and what follows from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/provider_status.h"

static void a_status_has_a_name_a_retry_or_none_and_a_weight_for_the_breaker(void **state)
{
    static const struct {
        int status;
        err_t error;
        bool passes, counts;
    } table[] = {
        {400, ERR_PROVIDER_REFUSED, false, false},
        {401, ERR_PROVIDER_AUTH, false, false},
        {403, ERR_PROVIDER_AUTH, false, false},
        {404, ERR_PROVIDER_MODEL, false, false},
        {408, ERR_PROVIDER_FAILED, true, true},
        {422, ERR_PROVIDER_REFUSED, false, false},
        {429, ERR_PROVIDER_RATE_LIMITED, true, false},
        {500, ERR_PROVIDER_FAILED, true, true},
        {529, ERR_PROVIDER_FAILED, true, true},
        {302, ERR_PROVIDER_BAD_RESPONSE, false, true},
        {999, ERR_PROVIDER_BAD_RESPONSE, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        err_t got = provider_status_error(table[i].status);
        assert_int_equal(got, table[i].error);
        assert_int_equal(provider_failure_passes(got), table[i].passes);
        assert_int_equal(provider_failure_counts(got), table[i].counts);
    }
}

static void what_no_status_tells_has_its_consequences_too(void **state)
{
    static const struct {
        err_t error;
        bool passes, counts;
    } table[] = {
        {ERR_PROVIDER_UNAVAILABLE, true, true}, {ERR_PROVIDER_CUT, true, true},
        {ERR_PROVIDER_TIMEOUT, false, true},    {ERR_PROVIDER_ADDRESS, false, false},
        {ERR_CANCELLED, false, false},          {OK, false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_int_equal(provider_failure_passes(table[i].error), table[i].passes);
        assert_int_equal(provider_failure_counts(table[i].error), table[i].counts);
    }
}

static void a_trouble_is_told_once(void **state)
{
    struct buffer list = {0};
    (void)state;
    provider_trouble_add("openai", ERR_PROVIDER_FAILED, &list);
    provider_trouble_add("mistral", ERR_PROVIDER_CUT, &list);
    provider_trouble_add("openai", ERR_PROVIDER_FAILED, &list);
    provider_trouble_add("openai", ERR_PROVIDER_CUT, &list);
    assert_true(
        slice_equal(buffer_slice(&list),
                    SLICE("openai: provider_failed, mistral: provider_cut, openai: provider_cut")));
    buffer_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_has_a_name_a_retry_or_none_and_a_weight_for_the_breaker),
        cmocka_unit_test(a_trouble_is_told_once),
        cmocka_unit_test(what_no_status_tells_has_its_consequences_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
