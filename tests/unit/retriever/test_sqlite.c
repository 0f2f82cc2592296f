/* What only the SQLite backend can be put through: leases moved into the past, a schema from the
 * future, files that are full, read-only, no database, or gone. */
#include "store_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *path_of(const struct fixture *f)
{
    return f->url + strlen("sqlite:");
}

/* Runs SQL behind the store's back; the first column of the last row. */
static int64_t sql(struct fixture *f, const char *text)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    int64_t value = 0;
    assert_int_equal(sqlite3_open(path_of(f), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    sqlite3_close(db);
    return value;
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    unsigned from = 0, to = 0;
    sql(f, "PRAGMA user_version = 999");
    log_open("test", "error");
    assert_int_equal(fixture_open(f, &other), ERR_STORE_SCHEMA);
    assert_int_equal(store_migrate(f->url, &from, &to), ERR_STORE_SCHEMA);
    assert_null(other);
}

static void gives_vectors(struct fixture *f, uint64_t id, const char *embedder)
{
    struct leased leased = lease_batch(f, id, NULL);
    assert_text(leased.request.embedder, embedder);
    assert_int_equal(store_batch(f, &leased, embedder, NULL, NULL), OK);
}

static void vectors_of_an_embedder_that_no_longer_answers_are_gone(void **state)
{
    static const char other[] = "openai/text-embedding-3-small/384";
    struct fixture *f = *state;
    struct document made;
    uint64_t id = make_portfolio(f, NULL);
    struct put_portfolio put = {.id = id, .portfolio = {.embedder = slice_of(other)}};
    assert_int_equal(put_document(f, id, "", "Words.", &made), OK);
    gives_vectors(f, id, "hashing-1");
    assert_int_equal(call(f, KIND_PORTFOLIO_REEMBED, &put, NULL), OK);
    assert_int_equal(sql(f, "SELECT count(*) FROM vectors"), 1);
    gives_vectors(f, id, other);
    assert_int_equal(sql(f, "SELECT count(*) FROM vectors"), 1);
    assert_int_equal(sql(f, "SELECT slot % 2 FROM vectors"), 1);
    assert_int_equal(sql(f, "SELECT count(*) FROM unindexed"), 0);
}

/* The pauses grow to half a minute; those that fail together are one failure. */
static void pauses_grow_with_each_failure(void **state)
{
    static const uint64_t want[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct fixture *f = *state;
    struct document made;
    uint64_t id = make_portfolio(f, NULL);
    assert_int_equal(put_document(f, id, "", "Words.", &made), OK);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct buffer lease = {0};
        struct released released;
        struct leased leased = lease_batch(f, id, NULL);
        assert_int_equal(leased.request.chunks.count, 1);
        record_encode(index_request_type(), &leased.request, &lease);
        struct release release = {.error = SLICE("provider_timeout"),
                                  .lease = buffer_slice(&lease)};
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(call(f, KIND_INDEX_RELEASE, &release, &released), OK);
            assert_int_equal(released.retry_ms, want[i]);
        }
        buffer_free(&lease);
        assert_int_equal(lease_batch(f, id, NULL).request.chunks.count, 0);
        sql(f, "UPDATE embedding_troubles SET retry_at = 1");
    }
}

static void expired_leases_split_the_batch_and_then_fail_the_document(void **state)
{
    static const size_t want[] = {20, 20, 8, 1, 1};
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document made, got;
    for (int i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof(text), "Number %d.", i);
        assert_int_equal(put_document(f, id, "", text, &made), OK);
    }
    uint64_t first = (uint64_t)sql(f, "SELECT min(id) FROM documents");
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct leased leased = lease_batch(f, id, NULL);
        assert_int_equal(leased.request.chunks.count, want[i]);
        if (i < 2) sql(f, "UPDATE unindexed SET expires = 1");
        if (i >= 2) sql(f, "UPDATE unindexed SET expires = 1 WHERE slot = 2");
        if (i == 1) sql(f, "UPDATE unindexed SET expires = 2 WHERE slot > 2");
        if (i >= 2) sql(f, "UPDATE unindexed SET expires = 9e12 WHERE slot > 2");
    }
    assert_int_equal(lease_batch(f, id, NULL).request.chunks.count, 0);
    assert_int_equal(call(f, KIND_DOCUMENT_GET, &(struct select){.id = first}, &got), OK);
    assert_text(got.status, "failed");
    assert_true(got.error.len > 0);
}

