/* The lanes' core under a fake clock: each rule of the protocol as one short story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/lane.h"

#define MS 1000u

struct world {
    struct lanes *lanes;
    uint64_t now;
    uint64_t next_job;
};

static const struct lane_limits limits = {
    .boot_id = "gateway",
    .heartbeat_ms = 500,
    .liveness = 3,
    .accept_timeout_ms = 250,
    .jobs_max = 4,
    .bytes_max = 1000,
    .age_max_ms = 1000,
    .records_max = 2,
    .requeues_max = 3,
    .window_tokens = 8,
    .window_bytes = 64,
    .answer_bytes_max = 1000,
    .no_worker_ms = 2000,
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    world->now = 1000000;
    world->lanes = lanes_new(&limits, world->now);
    *state = world;
    return 0;
}

static void forget_ended(struct world *world)
{
    size_t count;
    const struct lane_action *actions = lane_actions(world->lanes, &count);
    for (size_t i = 0; i < count; i++)
        if (actions[i].type == ACTION_END) lane_job_forget(world->lanes, actions[i].job);
    lane_actions_clear(world->lanes);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    const char *what;
    if (!lanes_consistent(world->lanes, &what)) fail_msg("%s", what);
    lanes_destroy(&world->lanes);
    free(world);
    return 0;
}

static err_t step(struct world *world, struct lane_event event)
{
    forget_ended(world);
    return lane_step(world->lanes, &event, world->now);
}

/* The first action of that type (and message) of the last step, or NULL. */
static const struct lane_action *action(struct world *world, enum lane_action_type type,
                                        enum message_type message)
{
    size_t count;
    const struct lane_action *actions = lane_actions(world->lanes, &count);
    for (size_t i = 0; i < count; i++)
        if (actions[i].type == type && (type != ACTION_SEND || actions[i].message.type == message))
            return &actions[i];
    return NULL;
}

static const struct lane_action *sent(struct world *world, enum message_type message)
{
    return action(world, ACTION_SEND, message);
}

static err_t ended_with(struct world *world)
{
    const struct lane_action *end = action(world, ACTION_END, 0);
    assert_non_null(end);
    return lane_job_view(end->job).error;
}

static err_t submit_spec(struct world *world, const char *stages, bool record)
{
    struct lane_job_spec spec = {.kind = record ? KIND_RECORD : KIND_CHAT,
                                 .stages = stages,
                                 .body = body_new(),
                                 .timeout_ms = 60000,
                                 .trace = "trace",
                                 .record = record};
    return step(world,
                (struct lane_event){.type = EVENT_SUBMIT, .job = ++world->next_job, .spec = &spec});
}

static uint64_t submit(struct world *world, const char *stages)
{
    assert_int_equal(submit_spec(world, stages, false), OK);
    return world->next_job;
}

static void message(struct world *world, enum pool pool, uint64_t session, struct message message)
{
    struct body *body = message.type == MESSAGE_NEXT ? body_new() : NULL;
    step(world, (struct lane_event){.type = EVENT_MESSAGE,
                                    .pool = pool,
                                    .session = session,
                                    .message = &message,
                                    .body = body});
    body_unref(&body);
}

static uint64_t hello(struct world *world, enum pool pool, uint64_t session, const char *boot)
{
    message(
        world, pool, session,
        (struct message){
            .type = MESSAGE_HELLO,
            .hello = {.pool = slice_of(pool_name(pool)), .boot_id = slice_of(boot), .slots = 2}});
    const struct lane_action *welcome = sent(world, MESSAGE_WELCOME);
    return welcome ? welcome->message.welcome.epoch : 0;
}

static void credit(struct world *world, enum pool pool, uint64_t session, uint64_t epoch,
                   uint64_t cumulative)
{
    message(world, pool, session,
            (struct message){.type = MESSAGE_CREDIT,
                             .credit = {.epoch = epoch, .cumulative = cumulative}});
}

