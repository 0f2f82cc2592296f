/* A worker's jobs: which one a gateway's message means; what they tell, and when. */
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
    struct session first, second; /* two gateways; neither has a socket unless a test connects it */
    void *jobs, *tokens;          /* the first one's ends of them */
    struct arena arena;
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

static bool nothing_comes(void *context)
{
    (void)context;
    return false;
}

static void *pair(struct world *world, const char *name, void **ours)
{
    void *theirs = zmq_socket(world->worker.zmq, ZMQ_PAIR);
    *ours = zmq_socket(world->worker.zmq, ZMQ_PAIR);
    assert_int_equal(zmq_bind(theirs, name) | zmq_connect(*ours, name), 0);
    return theirs;
}

static void connect_first(struct world *world)
{
    struct session *session = &world->first;
    world->worker.zmq = zmq_ctx_new();
    world->jobs = pair(world, "inproc://jobs", &session->jobs_socket);
    world->tokens = pair(world, "inproc://tokens", &session->tokens_socket);
    session->jobs_watch =
        zmq_watch_new(world->worker.base, session->jobs_socket, nothing_comes, NULL);
    session->tokens_watch =
        zmq_watch_new(world->worker.base, session->tokens_socket, nothing_comes, NULL);
    session->takes_tails = true;
}

static void disconnect(struct world *world)
{
    if (!world->jobs) return;
    zmq_watch_destroy(&world->first.jobs_watch);
    zmq_watch_destroy(&world->first.tokens_watch);
    zmq_close(world->first.jobs_socket);
    zmq_close(world->first.tokens_socket);
    zmq_close(world->jobs);
    zmq_close(world->tokens);
    zmq_ctx_term(world->worker.zmq);
}

/* The end of a turn of the loop, as worker.c has it. */
static void turn(struct world *world)
{
    jobs_pump(&world->worker);
    session_flush(&world->first);
}

/* The next message of a kind of socket; its type is 0 where there is none. */
static struct message told(struct world *world, void *socket)
{
    struct message message = {0};
    static char bytes[4096];
    int len = zmq_recv(socket, bytes, sizeof(bytes), ZMQ_DONTWAIT);
    if (len == 0) len = zmq_recv(socket, bytes, sizeof(bytes), ZMQ_DONTWAIT); /* behind a topic */
    if (len <= 0) return message;
    struct slice header = arena_slice(&world->arena, (struct slice){bytes, (size_t)len});
    assert_int_equal(message_decode_next(&header, &world->arena, &message), OK);
    return message;
}

static void assert_text(struct message token, uint64_t seq, uint64_t at, const char *text)
{
    assert_int_equal(token.type, MESSAGE_TOK);
    assert_int_equal(token.tok.seq, seq);
    assert_int_equal(token.tok.at, at);
    assert_true(slice_equal(token.tok.text, slice_of(text)));
}

/* Frames stand behind the last one that was read. */
static bool more(void *socket)
{
    int more = 0;
    size_t size = sizeof(more);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size), 0);
    return more;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    struct job_queue *const queues[] = {&world->worker.waiting, &world->worker.starting,
                                        &world->worker.stirred, &world->worker.active,
                                        &world->worker.lingering};
    for (size_t i = 0; i < ARRAY_LEN(queues); i++)
        while (queues[i]->first) job_free(queues[i]->first);
    free(world->worker.jobs.buckets);
    disconnect(world);
    arena_free(&world->arena);
    buffer_free(&world->worker.header);
    buffer_free(&world->worker.tail);
    buffer_free(&world->first.tokens);
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
    message.assign.upto = 4;
    message.assign.upto_bytes = 20;
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

static void job_that_ends_in_its_first_turn_tells_all_in_one_message(void **state)
{
    struct world *world = *state;
    connect_first(world);
    struct job *job = receive(&world->first, 7, 1);
    job_set_author(job, "a/b");
    job_token(job, SLICE("all at "));
    job_token(job, SLICE("once"));
    job_done(&job, NULL);
    turn(world);
    jobs_accept(&world->worker);
    struct message done = told(world, world->jobs);
    assert_int_equal(done.type, MESSAGE_DONE);
    assert_int_equal(done.done.count, 2);
    assert_text(told(world, world->jobs), 1, 0, "all at ");
    assert_false(more(world->jobs));
    assert_int_equal(told(world, world->jobs).type, 0);
    assert_int_equal(told(world, world->tokens).type, 0);
    assert_int_equal(world->worker.jobs.count, 0);
}

