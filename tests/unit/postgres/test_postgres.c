/* What only the PostgreSQL backend can be put through: connections that are cut, a server that is
 * away, a schema from the future, changes by plain SQL. */
#include "../retriever/store_fixture.h"

/* Runs SQL behind the store's back, in the test's database; the first value of the first row. */
static int64_t sql(struct fixture *f, const char *text)
{
    PGconn *db = PQconnectdb(f->url);
    PGresult *result = PQexec(db, text);
    ExecStatusType status = PQresultStatus(result);
    int64_t value = 0;
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(db));
    if (PQntuples(result)) value = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    PQfinish(db);
    return value;
}

static void cut_connections(struct fixture *f)
{
    sql(f, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
           " WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

static err_t record(struct fixture *f, const char *op, struct recorded *recorded)
{
    struct turn turn = {.agent_id = 1,
                        .question = SLICE("What is it?"),
                        .answer = SLICE("It is that."),
                        .language = SLICE("en")};
    return call_on(f, f->store, KIND_RECORD, op, &turn, recorded);
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    unsigned from = 0, to = 0;
    sql(f, "UPDATE millrace_schema SET version = 999");
    assert_int_equal(fixture_open(f, &other), ERR_STORE_SCHEMA);
    assert_int_equal(store_migrate(f->url, &from, &to), ERR_STORE_SCHEMA);
    assert_null(other);
}

static void migrating_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    unsigned from = 0, to = 0;
    assert_int_equal(store_migrate(f->url, &from, &to), OK);
    assert_true(from > 0);
    assert_int_equal(from, to);
}

static void the_other_spellings_of_the_address_are_understood(void **state)
{
    static const char *const schemes[] = {"postgres:", "postgresql+asyncpg:"};
    struct fixture *f = *state;
    char url[320];
    unsigned from, to;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        snprintf(url, sizeof(url), "%s%s", schemes[i], strchr(f->url, ':') + 1);
        assert_int_equal(store_migrate(url, &from, &to), OK);
    }
}

static void reads_and_writes_go_on_after_their_connections_were_cut(void **state)
{
    struct fixture *f = *state;
    struct document made;
    struct recorded recorded;
    uint64_t id = make_portfolio(f, NULL);
    for (int i = 0; i < 3; i++) {
        char op[16], source[16];
        snprintf(op, sizeof(op), "op-%d", i);
        snprintf(source, sizeof(source), "s-%d", i);
        cut_connections(f);
        assert_int_equal(record(f, op, &recorded), OK);
        cut_connections(f);
        assert_true(portfolio_version(f, id) > 0);
        assert_int_equal(put_document(f, id, source, "Some words.", &made), OK);
    }
    assert_int_equal(sql(f, "SELECT count(*) FROM turns"), 3);
}

static void a_turn_told_twice_is_recorded_once(void **state)
{
    struct fixture *f = *state;
    struct recorded first, again;
    assert_int_equal(record(f, "twice", &first), OK);
    cut_connections(f);
    assert_int_equal(record(f, "twice", &again), OK);
    assert_int_equal(first.message_id, again.message_id);
    assert_int_equal(sql(f, "SELECT count(*) FROM turns"), 1);
}

static void wait_until_heard(struct fixture *f, const char *kind, uint64_t id, uint64_t version)
{
    uint64_t until = clock_ms() + WAIT_MS;
    bool heard = false;
    while (!heard && clock_ms() < until) {
        for (size_t i = 0; i < f->heard.count; i++) {
            const struct version_of *told = &f->heard.versions[i];
            heard |= told->id == id && told->version >= version &&
                     slice_equal(told->kind, slice_of(kind));
        }
        if (!heard) event_base_loop(f->base, EVLOOP_ONCE);
    }
    assert_true(heard);
}

static uint64_t version_of_agent(struct fixture *f)
{
    return (uint64_t)sql(f, "SELECT version FROM agents WHERE id = 1");
}