static void join(struct world *world, enum pool pool, uint64_t session, const char *boot,
                 uint64_t credits)
{
    credit(world, pool, session, hello(world, pool, session, boot), credits);
}

#define ABOUT(type_, job_, attempt_) .type = type_, .job = job_, .attempt = attempt_

static void accept(struct world *world, enum pool pool, uint64_t session, uint64_t job,
                   uint64_t attempt)
{
    message(world, pool, session, (struct message){ABOUT(MESSAGE_ACCEPT, job, attempt)});
}

static void token(struct world *world, uint64_t job, uint64_t attempt, uint64_t seq, uint64_t at,
                  const char *text)
{
    struct message tok = {ABOUT(MESSAGE_TOK, job, attempt),
                          .tok = {.seq = seq, .at = at, .text = slice_of(text)}};
    step(world, (struct lane_event){.type = EVENT_TOKEN, .message = &tok});
}

static void done(struct world *world, uint64_t session, uint64_t job, uint64_t attempt,
                 uint64_t count)
{
    message(world, POOL_GENERATE, session,
            (struct message){ABOUT(MESSAGE_DONE, job, attempt), .done = {.count = count}});
}

static void lost(struct world *world, enum pool pool, uint64_t session)
{
    step(world, (struct lane_event){.type = EVENT_LOST, .pool = pool, .session = session});
}

static void tick_at(struct world *world, uint64_t now)
{
    while (world->now < now) {
        world->now = MIN(world->now + LANE_TICK_MS * MS, now);
        step(world, (struct lane_event){.type = EVENT_TICK});
        if (action(world, ACTION_END, 0)) return;
    }
}

/* --- the stories --- */

static void lane_sends_a_job_only_for_a_credit(void **state)
{
    struct world *world = *state;
    uint64_t epoch = hello(world, POOL_GENERATE, 1, "a");
    uint64_t job = submit(world, "G");
    assert_null(sent(world, MESSAGE_JOB));
    credit(world, POOL_GENERATE, 1, epoch, 1);
    assert_int_equal(sent(world, MESSAGE_JOB)->message.job, job);
    submit(world, "G");
    assert_null(sent(world, MESSAGE_JOB));
    credit(world, POOL_GENERATE, 1, epoch, 1); /* cumulative: the same again grants nothing */
    assert_null(sent(world, MESSAGE_JOB));
    credit(world, POOL_GENERATE, 1, epoch + 1, 9); /* of another session's epoch */
    assert_null(sent(world, MESSAGE_JOB));
    credit(world, POOL_GENERATE, 1, epoch, 2);
    assert_non_null(sent(world, MESSAGE_JOB));
}

static void lane_forwards_a_job_through_its_itinerary(void **state)
{
    struct world *world = *state;
    join(world, POOL_EMBED, 1, "e", 1);
    join(world, POOL_RETRIEVE, 2, "r", 1);
    join(world, POOL_GENERATE, 3, "g", 1);
    uint64_t job = submit(world, "ERG");
    assert_int_equal(sent(world, MESSAGE_JOB)->pool, POOL_EMBED);
    accept(world, POOL_EMBED, 1, job, 1);
    message(world, POOL_EMBED, 1, (struct message){ABOUT(MESSAGE_NEXT, job, 1)});
    assert_int_equal(action(world, ACTION_STAGE, 0)->pool, POOL_EMBED);
    assert_int_equal(sent(world, MESSAGE_JOB)->pool, POOL_RETRIEVE);
    assert_int_equal(sent(world, MESSAGE_JOB)->message.attempt, 2);
    accept(world, POOL_RETRIEVE, 2, job, 2);
    message(world, POOL_RETRIEVE, 2, (struct message){ABOUT(MESSAGE_NEXT, job, 2)});
    assert_int_equal(sent(world, MESSAGE_JOB)->pool, POOL_GENERATE);
    accept(world, POOL_GENERATE, 3, job, 3);
    token(world, job, 3, 1, 0, "hi");
    assert_non_null(action(world, ACTION_TEXT, 0));
    done(world, 3, job, 3, 1);
    assert_int_equal(ended_with(world), OK);
    assert_non_null(sent(world, MESSAGE_TACK)); /* the ring may go */
    forget_ended(world);
    assert_true(lanes_idle(world->lanes));
}

