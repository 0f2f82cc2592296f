#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "fake_lanes.h"
#include "gateway/ingest_pump.h"

#define ALL_MAX       4 /* index jobs at once, with one embedder */
#define PORTFOLIO_MAX 2 /* of one portfolio */

static struct event_base *base;
static struct ingest_pump *pump;

static int pump_open(void **state)
{
    (void)state;
    log_open("test", "error");
    base = event_base_new();
    pump = ingest_pump_new(base, NULL);
    return 0;
}

static int pump_close(void **state)
{
    (void)state;
    ingest_pump_stop(pump);
    fake_forget_all();
    ingest_pump_destroy(&pump);
    event_base_free(base);
    metrics_reset();
    return 0;
}

static size_t running(void)
{
    size_t count = 0;
    for (size_t i = 0; i < fake_job_count; i++) count += !fake_jobs[i].ended;
    return count;
}

/* Ends the newest job: it found something to embed, or nothing. */
static void end_one(bool embedded)
{
    struct fake_job *job = fake_job_of(KIND_INDEX);
    struct meta meta = {0};
    if (embedded) job->handler->on_stage(job->context, POOL_EMBED, &meta, job->body);
    fake_answer(job, &(struct documents){0});
}

static void pending_work_starts_a_job_that_names_its_portfolio(void **state)
{
    struct arena arena = {0};
    struct select select;
    (void)state;
    ingest_pump_pending(pump, 7);
    assert_int_equal(running(), 1);
    struct slice frame = body_frame(fake_jobs[0].body, FRAME_REQUEST);
    assert_int_equal(record_decode(select_type(), frame, &arena, &select), OK);
    assert_int_equal(select.portfolio_id, 7);
    assert_int_equal(strlen(fake_jobs[0].op), 32);
    arena_free(&arena);
}

static void jobs_go_on_while_they_find_something_and_no_longer(void **state)
{
    (void)state;
    ingest_pump_pending(pump, 7);
    for (size_t i = 0; i < 10; i++) {
        end_one(true);
        assert_int_equal(running(), 1);
    }
    ingest_pump_pending(pump, 7);
    assert_int_equal(running(), PORTFOLIO_MAX);
    end_one(true);
    assert_int_equal(running(), PORTFOLIO_MAX);
    end_one(false);
    assert_int_equal(running(), 1);
    end_one(false);
    assert_int_equal(running(), 0);
    ingest_pump_pending(pump, 7);
    assert_int_equal(running(), 1);
}

static void a_failed_job_is_not_repeated_until_work_is_announced_again(void **state)
{
    (void)state;
    ingest_pump_pending(pump, 7);
    fake_fail(fake_job_of(KIND_INDEX), ERR_STORE_BUSY);
    assert_int_equal(running(), 0);
    ingest_pump_pending(pump, 7);
    assert_int_equal(running(), 1);
}

/* Gives the newest index job a batch, whose frame the test can tell again. */
static void lease_to(struct fake_job *job, const char *embedder)
{
    struct index_request leased = {.portfolio_id = 7, .embedder = slice_of(embedder)};
    struct buffer frame = {0};
    struct meta meta = {0};
    record_encode(index_request_type(), &leased, &frame);
    body_set(job->body, FRAME_REQUEST, buffer_slice(&frame));
    job->handler->on_stage(job->context, POOL_RETRIEVE, &meta, job->body);
    buffer_free(&frame);
}

static struct fake_job *failed_batch(const char *embedder, err_t error)
{
    ingest_pump_pending(pump, 7);
    struct fake_job *job = fake_job_of(KIND_INDEX);
    lease_to(job, embedder);
    fake_fail(job, error);
    return fake_job_of(KIND_INDEX_RELEASE);
}

