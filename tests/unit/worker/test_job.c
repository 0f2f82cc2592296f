/* A worker's jobs without sockets: which one a gateway's message means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "workers/worker_state.h"

#define MANY 5000

static void keep(void *context, struct job *job)
{
    (void)context, (void)job; /* it runs until the test ends it */
}

static void on_flush(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
}

static const struct worker_pool pool = {.pool = POOL_GENERATE, .start = keep};

struct world {
    struct worker worker;
    struct session first, second; /* two gateways; neither has a socket */
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    world->worker.pool = &pool;
    world->worker.settings.slots = MANY;
    world->worker.base = event_base_new();
    world->worker.flush = event_new(world->worker.base, -1, 0, on_flush, NULL);
    world->first.worker = world->second.worker = &world->worker;
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    while (world->worker.active.first) job_free(world->worker.active.first);
    while (world->worker.waiting.first) job_free(world->worker.waiting.first);
    free(world->worker.jobs.buckets);
    event_free(world->worker.flush);
    event_base_free(world->worker.base);
    free(world);
    return 0;
}

static struct job *receive(struct session *session, uint64_t id, uint64_t attempt)
{
    struct message message = {.type = MESSAGE_JOB, .job = id, .attempt = attempt};
    message.assign.kind = SLICE("chat");
    message.assign.remaining_ms = 1000;
    return job_receive(session, &message, NULL, 0);
}

static void job_is_found_among_thousands(void **state)
{
    struct world *world = *state;
    static struct job *jobs[MANY];
    for (uint64_t i = 0; i < MANY; i++) jobs[i] = receive(&world->first, i + 1, 1);
    for (uint64_t i = 0; i < MANY; i++)
        assert_ptr_equal(job_lookup(&world->first, i + 1, 1), jobs[i]);
    assert_null(job_lookup(&world->first, MANY + 1, 1));
}

static void job_is_found_where_no_slot_is_free(void **state)
{
    struct world *world = *state;
    world->worker.settings.slots = 1;
    receive(&world->first, 1, 1);
    struct job *waiting = receive(&world->first, 2, 1);
    assert_int_equal(world->worker.waiting.count, 1);
    assert_ptr_equal(job_lookup(&world->first, 2, 1), waiting);
}

static void jobs_of_two_gateways_with_one_id_are_told_apart(void **state)
{
    struct world *world = *state;
    struct job *of_first = receive(&world->first, 7, 1);
    struct job *of_second = receive(&world->second, 7, 1);
    assert_ptr_equal(job_lookup(&world->first, 7, 1), of_first);
    assert_ptr_equal(job_lookup(&world->second, 7, 1), of_second);
}

static void attempts_of_one_job_are_told_apart(void **state)
{
    struct world *world = *state;
    struct job *older = receive(&world->first, 7, 1);
    struct job *newer = receive(&world->first, 7, 2);
    assert_ptr_equal(job_lookup(&world->first, 7, 1), older);
    assert_ptr_equal(job_lookup(&world->first, 7, 2), newer);
    assert_null(job_lookup(&world->first, 7, 3));
}

static void job_is_found_no_more_once_it_is_gone(void **state)
{
    struct world *world = *state;
    for (uint64_t i = 1; i <= MANY; i++) receive(&world->first, i, 1);
    for (uint64_t i = 1; i <= MANY; i += 2) job_free(job_lookup(&world->first, i, 1));
    for (uint64_t i = 1; i <= MANY; i++)
        assert_int_equal(job_lookup(&world->first, i, 1) != NULL, i % 2 == 0);
}

static void job_of_a_lost_gateway_is_found_by_nobody(void **state)
{
    struct world *world = *state;
    struct job *job = receive(&world->first, 7, 1);
    job_orphan(job); /* it runs on until its pool ends it */
    assert_null(job_lookup(&world->first, 7, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(job_is_found_among_thousands),
        TEST(job_is_found_where_no_slot_is_free),
        TEST(jobs_of_two_gateways_with_one_id_are_told_apart),
        TEST(attempts_of_one_job_are_told_apart),
        TEST(job_is_found_no_more_once_it_is_gone),
        TEST(job_of_a_lost_gateway_is_found_by_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