static void lane_requeues_a_job_when_its_worker_dies(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    join(world, POOL_GENERATE, 2, "b", 1);
    uint64_t job = submit(world, "G");
    uint64_t first = sent(world, MESSAGE_JOB)->session;
    accept(world, POOL_GENERATE, first, job, 1);
    lost(world, POOL_GENERATE, first);
    assert_int_equal(sent(world, MESSAGE_JOB)->session, 3 - first);
    assert_int_equal(sent(world, MESSAGE_JOB)->message.attempt, 2);
}

static void lane_resumes_a_stream_behind_what_was_delivered(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    accept(world, POOL_GENERATE, 1, job, 1);
    token(world, job, 1, 1, 0, "half of ");
    lost(world, POOL_GENERATE, 1);
    join(world, POOL_GENERATE, 2, "b", 1);
    const struct lane_action *again = sent(world, MESSAGE_JOB);
    assert_int_equal(again->message.assign.resume_from, 8);
    assert_true(slice_equal(again->prefix, SLICE("half of ")));
    accept(world, POOL_GENERATE, 2, job, 2);
    token(world, job, 1, 2, 8, "STALE"); /* the first worker wakes up */
    assert_null(action(world, ACTION_TEXT, 0));
    token(world, job, 2, 1, 8, "it");
    done(world, 2, job, 2, 1);
    assert_int_equal(ended_with(world), OK);
    assert_true(
        slice_equal(lane_job_view(action(world, ACTION_END, 0)->job).answer, SLICE("half of it")));
}

static void lane_ends_a_stream_whose_second_telling_differs(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    token(world, job, 1, 1, 0, "blue");
    lost(world, POOL_GENERATE, 1);
    join(world, POOL_GENERATE, 2, "b", 1);
    token(world, job, 2, 1, 0, "red");
    assert_int_equal(ended_with(world), ERR_STREAM_INTERRUPTED);
    assert_non_null(sent(world, MESSAGE_CANCEL));
}

static void lane_ends_a_stream_whose_second_telling_is_shorter(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    token(world, job, 1, 1, 0, "long text");
    lost(world, POOL_GENERATE, 1);
    join(world, POOL_GENERATE, 2, "b", 1);
    token(world, job, 2, 1, 0, "long");
    done(world, 2, job, 2, 1);
    assert_int_equal(ended_with(world), ERR_STREAM_INTERRUPTED);
}

static void lane_waits_for_the_tokens_that_done_counted(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    accept(world, POOL_GENERATE, 1, job, 1);
    done(world, 1, job, 1, 2);
    assert_null(action(world, ACTION_END, 0));
    token(world, job, 1, 1, 0, "a");
    assert_null(action(world, ACTION_END, 0));
    token(world, job, 1, 2, 1, "b");
    assert_int_equal(ended_with(world), OK);
}

static void lane_sends_no_tack_for_tokens_that_came_with_done(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 2);
    uint64_t job = submit(world, "G");
    struct message end = {ABOUT(MESSAGE_DONE, job, 1), .done = {.count = 1}};
    struct lane_event event = {.type = EVENT_MESSAGE, .pool = POOL_GENERATE, .session = 1};
    event.message = &end;
    event.tail = true;
    token(world, job, 1, 1, 0, "all");
    step(world, event);
    assert_int_equal(ended_with(world), OK);
    assert_null(sent(world, MESSAGE_TACK));
    job = submit(world, "G");
    token(world, job, 1, 1, 0, "all");
    done(world, 1, job, 1, 1);
    assert_int_equal(ended_with(world), OK);
    assert_int_equal(sent(world, MESSAGE_TACK)->message.tack.got, 1);
}

