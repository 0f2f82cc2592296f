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

#define POSTGRES_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POSTGRES_TEST(a_newer_schema_is_refused),
        POSTGRES_TEST(migrating_again_changes_nothing),
        POSTGRES_TEST(the_other_spellings_of_the_address_are_understood),
        POSTGRES_TEST(reads_and_writes_go_on_after_their_connections_were_cut),
        POSTGRES_TEST(a_turn_told_twice_is_recorded_once),
        POSTGRES_TEST(a_chunk_that_plain_sql_deletes_is_gone_from_memory),
        POSTGRES_TEST(what_plain_sql_changes_has_a_new_version_and_is_announced),
        POSTGRES_TEST(a_listener_that_was_cut_off_hears_what_it_missed),
        POSTGRES_TEST(a_server_that_is_away_is_waited_for),
        POSTGRES_TEST(a_database_that_only_reads_refuses_writes_as_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