static void a_restored_database_never_gives_a_version_out_again(void **state)
{
    struct fixture *f = *state;
    unsigned from, to;
    uint64_t before_ms = (uint64_t)clock_wall_ms();
    uint64_t id = make_portfolio(f, NULL);
    assert_int_equal(portfolio_version(f, id), 1);
    sql(f, "UPDATE millrace_origin SET place = 'elsewhere'");
    assert_int_equal(store_migrate(f->url, &from, &to), OK);
    uint64_t agent = version_of_agent(f), portfolio = portfolio_version(f, id);
    assert_true(agent >= before_ms && portfolio >= before_ms);
    wait_until_heard(f, "agent", 1, agent);
    wait_until_heard(f, "portfolio", id, portfolio);
    assert_true(portfolio_version(f, make_portfolio(f, NULL)) >= before_ms);
    assert_int_equal(store_migrate(f->url, &from, &to), OK);
    assert_int_equal(version_of_agent(f), agent);
}

static void a_chunk_that_plain_sql_deletes_is_gone_from_memory(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct document made;
    uint64_t id = make_portfolio(f, NULL);
    assert_int_equal(put_document(f, id, "", "Words to be deleted.", &made), OK);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(loaded->count, 1);
    uint64_t version = loaded->refresh.since;
    sql(f, "DELETE FROM chunks");
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(loaded->count, 0);
    assert_int_equal(loaded->wholes, 0); /* just that chunk */
    assert_true(loaded->refresh.since > version);
    wait_until_heard(f, "portfolio", id, loaded->refresh.since);
    free(loaded);
}

static void what_plain_sql_changes_has_a_new_version_and_is_announced(void **state)
{
    struct fixture *f = *state;
    struct agent agent;
    struct select first = {.id = 1};
    uint64_t id = make_portfolio(f, NULL), version = portfolio_version(f, id);
    assert_int_equal(call(f, KIND_AGENT_GET, &first, &agent), OK);
    sql(f, "UPDATE portfolios SET name = 'another'");
    sql(f, "UPDATE agents SET name = 'another'");
    assert_int_equal(portfolio_version(f, id), version + 1);
    wait_until_heard(f, "portfolio", id, version + 1);
    wait_until_heard(f, "agent", 1, agent.version + 1);
}

static void a_listener_that_was_cut_off_hears_what_it_missed(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL), version = portfolio_version(f, id);
    cut_connections(f);
    sql(f, "UPDATE portfolios SET name = 'another'");
    wait_until_heard(f, "portfolio", id, version + 1);
}

static void a_server_that_is_away_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct store *away = NULL;
    struct portfolios portfolios;
    char url[sizeof(f->url)];
    memcpy(url, f->url, sizeof(url));
    snprintf(f->url, sizeof(f->url), "postgresql:///x?host=%s", f->folder);
    log_open("test", "none");
    assert_int_equal(fixture_open(f, &away), OK);
    assert_int_equal(call_on(f, away, KIND_PORTFOLIO_LIST, NULL, &(struct select){0}, &portfolios),
                     ERR_STORE_UNAVAILABLE);
    struct put_portfolio put = {.portfolio = {.name = SLICE("notes")}};
    assert_int_equal(call_on(f, away, KIND_PORTFOLIO_CREATE, NULL, &put, NULL),
                     ERR_STORE_UNAVAILABLE);
    store_close(&away);
    memcpy(f->url, url, sizeof(url));
}

static void a_database_that_only_reads_refuses_writes_as_full(void **state)
{
    struct fixture *f = *state;
    struct put_portfolio put = {.portfolio = {.name = SLICE("notes")}};
    char text[160];
    snprintf(text, sizeof(text), "ALTER DATABASE %s SET default_transaction_read_only = on",
             f->database);
    sql(f, text);
    cut_connections(f);
    log_open("test", "none");
    assert_int_equal(call(f, KIND_PORTFOLIO_CREATE, &put, NULL), ERR_STORE_FULL);
}

/* --- portfolios that are searched in the database --- */

enum { LARGE = 40, LEAST = 20 };

/* Reopens the store as one that holds no more than LEAST chunks of a portfolio in memory. */
static void hold_few(struct fixture *f)
{
    store_close(&f->store);
    f->index = (struct index_options){
        .chunks_max = LEAST, .m = 16, .ef_construction = 64, .ef_search = 200};
    assert_int_equal(fixture_open(f, &f->store), OK);
}