static void a_log_that_does_not_reach_back_gives_the_whole_portfolio(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct document made;
    assert_int_equal(put_document(f, id, "", "One.", &made), OK);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(put_document(f, id, "", "Two.", &made), OK);
    sql(f, "DELETE FROM changes");
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(loaded->wholes, 1);
    assert_int_equal(loaded->count, 2);
    free(loaded);
}

static void a_deleted_portfolio_is_purged(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL), until = clock_ms() + 20000;
    struct document made;
    assert_int_equal(put_document(f, id, "", "One.", &made), OK);
    assert_int_equal(put_document(f, id, "", "Two.", &made), OK);
    assert_int_equal(call(f, KIND_PORTFOLIO_DELETE, &(struct select){.id = id}, NULL), OK);
    store_close(&f->store);
    assert_int_equal(fixture_open(f, &f->store), OK); /* it purges soon after its start */
    while (sql(f, "SELECT (SELECT count(*) FROM chunks) + (SELECT count(*) FROM contents)"
                  " + (SELECT count(*) FROM unindexed) + (SELECT count(*) FROM documents)"
                  " + (SELECT count(*) FROM deleted_portfolios)"))
        assert_true(clock_ms() < until);
}

static void old_operations_are_purged(void **state)
{
    struct fixture *f = *state;
    uint64_t until = clock_ms() + 20000;
    struct turn turn = {.question = SLICE("q")};
    assert_int_equal(call_on(f, f->store, KIND_RECORD, "old", &turn, NULL), OK);
    sql(f, "UPDATE operations SET at = 1");
    assert_int_equal(call_on(f, f->store, KIND_RECORD, "new", &turn, NULL), OK);
    store_close(&f->store);
    assert_int_equal(fixture_open(f, &f->store), OK);
    while (sql(f, "SELECT count(*) FROM operations WHERE op = 'old'"))
        assert_true(clock_ms() < until);
    assert_int_equal(sql(f, "SELECT count(*) FROM operations WHERE op = 'new'"), 1);
}

static void a_key_is_forgotten_after_a_day_and_can_be_used_anew(void **state)
{
    struct fixture *f = *state;
    uint64_t until = clock_ms() + 20000;
    struct claim_request old = {.key = SLICE("old"), .digest = SLICE("d"), .lease_ms = 1};
    struct claim_request new = {.key = SLICE("new"), .digest = SLICE("d"), .lease_ms = 60000};
    assert_int_equal(call(f, KIND_CLAIM_TAKE, &old, NULL), OK);
    sql(f, "UPDATE claims SET at = (SELECT min(at) - 86400001 FROM claims)");
    assert_int_equal(call(f, KIND_CLAIM_TAKE, &new, NULL), OK);
    store_close(&f->store);
    assert_int_equal(fixture_open(f, &f->store), OK);
    while (sql(f, "SELECT count(*) FROM claims WHERE idempotency_key = 'old'"))
        assert_true(clock_ms() < until);
    assert_int_equal(call(f, KIND_CLAIM_TAKE, &new, NULL), ERR_IDEMPOTENCY_IN_PROGRESS);
    old.digest = SLICE("e");
    assert_int_equal(call(f, KIND_CLAIM_TAKE, &old, NULL), OK);
}