static void lane_asks_for_lost_tokens_again(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    accept(world, POOL_GENERATE, 1, job, 1);
    done(world, 1, job, 1, 1);
    uint64_t until = world->now + 60 * MS;
    while (world->now < until && !sent(world, MESSAGE_REPLAY)) {
        world->now += LANE_TICK_MS * MS;
        step(world, (struct lane_event){.type = EVENT_TICK});
    }
    assert_int_equal(sent(world, MESSAGE_REPLAY)->message.replay.from, 1);
}

static void lane_gives_a_job_to_another_when_it_is_not_accepted(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 2);
    uint64_t job = submit(world, "G");
    join(world, POOL_GENERATE, 2, "b", 2);
    uint64_t until = world->now + 300 * MS;
    while (world->now < until && !sent(world, MESSAGE_JOB)) {
        world->now += LANE_TICK_MS * MS;
        step(world, (struct lane_event){.type = EVENT_TICK});
    }
    assert_int_equal(sent(world, MESSAGE_JOB)->session, 2);
    assert_int_equal(sent(world, MESSAGE_CANCEL)->session, 1);
    accept(world, POOL_GENERATE, 1, job, 1); /* too late: told to stop */
    assert_int_equal(sent(world, MESSAGE_CANCEL)->session, 1);
}

static void lane_takes_a_silent_worker_for_dead(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    accept(world, POOL_GENERATE, 1, job, 1);
    tick_at(world, world->now + 1600 * MS);
    struct lane_session_view view;
    assert_false(lane_session_view(world->lanes, POOL_GENERATE, 0, &view));
    assert_int_equal(lane_queued(world->lanes, POOL_GENERATE, NULL), 1);
    message(world, POOL_GENERATE, 1, (struct message){.type = MESSAGE_BEAT});
    assert_non_null(sent(world, MESSAGE_RESET)); /* unknown now: begin anew */
}

static void lane_shows_what_a_worker_complains_of_and_counts(void **state)
{
    struct world *world = *state;
    struct count_of told = {.name = SLICE("retried"), .value = 7};
    struct lane_session_view view;
    hello(world, POOL_GENERATE, 1, "boot-1");
    message(world, POOL_GENERATE, 1,
            (struct message){
                .type = MESSAGE_BEAT,
                .beat = {.counts = {&told, 1}, .trouble = SLICE("openai: provider_auth")}});
    const struct lane_action *counts = action(world, ACTION_COUNTS, 0);
    assert_non_null(counts);
    assert_int_equal(counts->pool, POOL_GENERATE);
    assert_ptr_equal(counts->counts.items, &told);
    assert_true(lane_session_view(world->lanes, POOL_GENERATE, 0, &view));
    assert_string_equal(view.trouble, "openai: provider_auth");
    message(world, POOL_GENERATE, 1, (struct message){.type = MESSAGE_BEAT});
    assert_null(action(world, ACTION_COUNTS, 0));
    assert_true(lane_session_view(world->lanes, POOL_GENERATE, 0, &view));
    assert_string_equal(view.trouble, "");
}

static void lane_does_not_blame_others_for_its_own_pause(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    step(world, (struct lane_event){.type = EVENT_TICK});
    world->now += 60000 * MS; /* this process stood still */
    step(world, (struct lane_event){.type = EVENT_TICK});
    struct lane_session_view view;
    assert_true(lane_session_view(world->lanes, POOL_GENERATE, 0, &view));
}

/* How a job ends that two workers seem to have died of; not before they had time to come back. */
static err_t verdict(struct world *world)
{
    assert_null(action(world, ACTION_END, 0));
    world->now += 500 * MS;
    step(world, (struct lane_event){.type = EVENT_TICK});
    return ended_with(world);
}

