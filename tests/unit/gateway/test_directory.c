/* What the gateway keeps of a portfolio, and what makes it ask again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/metrics.h"
#include "fake_lanes.h"
#include "gateway/directory.h"

#define ID    7
#define OWNER SLICE("acme")

static const struct settings settings = {.agent_config_ttl_ms = 3600000, .redis_url = ""};
static struct event_base *base;
static struct redis_link *redis; /* there is none */
static struct directory *directory;
static char embedder[32]; /* of the portfolio that was told last */

static int open_directory(void **state)
{
    (void)state;
    log_open("test", "error");
    base = event_base_new();
    assert_int_equal(redis_link_new(base, &settings, &redis), OK);
    directory = directory_new(&settings, NULL, redis);
    fake_job_count = 0;
    return 0;
}

static int close_directory(void **state)
{
    (void)state;
    directory_destroy(&directory);
    redis_link_destroy(&redis);
    event_base_free(base);
    metrics_reset();
    return 0;
}

static void on_portfolio(void *context, err_t error, struct config *config)
{
    (void)context;
    assert_int_equal(error, OK);
    struct slice name = config_portfolio(config)->embedder;
    snprintf(embedder, sizeof(embedder), "%.*s", (int)name.len, name.ptr);
    config_unref(&config);
}

/* True if the store had to be asked, which then answers. */
static bool ask(const char *has, uint64_t version)
{
    directory_ask(directory, OWNER, KIND_PORTFOLIO_GET, ID, on_portfolio, NULL);
    struct fake_job *job = fake_job_of(KIND_PORTFOLIO_GET);
    if (!job) return false;
    fake_answer(job, &(struct portfolio){.id = ID, .version = version, .embedder = slice_of(has)});
    return true;
}

static void changed(const char *kind, uint64_t version)
{
    struct version_of told = {.kind = slice_of(kind), .id = ID, .version = version};
    directory_changed(directory, &told);
}

static void new_content_of_a_portfolio_is_no_reason_to_ask_again(void **state)
{
    (void)state;
    assert_true(ask("a", 1));
    assert_false(ask("a", 1));
    changed("portfolio", 2);
    assert_false(ask("a", 2));
    assert_int_equal(directory_version(directory, KIND_PORTFOLIO_GET, ID), 2);
}

static void another_embedder_is_asked_for_once_however_often_it_is_told(void **state)
{
    (void)state;
    assert_true(ask("a", 1));
    changed("portfolio", 2); /* told first, with the same version */
    changed("embedder", 2);
    assert_true(ask("b", 2));
    assert_string_equal(embedder, "b");
    for (int i = 0; i < 3; i++) {
        changed("embedder", 2);
        assert_false(ask("b", 2));
    }
}

static void an_embedder_that_changes_while_it_is_fetched_is_asked_for_again(void **state)
{
    (void)state;
    directory_ask(directory, OWNER, KIND_PORTFOLIO_GET, ID, on_portfolio, NULL);
    changed("embedder", 2);
    fake_answer(fake_job_of(KIND_PORTFOLIO_GET),
                &(struct portfolio){.id = ID, .version = 1, .embedder = SLICE("a")});
    assert_string_equal(embedder, "a");
    assert_true(ask("b", 2));
    assert_string_equal(embedder, "b");
}

static void on_refused(void *context, err_t error, struct config *config)
{
    assert_null(config);
    *(err_t *)context = error;
}

static void what_is_known_of_one_tenants_portfolio_is_not_told_to_another(void **state)
{
    err_t told = OK;
    (void)state;
    assert_true(ask("a", 1));
    directory_ask(directory, SLICE("other"), KIND_PORTFOLIO_GET, ID, on_refused, &told);
    assert_int_equal(told, OK); /* not answered from memory */
    assert_int_equal(directory_version(directory, KIND_PORTFOLIO_GET, ID), 1);
    fake_fail(fake_job_of(KIND_PORTFOLIO_GET), ERR_PORTFOLIO_NOT_FOUND);
    assert_int_equal(told, ERR_PORTFOLIO_NOT_FOUND);
    assert_false(ask("a", 1)); /* its owner's is still there */
    directory_ask(directory, SLICE("other"), KIND_PORTFOLIO_GET, ID, on_refused, &told);
    directory_forget(directory, KIND_PORTFOLIO_GET, ID);
    fake_fail(fake_job_of(KIND_PORTFOLIO_GET), ERR_STORE_UNAVAILABLE);
    assert_int_equal(told, ERR_STORE_UNAVAILABLE); /* no last known one of somebody else's */
    assert_true(ask("a", 1));
}

#define DIRECTORY_TEST(test) cmocka_unit_test_setup_teardown(test, open_directory, close_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(new_content_of_a_portfolio_is_no_reason_to_ask_again),
        DIRECTORY_TEST(another_embedder_is_asked_for_once_however_often_it_is_told),
        DIRECTORY_TEST(what_is_known_of_one_tenants_portfolio_is_not_told_to_another),
        DIRECTORY_TEST(an_embedder_that_changes_while_it_is_fetched_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