static uint64_t make_large(struct fixture *f)
{
    struct document made;
    uint64_t id = make_portfolio(f, NULL);
    for (int i = 0; i < LARGE; i++) {
        char source[16], text[80];
        snprintf(source, sizeof(source), "s-%d", i);
        snprintf(text, sizeof(text), "A note about gneiss%d and its bands.", i);
        assert_int_equal(put_document(f, id, source, text, &made), OK);
    }
    return id;
}

static void give_all_vectors(struct fixture *f, uint64_t id)
{
    struct leased leased;
    while ((leased = lease_batch(f, id, NULL)).request.chunks.count)
        assert_int_equal(store_batch(f, &leased, "hashing-1", NULL, NULL), OK);
}

/* Refreshes until the portfolio is where it is wanted: tables are made and dropped in the
 * background. */
static void wait_for_place(struct fixture *f, struct loaded *loaded, uint64_t id, bool in_store)
{
    uint64_t until = clock_ms() + WAIT_MS;
    do {
        memset(loaded, 0, sizeof(*loaded));
        assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
        assert_int_equal(loaded->refresh.in_store ? 0 : loaded->count > 0,
                         !loaded->refresh.in_store);
    } while (loaded->refresh.in_store != in_store && clock_ms() < until);
    assert_int_equal(loaded->refresh.in_store, in_store);
}

struct searched {
    struct store_search search;
    struct resident_hit hits[LARGE];
    bool done;
};

static void on_searched(struct store_search *search)
{
    ((struct searched *)search->context)->done = true;
}

static void search_for(struct fixture *f, uint64_t id, const struct resident_query *query,
                       struct searched *searched)
{
    *searched = (struct searched){.search = {.portfolio_id = id,
                                             .query = query,
                                             .terms = f->terms,
                                             .dimensions = DIMENSIONS,
                                             .hits = searched->hits,
                                             .done = on_searched,
                                             .context = searched}};
    store_search(f->store, &searched->search);
    fixture_wait(f, &searched->done);
    assert_int_equal(searched->search.error, OK);
}

static size_t search(struct fixture *f, uint64_t id, const char *text, const float *vector,
                     struct searched *searched)
{
    struct resident_query query = {.text = slice_of(text),
                                   .language = language_find(SLICE("en")),
                                   .vector = vector,
                                   .vector_weight = 0.5,
                                   .top_k = LARGE};
    search_for(f, id, &query, searched);
    return searched->search.count;
}

static void a_large_portfolio_is_searched_by_words_and_vectors(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct searched found;
    float vector[DIMENSIONS] = {[3] = 1};
    hold_few(f);
    uint64_t id = make_large(f);
    give_all_vectors(f, id);
    wait_for_place(f, loaded, id, true);
    assert_int_equal(search(f, id, "gneiss7", NULL, &found), 1);
    assert_int_equal(search(f, id, "bands", NULL, &found), LARGE);
    assert_int_equal(search(f, id, "nothing of it", vector, &found), LARGE);
    assert_float_equal(found.hits[0].vector, 1, 1e-3);
    assert_true(found.hits[0].score >= found.hits[1].score);
    free(loaded);
}

/* What is found is looked at a few at a time: the best of them may all be of no use. */
static void copies_of_one_text_leave_room_for_the_others(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct document made;
    struct searched found;
    hold_few(f);
    uint64_t id = make_portfolio(f, NULL);
    for (int i = 0; i < LARGE; i++) {
        char source[16], text[80];
        snprintf(source, sizeof(source), "s-%d", i);
        snprintf(text, sizeof(text), i < LARGE - 3 ? "Gneiss." : "Gneiss and a vein of quartz%d.",
                 i);
        assert_int_equal(put_document(f, id, source, text, &made), OK);
    }
    wait_for_place(f, loaded, id, true);
    struct resident_query query = {
        .text = SLICE("gneiss"), .language = language_find(SLICE("en")), .top_k = 4, .merge = true};
    search_for(f, id, &query, &found);
    assert_int_equal(found.search.count, 4);
    assert_true(found.hits[0].score > found.hits[1].score);
    free(loaded);
}

static void a_large_portfolio_shows_what_was_stored_and_deleted_a_moment_ago(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct document made = {0};
    struct searched found;
    hold_few(f);
    uint64_t id = make_large(f);
    wait_for_place(f, loaded, id, true);
    assert_int_equal(put_document(f, id, "late", "A late one about basalt.", &made), OK);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_true(loaded->refresh.in_store);
    assert_int_equal(search(f, id, "basalt", NULL, &found), 1);
    assert_int_equal(call(f, KIND_DOCUMENT_DELETE, &(struct select){.id = made.id}, NULL), OK);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(search(f, id, "basalt", NULL, &found), 0);
    free(loaded);
}