static void lane_ends_a_job_that_kills_its_workers(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    accept(world, POOL_GENERATE, 1, job, 1);
    lost(world, POOL_GENERATE, 1);
    assert_null(action(world, ACTION_END, 0));
    join(world, POOL_GENERATE, 2, "b", 1);
    accept(world, POOL_GENERATE, 2, job, 2);
    lost(world, POOL_GENERATE, 2);
    assert_int_equal(verdict(world), ERR_WORKER_DIED);
}

static void lane_ends_a_job_that_kills_its_workers_before_they_can_accept_it(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    submit(world, "G");
    lost(world, POOL_GENERATE, 1);
    assert_null(action(world, ACTION_END, 0));
    join(world, POOL_GENERATE, 2, "b", 1);
    lost(world, POOL_GENERATE, 2);
    assert_int_equal(verdict(world), ERR_WORKER_DIED);
}

/* As after this process stood still: their connections end one after the other. */
static void lane_gives_a_job_on_when_all_its_workers_were_only_cut_off(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    join(world, POOL_GENERATE, 2, "b", 1);
    submit(world, "G");
    lost(world, POOL_GENERATE, 1);
    assert_int_equal(sent(world, MESSAGE_JOB)->session, 2);
    lost(world, POOL_GENERATE, 2);
    assert_null(action(world, ACTION_END, 0));
    world->now += 100 * MS;
    join(world, POOL_GENERATE, 3, "a", 1);
    step(world, (struct lane_event){.type = EVENT_TICK});
    assert_int_equal(sent(world, MESSAGE_JOB)->session, 3);
}

static void lane_takes_a_death_back_when_the_worker_returns(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    for (uint64_t session = 1; session < 6; session++) {
        accept(world, POOL_GENERATE, session, job, session);
        lost(world, POOL_GENERATE, session);
        assert_null(action(world, ACTION_END, 0));
        join(world, POOL_GENERATE, session + 1, "a", 1); /* the same process: it was a cut */
    }
}

static void lane_hands_back_failed_jobs_after_a_pause(void **state)
{
    struct world *world = *state;
    join(world, POOL_RETRIEVE, 1, "a", 9);
    uint64_t job = submit(world, "R");
    struct message fail = {
        .type = MESSAGE_FAIL, .job = job, .fail = {.requeue = true, .code = SLICE("store_busy")}};
    for (fail.attempt = 1; fail.attempt <= 3; fail.attempt++) {
        message(world, POOL_RETRIEVE, 1, fail);
        assert_null(sent(world, MESSAGE_JOB));
        assert_null(action(world, ACTION_END, 0));
        message(world, POOL_RETRIEVE, 1, (struct message){.type = MESSAGE_BEAT});
        tick_at(world, world->now + 220 * MS);
    }
    message(world, POOL_RETRIEVE, 1, fail);
    assert_int_equal(ended_with(world), ERR_STORE_BUSY);
}

static const struct lane_action *refuse(struct world *world, uint64_t session, uint64_t job,
                                        uint64_t attempt)
{
    message(world, POOL_EMBED, session,
            (struct message){.type = MESSAGE_FAIL,
                             .job = job,
                             .attempt = attempt,
                             .fail = {.requeue = true, .code = SLICE("embedder_unavailable")}});
    return sent(world, MESSAGE_JOB);
}

static void lane_asks_every_worker_for_an_embedder_before_it_counts_a_hand_back(void **state)
{
    enum { WORKERS = 6 }; /* more than a job may be handed back */
    struct world *world = *state;
    for (uint64_t session = 1; session <= WORKERS; session++)
        join(world, POOL_EMBED, session, (char[]){(char)('a' + session), 0}, 1);
    uint64_t job = submit(world, "E"), asked = 0;
    const struct lane_action *to = sent(world, MESSAGE_JOB);
    for (uint64_t attempt = 1; attempt <= WORKERS; attempt++) {
        assert_non_null(to);
        assert_false(asked & 1u << to->session);
        asked |= 1u << to->session;
        to = refuse(world, to->session, job, attempt);
    }
    assert_null(to); /* all have refused: it waits, and is not lost */
    assert_null(action(world, ACTION_END, 0));
    tick_at(world, world->now + 60 * MS);
    assert_int_equal(lanes_jobs(world->lanes), 1);
}

