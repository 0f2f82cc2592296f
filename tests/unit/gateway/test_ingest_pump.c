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

#define ALL_MAX       4 /* index jobs at once */
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

static void announcements_of_one_portfolio_or_many_are_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++) ingest_pump_pending(pump, 7);
    assert_int_equal(running(), PORTFOLIO_MAX);
    for (uint64_t id = 8; id < 100; id++) ingest_pump_pending(pump, id);
    assert_int_equal(running(), ALL_MAX);
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
        PUMP_TEST(announcements_of_one_portfolio_or_many_are_bounded),
        PUMP_TEST(portfolios_take_turns),
        PUMP_TEST(it_steps_back_while_questions_wait_but_not_for_ever),
        PUMP_TEST(it_goes_on_at_once_when_no_question_waits_any_more),
        PUMP_TEST(a_stopped_pump_starts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
