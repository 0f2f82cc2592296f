/* Portfolios in memory: loaded when asked for, new after every commit, given up by bytes. */
#include "store_fixture.h"

#include "workers/retriever/portfolios.h"

struct asked {
    struct portfolio_wait wait;
    err_t error;
    size_t chunks;
    uint64_t version;
    size_t hits;
    const char *question;
    bool done;
};

static void on_ready(struct portfolio_wait *wait, err_t error, const struct portfolio_view *view)
{
    struct asked *asked = wait->context;
    struct resident_hit hits[8];
    asked->done = true;
    asked->error = error;
    if (error) return;
    struct resident_query query = {.text = slice_of(asked->question),
                                   .language = language_find(SLICE("en")),
                                   .top_k = ARRAY_LEN(hits),
                                   .merge = true};
    asked->chunks = resident_count(view->resident);
    asked->version = view->version;
    asked->hits = resident_search(view->resident, &query, hits);
}

static void ask_begin(struct portfolio_cache *cache, struct asked *asked, const char *tenant,
                      uint64_t id, const char *question)
{
    *asked = (struct asked){.question = question};
    asked->wait = (struct portfolio_wait){
        .tenant = slice_of(tenant), .portfolio_id = id, .ready = on_ready, .context = asked};
    portfolio_cache_want(cache, &asked->wait);
}

static struct asked ask(struct fixture *f, struct portfolio_cache *cache, const char *tenant,
                        uint64_t id, const char *question)
{
    static struct asked asked;
    ask_begin(cache, &asked, tenant, id, question);
    fixture_wait(f, &asked.done);
    return asked;
}

static void every_commit_is_seen_by_the_next_question(void **state)
{
    struct fixture *f = *state;
    struct portfolio_cache *cache = portfolio_cache_new(f->store, 1 << 30, 1000);
    uint64_t id = make_portfolio(f, NULL);
    struct document made;
    for (size_t i = 1; i <= 5; i++) {
        assert_int_equal(put_document(f, id, "", "The wheel turns in the millrace.", &made), OK);
        struct asked asked = ask(f, cache, "", id, "millrace wheel");
        assert_int_equal(asked.error, OK);
        assert_int_equal(asked.chunks, i);
        assert_int_equal(asked.version, portfolio_version(f, id));
        assert_true(asked.hits > 0);
    }
    assert_int_equal(portfolio_cache_count(cache), 1);
    portfolio_cache_destroy(&cache);
}

static void another_handles_commit_is_seen_by_the_next_question(void **state)
{
    struct fixture *f = *state;
    struct store *other;
    assert_int_equal(fixture_open(f, &other), OK);
    struct portfolio_cache *cache = portfolio_cache_new(other, 1 << 30, 1000);
    uint64_t id = make_portfolio(f, NULL);
    struct document made;
    assert_int_equal(ask(f, cache, "", id, "wheel").hits, 0);
    assert_int_equal(put_document(f, id, "a", "The wheel.", &made), OK);
    assert_int_equal(ask(f, cache, "", id, "wheel").hits, 1);
    assert_int_equal(put_document(f, id, "a", "The gate.", &made), OK);
    assert_int_equal(ask(f, cache, "", id, "wheel").hits, 0);
    assert_int_equal(call(f, KIND_DOCUMENT_DELETE, &(struct select){.id = made.id}, NULL), OK);
    assert_int_equal(ask(f, cache, "", id, "gate").chunks, 0);
    store_close(&other);
    portfolio_cache_destroy(&cache);
}

static void vectors_reach_chunks_that_are_in_memory(void **state)
{
    struct fixture *f = *state;
    struct portfolio_cache *cache = portfolio_cache_new(f->store, 1 << 30, 1000);
    uint64_t id = make_portfolio(f, NULL);
    struct document made;
    struct documents stored;
    assert_int_equal(put_document(f, id, "a", "The wheel.", &made), OK);
    assert_int_equal(ask(f, cache, "", id, "wheel").chunks, 1);
    struct leased leased = lease_batch(f, id, NULL);
    assert_int_equal(store_batch(f, &leased, "hashing-1", NULL, &stored), OK);
    struct asked asked = ask(f, cache, "", id, "wheel");
    assert_int_equal(asked.chunks, 1);
    assert_int_equal(asked.hits, 1);
    assert_int_equal(asked.version, portfolio_version(f, id));
    portfolio_cache_destroy(&cache);
}