static void lane_waits_for_the_worker_that_has_not_refused(void **state)
{
    struct world *world = *state;
    join(world, POOL_EMBED, 1, "a", 9);
    uint64_t epoch = hello(world, POOL_EMBED, 2, "b"), job = submit(world, "E");
    assert_int_equal(sent(world, MESSAGE_JOB)->session, 1);
    assert_null(refuse(world, 1, job, 1)); /* the other one has no credit yet */
    credit(world, POOL_EMBED, 2, epoch, 1);
    assert_int_equal(sent(world, MESSAGE_JOB)->session, 2);
}

static void lane_passes_on_what_a_worker_says_of_a_callers_mistake_and_of_nothing_else(void **state)
{
    static const struct {
        struct slice code;
        const char *want;
    } table[] = {{SLICE("invalid_field"), "name is empty"}, {SLICE("store_failed"), NULL}};
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        join(world, POOL_RETRIEVE, i + 1, "a", 9);
        uint64_t job = submit(world, "R");
        message(world, POOL_RETRIEVE, i + 1,
                (struct message){
                    ABOUT(MESSAGE_FAIL, job, 1),
                    .fail = {.code = table[i].code, .message = {"name is empty, it says", 13}}});
        const char *got = lane_job_view(action(world, ACTION_END, 0)->job).message;
        assert_int_equal(got != NULL, table[i].want != NULL);
        if (got) assert_string_equal(got, table[i].want);
        lost(world, POOL_RETRIEVE, i + 1);
    }
}

static void lane_cancels_a_running_job_and_hears_its_usage(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    accept(world, POOL_GENERATE, 1, job, 1);
    step(world, (struct lane_event){.type = EVENT_CANCEL, .job = job});
    assert_int_equal(sent(world, MESSAGE_CANCEL)->message.job, job);
    assert_null(action(world, ACTION_END, 0));
    message(world, POOL_GENERATE, 1,
            (struct message){
                ABOUT(MESSAGE_FAIL, job, 1),
                .fail = {.code = SLICE("cancelled"), .meta = {.usage = {.total_tokens = 7}}}});
    assert_int_equal(ended_with(world), ERR_CANCELLED);
    assert_int_equal(lane_job_view(action(world, ACTION_END, 0)->job).meta->usage.total_tokens, 7);
}

static void lane_cancels_a_waiting_job_at_once(void **state)
{
    struct world *world = *state;
    uint64_t job = submit(world, "G");
    step(world, (struct lane_event){.type = EVENT_CANCEL, .job = job});
    assert_int_equal(ended_with(world), ERR_CANCELLED);
}

static void lane_ends_a_cancelled_job_when_nobody_answers(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    step(world, (struct lane_event){.type = EVENT_CANCEL, .job = job});
    tick_at(world, world->now + 1100 * MS);
    assert_int_equal(ended_with(world), ERR_CANCELLED);
}

static void lane_refuses_beyond_its_limits(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < limits.jobs_max; i++) submit(world, "G");
    assert_int_equal(submit_spec(world, "G", false), ERR_LANE_FULL);
    assert_int_equal(submit_spec(world, "EG", false), ERR_LANE_FULL); /* every lane counts */
    assert_int_equal(submit_spec(world, "R", false), OK);
    assert_int_equal(submit_spec(world, "R", true), OK);
    assert_int_equal(submit_spec(world, "R", true), OK);
    assert_int_equal(submit_spec(world, "R", true), ERR_LANE_FULL);
    assert_int_equal(lane_counters(world->lanes, POOL_GENERATE)->refused, 1);
}

static void lane_refuses_when_its_oldest_job_waits_too_long(void **state)
{
    struct world *world = *state;
    submit(world, "G");
    world->now += 1001 * MS;
    assert_int_equal(submit_spec(world, "G", false), ERR_LANE_FULL);
}