static void job_accepts_before_its_first_token_and_no_more_than_once(void **state)
{
    struct world *world = *state;
    connect_first(world);
    struct job *job = receive(&world->first, 7, 1);
    assert_int_equal(told(world, world->jobs).type, 0);
    job_token(job, SLICE("one"));
    turn(world);
    assert_int_equal(told(world, world->jobs).type, MESSAGE_ACCEPT);
    assert_int_equal(told(world, world->tokens).tok.seq, 1);
    job_token(job, SLICE("two"));
    turn(world);
    jobs_accept(&world->worker);
    assert_int_equal(told(world, world->tokens).tok.seq, 2);
    assert_int_equal(told(world, world->jobs).type, 0);
}

static void job_without_a_word_is_accepted_by_the_next_tick(void **state)
{
    struct world *world = *state;
    connect_first(world);
    receive(&world->first, 7, 1);
    turn(world);
    assert_int_equal(told(world, world->jobs).type, 0);
    jobs_accept(&world->worker);
    jobs_accept(&world->worker);
    assert_int_equal(told(world, world->jobs).type, MESSAGE_ACCEPT);
    assert_int_equal(told(world, world->jobs).type, 0);
}

static void held_job_is_accepted_when_it_starts(void **state)
{
    struct world *world = *state;
    connect_first(world);
    world->worker.settings.slots = 1;
    world->worker.settings.frame_bytes_max = 100;
    struct job *first = receive(&world->first, 1, 1);
    receive(&world->first, 2, 1);
    assert_int_equal(told(world, world->jobs).type, MESSAGE_HELD);
    job_answer(&first, NULL, SLICE("x"));
    jobs_start(&world->worker);
    assert_int_equal(told(world, world->jobs).type, MESSAGE_ANSWER);
    zmq_recv(world->jobs, NULL, 0, ZMQ_DONTWAIT); /* the result */
    struct message accept = told(world, world->jobs);
    assert_int_equal(accept.type, MESSAGE_ACCEPT);
    assert_int_equal(accept.job, 2);
}

/* DONE stands alone, behind the tokens: where the gateway does not know better, where tokens were
 * sent that it may not have, where its window ends. */
static void job_keeps_its_last_text_out_of_done_where_it_must(void **state)
{
    static const struct {
        bool takes_tails, sent_before;
        const char *text;
    } cases[] = {{false, false, "short"}, {true, true, "short"}};
    struct world *world = *state;
    connect_first(world);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct job *job = receive(&world->first, i + 1, 1);
        world->first.takes_tails = cases[i].takes_tails;
        job_token(job, SLICE("begin "));
        if (cases[i].sent_before) turn(world);
        job_token(job, slice_of(cases[i].text));
        job_done(&job, NULL);
        turn(world);
        assert_int_equal(told(world, world->jobs).type, MESSAGE_ACCEPT);
        struct message done = told(world, world->jobs);
        assert_int_equal(done.type, MESSAGE_DONE);
        assert_int_equal(done.done.count, 2);
        assert_false(more(world->jobs));
        assert_int_equal(world->worker.lingering.count, i + 1);
    }
}

static void job_waits_for_its_window_before_it_ends(void **state)
{
    struct world *world = *state;
    connect_first(world);
    struct job *job = receive(&world->first, 7, 1), *same = job;
    job_token(job, SLICE("twenty bytes and more"));
    job_token(job, SLICE("the rest"));
    job_done(&job, NULL);
    turn(world);
    assert_int_equal(told(world, world->jobs).type, MESSAGE_ACCEPT);
    assert_int_equal(told(world, world->jobs).type, 0);
    assert_int_equal(told(world, world->tokens).tok.seq, 1);
    job_tack(same, &(struct tack_message){.got = 1, .upto = 9, .upto_bytes = 99});
    struct message done = told(world, world->jobs);
    assert_int_equal(done.done.count, 2);
    assert_text(told(world, world->jobs), 2, 21, "the rest");
    assert_int_equal(world->worker.jobs.count, 0);
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
        TEST(job_that_ends_in_its_first_turn_tells_all_in_one_message),
        TEST(job_accepts_before_its_first_token_and_no_more_than_once),
        TEST(job_without_a_word_is_accepted_by_the_next_tick),
        TEST(held_job_is_accepted_when_it_starts),
        TEST(job_keeps_its_last_text_out_of_done_where_it_must),
        TEST(job_waits_for_its_window_before_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