static void a_batch_that_fails_is_released_with_its_reason(void **state)
{
    struct arena arena = {0};
    struct release release;
    struct index_request leased;
    (void)state;
    struct fake_job *job = failed_batch("hashing-1", ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(job);
    assert_int_equal(strlen(job->op), 32);
    struct slice frame = body_frame(job->body, FRAME_REQUEST);
    assert_int_equal(record_decode(release_type(), frame, &arena, &release), OK);
    assert_true(slice_equal(release.error, SLICE("provider_unavailable")));
    assert_int_equal(record_decode(index_request_type(), release.lease, &arena, &leased), OK);
    assert_true(slice_equal(leased.embedder, SLICE("hashing-1")));
    arena_free(&arena);
}

static void a_job_that_fails_before_its_lease_releases_nothing(void **state)
{
    (void)state;
    ingest_pump_pending(pump, 7);
    fake_fail(fake_job_of(KIND_INDEX), ERR_STORE_BUSY);
    assert_null(fake_job_of(KIND_INDEX_RELEASE));
}

static void an_embedder_that_fails_is_shown_until_it_works_again(void **state)
{
    struct index_trouble trouble;
    struct released released = {.embedder = SLICE("hashing-1"), .retry_ms = 4000};
    (void)state;
    struct fake_job *job = failed_batch("hashing-1", ERR_PROVIDER_AUTH);
    fake_answer(job, &released);
    assert_true(index_troubles_at(ingest_pump_troubles(pump), 0, &trouble));
    assert_int_equal(trouble.portfolio_id, 7);
    assert_string_equal(trouble.embedder, "hashing-1");
    assert_int_equal(trouble.error, ERR_PROVIDER_AUTH);
    assert_true(trouble.retry_at_ms > clock_ms() + 3000);
    assert_int_equal((int)metric_value(METRIC_INDEX_FAILING, NULL, NULL), 1);
    ingest_pump_pending(pump, 7);
    lease_to(fake_job_of(KIND_INDEX), "hashing-1");
    end_one(true);
    assert_false(index_troubles_at(ingest_pump_troubles(pump), 0, &trouble));
    assert_int_equal((int)metric_value(METRIC_INDEX_FAILING, NULL, NULL), 0);
}

static void texts_that_are_to_blame_are_no_trouble_of_the_embedder(void **state)
{
    struct index_trouble trouble;
    struct released released = {.embedder = SLICE("hashing-1"), .retry_ms = 0};
    (void)state;
    fake_answer(failed_batch("hashing-1", ERR_WORKER_DIED), &released);
    assert_false(index_troubles_at(ingest_pump_troubles(pump), 0, &trouble));
}

static void announcements_of_one_portfolio_or_many_are_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++) ingest_pump_pending(pump, 7);
    assert_int_equal(running(), PORTFOLIO_MAX);
    for (uint64_t id = 8; id < 100; id++) ingest_pump_pending(pump, id);
    assert_int_equal(running(), ALL_MAX);
}

/* Another leases or stores meanwhile. */
static void one_portfolio_keeps_all_embedders_busy(void **state)
{
    static const struct {
        uint64_t workers, want;
    } cases[] = {{0, 2}, {1, 2}, {2, 3}, {3, 4}, {8, 9}, {1000, 65}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_workers = cases[i].workers;
        for (size_t n = 0; n < 70; n++) ingest_pump_pending(pump, 7);
        assert_int_equal(running(), cases[i].want);
    }
    fake_workers = 1;
}

/* A large portfolio must not keep small ones from their turn. */
static void portfolios_take_turns(void **state)
{
    bool seen[4] = {0};
    (void)state;
    for (uint64_t id = 1; id <= 3; id++) ingest_pump_pending(pump, id);
    for (size_t i = 0; i < 30; i++) end_one(true);
    for (size_t i = 0; i < fake_job_count; i++) {
        struct arena arena = {0};
        struct select select;
        if (fake_jobs[i].ended) continue;
        struct slice frame = body_frame(fake_jobs[i].body, FRAME_REQUEST);
        assert_int_equal(record_decode(select_type(), frame, &arena, &select), OK);
        seen[select.portfolio_id] = true;
        arena_free(&arena);
    }
    assert_true(seen[1] && seen[2] && seen[3]);
}

static void it_steps_back_while_questions_wait_but_not_for_ever(void **state)
{
    uint64_t until = clock_ms() + 5000;
    (void)state;
    fake_queued = 1;
    ingest_pump_pending(pump, 7);
    assert_int_equal(running(), 0);
    while (!running() && clock_ms() < until) event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(running(), 1);
}

static void it_goes_on_at_once_when_no_question_waits_any_more(void **state)
{
    (void)state;
    fake_queued = 1;
    ingest_pump_pending(pump, 7);
    fake_queued = 0;
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(running(), 1);
}

static void a_stopped_pump_starts_nothing(void **state)
{
    (void)state;
    ingest_pump_pending(pump, 7);
    ingest_pump_stop(pump);
    end_one(true);
    ingest_pump_pending(pump, 8);
    assert_int_equal(running(), 0);
}

#define PUMP_TEST(name) cmocka_unit_test_setup_teardown(name, pump_open, pump_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PUMP_TEST(pending_work_starts_a_job_that_names_its_portfolio),
        PUMP_TEST(jobs_go_on_while_they_find_something_and_no_longer),
        PUMP_TEST(a_failed_job_is_not_repeated_until_work_is_announced_again),
        PUMP_TEST(a_batch_that_fails_is_released_with_its_reason),
        PUMP_TEST(a_job_that_fails_before_its_lease_releases_nothing),
        PUMP_TEST(an_embedder_that_fails_is_shown_until_it_works_again),
        PUMP_TEST(texts_that_are_to_blame_are_no_trouble_of_the_embedder),
        PUMP_TEST(announcements_of_one_portfolio_or_many_are_bounded),
        PUMP_TEST(one_portfolio_keeps_all_embedders_busy),
        PUMP_TEST(portfolios_take_turns),
        PUMP_TEST(it_steps_back_while_questions_wait_but_not_for_ever),
        PUMP_TEST(it_goes_on_at_once_when_no_question_waits_any_more),
        PUMP_TEST(a_stopped_pump_starts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