static void lane_refuses_when_a_pool_has_long_been_empty(void **state)
{
    struct world *world = *state;
    world->now += 2001 * MS;
    assert_int_equal(submit_spec(world, "G", false), ERR_NO_WORKER);
}

static void lane_puts_records_before_questions(void **state)
{
    struct world *world = *state;
    submit(world, "R");
    assert_int_equal(submit_spec(world, "R", true), OK);
    uint64_t record = world->next_job;
    join(world, POOL_RETRIEVE, 1, "a", 1);
    assert_int_equal(sent(world, MESSAGE_JOB)->message.job, record);
}

static void lane_moves_a_held_job_when_another_worker_is_free(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    message(world, POOL_GENERATE, 1, (struct message){ABOUT(MESSAGE_HELD, job, 1)});
    tick_at(world, world->now + 300 * MS);
    assert_null(sent(world, MESSAGE_JOB));
    join(world, POOL_GENERATE, 2, "b", 1);
    tick_at(world, world->now + LANE_TICK_MS * MS);
    assert_int_equal(sent(world, MESSAGE_JOB)->session, 2);
}

static void lane_takes_back_what_a_draining_worker_has_not_begun(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 2);
    uint64_t running = submit(world, "G");
    accept(world, POOL_GENERATE, 1, running, 1);
    submit(world, "G");
    join(world, POOL_GENERATE, 2, "b", 0);
    message(world, POOL_GENERATE, 1, (struct message){.type = MESSAGE_DRAIN});
    assert_int_equal(lane_queued(world->lanes, POOL_GENERATE, NULL), 1);
    assert_non_null(sent(world, MESSAGE_TACK)); /* the window opens wide */
    token(world, running, 1, 1, 0, "a");
    done(world, 1, running, 1, 1);
    assert_int_equal(ended_with(world), OK);
    assert_int_equal(lane_counters(world->lanes, POOL_GENERATE)->deaths, 0);
}

static void lane_resets_a_worker_that_sends_garbage(void **state)
{
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 1);
    uint64_t job = submit(world, "G");
    accept(world, POOL_GENERATE, 1, job, 1);
    step(world, (struct lane_event){.type = EVENT_GARBAGE, .pool = POOL_GENERATE, .session = 1});
    assert_non_null(sent(world, MESSAGE_RESET));
    assert_int_equal(lane_queued(world->lanes, POOL_GENERATE, NULL), 1);
    assert_int_equal(lane_counters(world->lanes, POOL_GENERATE)->garbage, 1);
}

static void lane_ends_a_job_at_its_deadline(void **state)
{
    struct world *world = *state;
    submit(world, "G");
    tick_at(world, world->now + 60001 * MS);
    assert_int_equal(ended_with(world), ERR_LANE_TIMEOUT);
}

static void lane_passes_over_a_worker_that_owes_an_answer(void **state)
{
    static const struct {
        unsigned after_ms;
        bool answered; /* by worker 1, before */
        uint64_t to;
    } jobs[] = {{0, false, 1}, {10, false, 1}, {30, false, 2}, {0, true, 1}};
    struct world *world = *state;
    join(world, POOL_GENERATE, 1, "a", 4);
    join(world, POOL_GENERATE, 2, "b", 1);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        world->now += jobs[i].after_ms * MS;
        if (jobs[i].answered) accept(world, POOL_GENERATE, 1, 1, 1);
        submit(world, "G");
        assert_int_equal(sent(world, MESSAGE_JOB)->session, jobs[i].to);
    }
}

static void lane_prefers_the_same_retriever_for_the_same_portfolio(void **state)
{
    struct world *world = *state;
    for (uint64_t session = 1; session <= 3; session++) {
        char boot[2] = {(char)('a' + session), 0};
        join(world, POOL_RETRIEVE, session, boot, 2);
    }
    uint64_t chosen[2];
    for (int i = 0; i < 2; i++) {
        struct lane_job_spec spec = {.kind = KIND_SEARCH,
                                     .stages = "R",
                                     .body = body_new(),
                                     .timeout_ms = 1000,
                                     .affinity = 42};
        step(world,
             (struct lane_event){.type = EVENT_SUBMIT, .job = ++world->next_job, .spec = &spec});
        chosen[i] = sent(world, MESSAGE_JOB)->session;
    }
    assert_int_equal(chosen[0], chosen[1]);
}