static void wait_for_no_tables(struct fixture *f)
{
    static const char count[] =
        "SELECT count(*) FROM pg_class WHERE relname ~ '^rag_(embedding|posting|term)_[0-9]+$'";
    uint64_t until = clock_ms() + WAIT_MS;
    while (sql(f, count) && clock_ms() < until) event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(sql(f, count), 0);
}

static void a_portfolio_that_shrinks_comes_back_to_memory_and_leaves_no_table(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct documents list;
    hold_few(f);
    uint64_t id = make_large(f);
    wait_for_place(f, loaded, id, true);
    struct select all = {.portfolio_id = id, .limit = LARGE};
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &all, &list), OK);
    const struct document *documents = list.data.items;
    for (size_t i = 0; i < LARGE - 5; i++)
        assert_int_equal(
            call(f, KIND_DOCUMENT_DELETE, &(struct select){.id = documents[i].id}, NULL), OK);
    wait_for_place(f, loaded, id, false);
    assert_int_equal(loaded->count, 5);
    wait_for_no_tables(f);
    free(loaded);
}

static void a_deleted_portfolio_leaves_no_table_though_nobody_asks(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    hold_few(f);
    uint64_t id = make_large(f);
    wait_for_place(f, loaded, id, true);
    assert_int_equal(call(f, KIND_PORTFOLIO_DELETE, &(struct select){.id = id}, NULL), OK);
    wait_for_no_tables(f);
    assert_int_equal(sql(f, "SELECT count(*) FROM rag_searched"), 0);
    free(loaded);
}

/* The builder waits for a table that somebody else holds; closing waits for neither. */
static void closing_ends_what_is_being_made(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    hold_few(f);
    uint64_t id = make_large(f);
    PGconn *holder = PQconnectdb(f->url);
    PQclear(PQexec(holder, "BEGIN; LOCK TABLE rag_embedding"));
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(loaded->count, LARGE);
    uint64_t until = clock_ms() + WAIT_MS;
    while (!sql(f, "SELECT count(*) FROM pg_locks WHERE NOT granted") && clock_ms() < until)
        event_base_loop(f->base, EVLOOP_ONCE);
    uint64_t began = clock_ms();
    log_open("test", "none");
    store_close(&f->store);
    assert_true(clock_ms() - began < 4000); /* the lock is waited for twice as long */
    PQfinish(holder);
    free(loaded);
    assert_int_equal(fixture_open(f, &f->store), OK);
}

#define POSTGRES_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POSTGRES_TEST(a_newer_schema_is_refused),
        POSTGRES_TEST(migrating_again_changes_nothing),
        POSTGRES_TEST(a_restored_database_never_gives_a_version_out_again),
        POSTGRES_TEST(the_other_spellings_of_the_address_are_understood),
        POSTGRES_TEST(reads_and_writes_go_on_after_their_connections_were_cut),
        POSTGRES_TEST(a_turn_told_twice_is_recorded_once),
        POSTGRES_TEST(a_chunk_that_plain_sql_deletes_is_gone_from_memory),
        POSTGRES_TEST(what_plain_sql_changes_has_a_new_version_and_is_announced),
        POSTGRES_TEST(a_listener_that_was_cut_off_hears_what_it_missed),
        POSTGRES_TEST(a_server_that_is_away_is_waited_for),
        POSTGRES_TEST(a_database_that_only_reads_refuses_writes_as_full),
        POSTGRES_TEST(a_large_portfolio_is_searched_by_words_and_vectors),
        POSTGRES_TEST(copies_of_one_text_leave_room_for_the_others),
        POSTGRES_TEST(a_large_portfolio_shows_what_was_stored_and_deleted_a_moment_ago),
        POSTGRES_TEST(a_portfolio_that_shrinks_comes_back_to_memory_and_leaves_no_table),
        POSTGRES_TEST(a_deleted_portfolio_leaves_no_table_though_nobody_asks),
        POSTGRES_TEST(closing_ends_what_is_being_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
