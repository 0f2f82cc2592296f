/* Invalidation: a new version and nothing else, told to everybody who listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store_fixture.h"

#define TENANT_NAME "team"

static void an_invalidated_portfolio_has_the_next_version_and_the_same_content(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, "");
    struct select select = {.id = id};
    struct portfolio before, after;
    struct document document;
    assert_int_equal(put_document(f, id, "a", "Some words.", &document), OK);
    assert_int_equal(call(f, KIND_PORTFOLIO_GET, &select, &before), OK);
    assert_int_equal(call(f, KIND_PORTFOLIO_INVALIDATE, &select, &after), OK);
    assert_int_equal(after.version, before.version + 1);
    assert_int_equal(after.documents, before.documents);
    assert_int_equal(after.chunks, before.chunks);
}

static void an_invalidated_agent_has_the_next_version_and_the_same_members(void **state)
{
    struct fixture *f = *state;
    struct put_agent put = {.tenant = SLICE(TENANT_NAME),
                            .agent = {.name = SLICE("one"), .provider = SLICE("extractive")}};
    struct agent before, after;
    assert_int_equal(call(f, KIND_AGENT_CREATE, &put, &before), OK);
    struct select select = {.tenant = SLICE(TENANT_NAME), .id = before.id};
    assert_int_equal(call(f, KIND_AGENT_INVALIDATE, &select, &after), OK);
    assert_int_equal(after.version, before.version + 1);
    assert_text(after.name, "one");
    assert_text(after.provider, "extractive");
}

static void what_is_not_there_or_another_tenants_is_not_invalidated(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, TENANT_NAME);
    struct select foreign = {.tenant = SLICE("others"), .id = id};
    struct select missing = {.tenant = SLICE(TENANT_NAME), .id = 999};
    struct portfolio portfolio;
    struct agent agent;
    assert_int_equal(call(f, KIND_PORTFOLIO_INVALIDATE, &foreign, &portfolio),
                     ERR_PORTFOLIO_NOT_FOUND);
    assert_int_equal(call(f, KIND_PORTFOLIO_INVALIDATE, &missing, &portfolio),
                     ERR_PORTFOLIO_NOT_FOUND);
    assert_int_equal(call(f, KIND_AGENT_INVALIDATE, &missing, &agent), ERR_AGENT_NOT_FOUND);
}

int main(void)
{
#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(an_invalidated_portfolio_has_the_next_version_and_the_same_content),
        STORE_TEST(an_invalidated_agent_has_the_next_version_and_the_same_members),
        STORE_TEST(what_is_not_there_or_another_tenants_is_not_invalidated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