static void lane_spreads_a_portfolios_texts_over_the_embedders(void **state)
{
    enum { SLOTS = 2, WORKERS = 3 };
    struct world *world = *state;
    unsigned jobs[WORKERS + 1] = {0};
    for (uint64_t session = 1; session <= WORKERS; session++) {
        char boot[2] = {(char)('a' + session), 0};
        join(world, POOL_EMBED, session, boot, SLOTS);
    }
    for (int i = 0; i < WORKERS; i++) {
        struct lane_job_spec spec = {.kind = KIND_EMBED,
                                     .stages = "E",
                                     .body = body_new(),
                                     .timeout_ms = 1000,
                                     .affinity = 42};
        step(world,
             (struct lane_event){.type = EVENT_SUBMIT, .job = ++world->next_job, .spec = &spec});
        jobs[sent(world, MESSAGE_JOB)->session]++;
    }
    for (size_t i = 1; i <= WORKERS; i++) assert_int_equal(jobs[i], 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(lane_sends_a_job_only_for_a_credit),
        CASE(lane_forwards_a_job_through_its_itinerary),
        CASE(lane_requeues_a_job_when_its_worker_dies),
        CASE(lane_resumes_a_stream_behind_what_was_delivered),
        CASE(lane_ends_a_stream_whose_second_telling_differs),
        CASE(lane_ends_a_stream_whose_second_telling_is_shorter),
        CASE(lane_waits_for_the_tokens_that_done_counted),
        CASE(lane_sends_no_tack_for_tokens_that_came_with_done),
        CASE(lane_asks_for_lost_tokens_again),
        CASE(lane_gives_a_job_to_another_when_it_is_not_accepted),
        CASE(lane_takes_a_silent_worker_for_dead),
        CASE(lane_shows_what_a_worker_complains_of_and_counts),
        CASE(lane_does_not_blame_others_for_its_own_pause),
        CASE(lane_ends_a_job_that_kills_its_workers),
        CASE(lane_ends_a_job_that_kills_its_workers_before_they_can_accept_it),
        CASE(lane_gives_a_job_on_when_all_its_workers_were_only_cut_off),
        CASE(lane_takes_a_death_back_when_the_worker_returns),
        CASE(lane_hands_back_failed_jobs_after_a_pause),
        CASE(lane_asks_every_worker_for_an_embedder_before_it_counts_a_hand_back),
        CASE(lane_waits_for_the_worker_that_has_not_refused),
        CASE(lane_passes_on_what_a_worker_says_of_a_callers_mistake_and_of_nothing_else),
        CASE(lane_cancels_a_running_job_and_hears_its_usage),
        CASE(lane_cancels_a_waiting_job_at_once),
        CASE(lane_ends_a_cancelled_job_when_nobody_answers),
        CASE(lane_refuses_beyond_its_limits),
        CASE(lane_refuses_when_its_oldest_job_waits_too_long),
        CASE(lane_refuses_when_a_pool_has_long_been_empty),
        CASE(lane_puts_records_before_questions),
        CASE(lane_moves_a_held_job_when_another_worker_is_free),
        CASE(lane_takes_back_what_a_draining_worker_has_not_begun),
        CASE(lane_resets_a_worker_that_sends_garbage),
        CASE(lane_ends_a_job_at_its_deadline),
        CASE(lane_passes_over_a_worker_that_owes_an_answer),
        CASE(lane_prefers_the_same_retriever_for_the_same_portfolio),
        CASE(lane_spreads_a_portfolios_texts_over_the_embedders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