/* A limit on the size of files stands for a full disk: the next page does not fit. */
static void a_full_disk_refuses_writes_and_reading_goes_on(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, none;
    struct agent agent;
    struct turn turn = {.question = SLICE("q"), .answer = SLICE("a")};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    none = (struct rlimit){4096, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    err_t refused = call(f, KIND_RECORD, &turn, NULL);
    err_t again = call(f, KIND_RECORD, &turn, NULL);
    err_t read = call(f, KIND_AGENT_GET, &(struct select){.id = 1}, &agent);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(refused, ERR_STORE_FULL);
    assert_int_equal(again, ERR_STORE_FULL);
    assert_int_equal(read, OK);
    assert_int_equal(call(f, KIND_RECORD, &turn, NULL), OK); /* there is room again */
}

/* Root may write anything, so the test goes as nobody. */
static void a_read_only_file_is_read_and_not_written(void **state)
{
    struct fixture *f = *state;
    struct agent agent;
    struct turn turn = {.question = SLICE("q")};
    bool root = geteuid() == 0;
    store_close(&f->store);
    chmod(f->folder, 0755);
    chmod(path_of(f), 0444);
    if (root) assert_int_equal(seteuid(65534), 0);
    err_t opened = fixture_open(f, &f->store);
    err_t read = opened ? opened : call(f, KIND_AGENT_GET, &(struct select){.id = 1}, &agent);
    err_t refused = opened ? opened : call(f, KIND_RECORD, &turn, NULL);
    store_close(&f->store);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(opened, OK);
    assert_int_equal(read, OK);
    assert_int_equal(refused, ERR_STORE_FULL);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    store_close(&f->store);
    FILE *file = fopen(path_of(f), "w");
    for (int i = 0; i < 1000; i++) fputs("This is not a database. ", file);
    fclose(file);
    assert_int_equal(fixture_open(f, &other), ERR_STORE_FAILED);
    assert_null(other);
}

static void a_file_overwritten_under_the_store_is_an_error_and_no_crash(void **state)
{
    struct fixture *f = *state;
    struct turn turn = {.question = SLICE("q"), .answer = SLICE("a")};
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    uint64_t id = make_portfolio(f, NULL);
    struct document made;
    assert_int_equal(put_document(f, id, "", "Words.", &made), OK);
    sql(f, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(truncate(path_of(f), 4096), 0);
    for (int i = 0; i < 3; i++) {
        (void)call(f, KIND_RECORD, &turn, NULL);
        (void)call(f, KIND_DOCUMENT_GET, &(struct select){.id = made.id}, NULL);
    }
    assert_int_not_equal(refresh_on(f, f->store, loaded, id), OK);
    free(loaded);
}

static void a_file_that_is_gone_refuses_everything_until_it_is_back(void **state)
{
    struct fixture *f = *state;
    char aside[256];
    struct agent agent;
    struct turn turn = {.question = SLICE("q")};
    snprintf(aside, sizeof(aside), "%s.aside", path_of(f));
    assert_int_equal(rename(path_of(f), aside), 0);
    uint64_t until = clock_ms() + 5000;
    err_t error = OK;
    while (!error && clock_ms() < until) {
        event_base_loop(f->base, EVLOOP_ONCE);
        error = call(f, KIND_AGENT_GET, &(struct select){.id = 1}, &agent);
    }
    assert_int_equal(error, ERR_STORE_UNAVAILABLE);
    assert_int_equal(call(f, KIND_RECORD, &turn, NULL), ERR_STORE_UNAVAILABLE);
    assert_int_equal(rename(aside, path_of(f)), 0);
    while (error && clock_ms() < until) {
        event_base_loop(f->base, EVLOOP_ONCE);
        error = call(f, KIND_RECORD, &turn, NULL);
    }
    assert_int_equal(error, OK);
}

/* Four processes write as fast as they can: every turn of every one is stored, nobody starves. */
static void several_processes_write_side_by_side(void **state)
{
    enum { PROCESSES = 4, TURNS = 200 };
    struct fixture *f = *state;
    pid_t children[PROCESSES];
    store_close(&f->store); /* SQLite must not be carried over a fork */
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i]) continue;
        struct fixture mine = *f;
        struct turn turn = {.question = SLICE("q"), .answer = SLICE("a")};
        mine.base = event_base_new();
        if (fixture_open(&mine, &mine.store)) _exit(2);
        for (int n = 0; n < TURNS; n++)
            if (call(&mine, KIND_RECORD, &turn, NULL)) _exit(3);
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(sql(f, "SELECT count(*) FROM turns"), PROCESSES * TURNS);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_newer_schema_is_refused),
        STORE_TEST(vectors_of_an_embedder_that_no_longer_answers_are_gone),
        STORE_TEST(pauses_grow_with_each_failure),
        STORE_TEST(expired_leases_split_the_batch_and_then_fail_the_document),
        STORE_TEST(a_log_that_does_not_reach_back_gives_the_whole_portfolio),
        STORE_TEST(a_deleted_portfolio_is_purged),
        STORE_TEST(old_operations_are_purged),
        STORE_TEST(a_key_is_forgotten_after_a_day_and_can_be_used_anew),
        STORE_TEST(a_full_disk_refuses_writes_and_reading_goes_on),
        STORE_TEST(a_read_only_file_is_read_and_not_written),
        STORE_TEST(a_file_that_is_no_database_is_refused),
        STORE_TEST(a_file_overwritten_under_the_store_is_an_error_and_no_crash),
        STORE_TEST(a_file_that_is_gone_refuses_everything_until_it_is_back),
        STORE_TEST(several_processes_write_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