static void unknown_deleted_and_others_portfolios_are_not_found(void **state)
{
    struct fixture *f = *state;
    struct portfolio_cache *cache = portfolio_cache_new(f->store, 1 << 30, 1000);
    uint64_t id = make_portfolio(f, "mine");
    assert_int_equal(ask(f, cache, "mine", id, "q").error, OK);
    assert_int_equal(ask(f, cache, "other", id, "q").error, ERR_PORTFOLIO_NOT_FOUND);
    assert_int_equal(ask(f, cache, "mine", 999, "q").error, ERR_PORTFOLIO_NOT_FOUND);
    assert_int_equal(portfolio_cache_count(cache), 1);
    struct select select = {.tenant = SLICE("mine"), .id = id};
    assert_int_equal(call(f, KIND_PORTFOLIO_DELETE, &select, NULL), OK);
    assert_int_equal(ask(f, cache, "mine", id, "q").error, ERR_PORTFOLIO_NOT_FOUND);
    assert_int_equal(portfolio_cache_count(cache), 0);
    portfolio_cache_destroy(&cache);
}

static void the_least_recently_used_is_given_up_when_bytes_run_out(void **state)
{
    struct fixture *f = *state;
    struct portfolio_cache *cache = portfolio_cache_new(f->store, 1, 1000);
    uint64_t one = make_portfolio(f, NULL), two = make_portfolio(f, NULL);
    struct document made;
    assert_int_equal(put_document(f, one, "", "The wheel.", &made), OK);
    assert_int_equal(put_document(f, two, "", "The wheel.", &made), OK);
    assert_int_equal(ask(f, cache, "", one, "wheel").hits, 1);
    assert_int_equal(ask(f, cache, "", two, "wheel").hits, 1);
    assert_int_equal(portfolio_cache_count(cache), 1);
    assert_true(portfolio_cache_bytes(cache) > 0);
    assert_int_equal(ask(f, cache, "", one, "wheel").hits, 1); /* loaded again */
    portfolio_cache_destroy(&cache);
}

/* A load of many chunks takes several turns of the loop; who asks meanwhile is served too. */
static void questions_during_a_load_are_answered_once_it_is_there(void **state)
{
    struct fixture *f = *state;
    struct portfolio_cache *cache = portfolio_cache_new(f->store, 1 << 30, 10);
    uint64_t id = make_portfolio(f, NULL);
    struct document given[50] = {0};
    struct put_documents put = {.portfolio_id = id, .documents = {given, ARRAY_LEN(given)}};
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        given[i].content = slice_of(arena_printf(&f->arena, "The wheel number %zu turns.", i));
    for (int i = 0; i < 20; i++) assert_int_equal(call(f, KIND_DOCUMENT_PUT, &put, NULL), OK);
    static struct asked asked[3];
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) ask_begin(cache, &asked[i], "", id, "wheel");
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        fixture_wait(f, &asked[i].done);
        assert_int_equal(asked[i].error, OK);
        assert_int_equal(asked[i].chunks, 1000);
    }
    portfolio_cache_destroy(&cache);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(every_commit_is_seen_by_the_next_question),
        STORE_TEST(another_handles_commit_is_seen_by_the_next_question),
        STORE_TEST(vectors_reach_chunks_that_are_in_memory),
        STORE_TEST(unknown_deleted_and_others_portfolios_are_not_found),
        STORE_TEST(the_least_recently_used_is_given_up_when_bytes_run_out),
        STORE_TEST(questions_during_a_load_are_answered_once_it_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
