/* Claims: who may record a turn, whoever asks first, dies, wakes up or comes again. */
#include "store_fixture.h"

#define LEASE_MS 60000

static struct claim_request wanted(uint64_t conversation_id, const char *key, const char *digest)
{
    return (struct claim_request){.conversation_id = conversation_id,
                                  .key = slice_of(key),
                                  .digest = slice_of(digest),
                                  .lease_ms = LEASE_MS};
}

static err_t take_on(struct fixture *f, struct store *store, const char *op,
                     const struct claim_request *request, struct claimed *claimed)
{
    return call_on(f, store, KIND_CLAIM_TAKE, op, request, claimed);
}

static err_t take(struct fixture *f, const struct claim_request *request, struct claimed *claimed)
{
    return take_on(f, f->store, NULL, request, claimed);
}

/* Takes a claim that nobody stands against. */
static uint64_t taken(struct fixture *f, uint64_t conversation_id, const char *key)
{
    struct claim_request request = wanted(conversation_id, key, "d");
    struct claimed claimed;
    assert_int_equal(take(f, &request, &claimed), OK);
    assert_true(claimed.fence > 0);
    return claimed.fence;
}

/* Takes a claim as somebody who is then never heard of again, and waits for the lease's end. */
static uint64_t taken_and_lapsed(struct fixture *f, uint64_t conversation_id, const char *key)
{
    struct claim_request request = wanted(conversation_id, key, "d");
    struct claimed claimed;
    request.lease_ms = 1;
    assert_int_equal(take(f, &request, &claimed), OK);
    int64_t until = clock_wall_ms() + 2;
    while (clock_wall_ms() < until) continue;
    return claimed.fence;
}

static err_t record_on(struct fixture *f, struct store *store, const char *op, uint64_t fence,
                       uint64_t conversation_id, const char *answer, const char *status,
                       struct recorded *recorded)
{
    struct turn turn = {.conversation_id = conversation_id,
                        .agent_id = 1,
                        .question = SLICE("q"),
                        .answer = slice_of(answer),
                        .language = SLICE("en"),
                        .complexity = SLICE("simple"),
                        .top_k = 3,
                        .max_tokens = 2000,
                        .status = slice_of(status),
                        .finish_reason = SLICE("stop"),
                        .usage = {.total_tokens = 7},
                        .timings_ms = SLICE("{\"total\":12}"),
                        .fence = fence};
    return call_on(f, store, KIND_RECORD, op, &turn, recorded);
}

static struct recorded recorded(struct fixture *f, uint64_t fence, uint64_t conversation_id,
                                const char *answer, const char *status)
{
    struct recorded recorded;
    assert_int_equal(
        record_on(f, f->store, NULL, fence, conversation_id, answer, status, &recorded), OK);
    return recorded;
}

static uint64_t conversation_of(struct fixture *f)
{
    return recorded(f, 0, 0, "a", "completed").conversation_id;
}

static size_t messages_of(struct fixture *f, uint64_t conversation_id)
{
    struct conversation got;
    assert_int_equal(call(f, KIND_CONVERSATION_GET, &(struct select){.id = conversation_id}, &got),
                     OK);
    return got.messages.count;
}

static err_t renew(struct fixture *f, uint64_t held, uint64_t released, size_t *lost)
{
    struct claim claims[] = {{.fence = held}, {.fence = released}};
    struct renewal renewal = {.lease_ms = LEASE_MS,
                              .held = {&claims[0], held != 0},
                              .released = {&claims[1], released != 0}};
    struct renewed renewed;
    err_t error = call(f, KIND_CLAIM_RENEW, &renewal, &renewed);
    *lost = renewed.lost.count;
    return error;
}

/* --- taking --- */

static void a_claim_brings_the_history_along(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f);
    struct claim_request request = wanted(id, "", "");
    struct claimed claimed;
    struct history plain;
    assert_int_equal(take(f, &request, &claimed), OK);
    assert_int_equal(call(f, KIND_HISTORY, &(struct select){.id = id}, &plain), OK);
    assert_int_equal(claimed.history.conversation_id, id);
    assert_int_equal(claimed.history.messages.count, 2);
    assert_true(slice_equal(claimed.history.digest, plain.digest));
    assert_false(claimed.taken_over);
    request.conversation_id = 12345;
    assert_int_equal(take(f, &request, NULL), ERR_CONVERSATION_NOT_FOUND);
}

static void one_question_at_a_time_in_a_conversation(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f), other = conversation_of(f);
    uint64_t fence = taken(f, id, "");
    struct claim_request request = wanted(id, "", "");
    assert_int_equal(take(f, &request, NULL), ERR_CONVERSATION_BUSY);
    request.key = SLICE("a key of its own");
    assert_int_equal(take(f, &request, NULL), ERR_CONVERSATION_BUSY);
    assert_true(taken(f, other, "") > fence);
    recorded(f, fence, id, "a2", "completed");
    assert_true(taken(f, id, "") > fence);
}

static void a_key_in_use_is_in_progress_and_with_another_body_a_mismatch(void **state)
{
    struct fixture *f = *state;
    struct claim_request request = wanted(0, "k", "d"), other = wanted(0, "k", "e");
    struct claim_request stranger = wanted(0, "k", "e");
    uint64_t fence = taken(f, 0, "k");
    stranger.tenant = SLICE("somebody else");
    assert_int_equal(take(f, &request, NULL), ERR_IDEMPOTENCY_IN_PROGRESS);
    assert_int_equal(take(f, &other, NULL), ERR_IDEMPOTENCY_MISMATCH);
    assert_int_equal(take(f, &stranger, NULL), OK);
    recorded(f, fence, 0, "a", "completed");
    assert_int_equal(take(f, &other, NULL), ERR_IDEMPOTENCY_MISMATCH);
}

static void two_handles_that_take_the_same_key_at_once_make_one_claim(void **state)
{
    struct fixture *f = *state;
    struct store *second;
    struct made_call one, two;
    struct claim_request request = wanted(0, "k", "d");
    assert_int_equal(fixture_open(f, &second), OK);
    call_begin(f->store, &one, KIND_CLAIM_TAKE, "op1", NULL, &request);
    call_begin(second, &two, KIND_CLAIM_TAKE, "op2", NULL, &request);
    err_t first = call_end(f, &one, NULL, NULL), other = call_end(f, &two, NULL, NULL);
    assert_int_equal(first + other, ERR_IDEMPOTENCY_IN_PROGRESS);
    store_close(&second);
}

/* --- delivered twice --- */

static void a_claim_delivered_twice_is_one_claim(void **state)
{
    struct fixture *f = *state;
    struct store *other;
    uint64_t id = conversation_of(f);
    struct claim_request request = wanted(id, "k", "d");
    struct claimed first, again;
    assert_int_equal(fixture_open(f, &other), OK);
    assert_int_equal(take_on(f, f->store, "op", &request, &first), OK);
    assert_int_equal(take_on(f, other, "op", &request, &again), OK);
    assert_int_equal(again.fence, first.fence);
    assert_int_equal(again.history.messages.count, 2);
    store_close(&other);
}

static void a_claim_delivered_after_its_end_takes_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f);
    struct claim_request request = wanted(id, "", "");
    struct claimed claimed;
    assert_int_equal(take_on(f, f->store, "op", &request, &claimed), OK);
    recorded(f, claimed.fence, id, "a2", "completed");
    assert_int_equal(take_on(f, f->store, "op", &request, NULL), ERR_CLAIM_LOST);
    taken(f, id, "");
}

static void a_turn_delivered_again_after_its_commit_answers_the_first_result(void **state)
{
    struct fixture *f = *state;
    struct store *other;
    struct recorded first, again;
    uint64_t fence = taken(f, 0, "k");
    assert_int_equal(fixture_open(f, &other), OK);
    assert_int_equal(record_on(f, f->store, "op", fence, 0, "a", "completed", &first), OK);
    assert_int_equal(record_on(f, other, "op", fence, 0, "a", "completed", &again), OK);
    assert_int_equal(again.message_id, first.message_id);
    assert_int_equal(messages_of(f, first.conversation_id), 2);
    store_close(&other);
}

/* --- coming again --- */

static void a_key_that_was_answered_gives_the_same_answer_again(void **state)
{
    struct fixture *f = *state;
    struct claim_request request = wanted(0, "k", "d");
    struct claimed claimed;
    struct recorded made = recorded(f, taken(f, 0, "k"), 0, "the answer", "completed");
    assert_int_equal(take(f, &request, &claimed), OK);
    assert_int_equal(claimed.fence, 0);
    assert_int_equal(claimed.message_id, made.message_id);
    assert_int_equal(claimed.completed.count, 1);
    const struct turn *turn = claimed.completed.items;
    assert_int_equal(turn->conversation_id, made.conversation_id);
    assert_text(turn->answer, "the answer");
    assert_text(turn->language, "en");
    assert_text(turn->complexity, "simple");
    assert_text(turn->finish_reason, "stop");
    assert_text(turn->timings_ms, "{\"total\":12}");
    assert_int_equal(turn->top_k, 3);
    assert_int_equal(turn->max_tokens, 2000);
    assert_int_equal(turn->usage.total_tokens, 7);
}

static void a_turn_that_did_not_complete_is_replaced_by_the_retry_s(void **state)
{
    static const char *const ends[] = {"cancelled", "failed"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct recorded half = recorded(f, taken(f, 0, ends[i]), 0, "hal", ends[i]);
        assert_int_equal(messages_of(f, half.conversation_id), 2);
        struct recorded whole = recorded(f, taken(f, 0, ends[i]), 0, "half", "completed");
        assert_int_equal(whole.conversation_id, half.conversation_id);
        assert_true(whole.message_id > half.message_id);
        assert_int_equal(messages_of(f, half.conversation_id), 2);
    }
}

static void the_retry_s_history_is_without_the_turn_that_it_replaces(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f);
    struct claim_request request = wanted(id, "k", "d");
    struct claimed claimed;
    recorded(f, taken(f, id, "k"), id, "hal", "cancelled");
    assert_int_equal(messages_of(f, id), 4);
    assert_int_equal(take(f, &request, &claimed), OK);
    assert_int_equal(claimed.history.messages.count, 2);
    recorded(f, claimed.fence, id, "half", "completed");
    assert_int_equal(messages_of(f, id), 4);
}

/* --- holders that fall silent --- */

static void a_lapsed_claim_is_taken_over_with_a_higher_fence(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f);
    struct claim_request cases[] = {wanted(0, "k", "d"), wanted(id, "", ""), wanted(id, "l", "d")};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct claimed claimed;
        char key[2] = {0};
        memcpy(key, cases[i].key.ptr, cases[i].key.len);
        uint64_t old = taken_and_lapsed(f, cases[i].conversation_id, key);
        assert_int_equal(take(f, &cases[i], &claimed), OK);
        assert_true(claimed.taken_over);
        assert_true(claimed.fence > old);
        recorded(f, claimed.fence, cases[i].conversation_id, "a", "completed");
    }
}

static void who_was_stopped_past_its_lease_cannot_commit_beside_its_successor(void **state)
{
    struct fixture *f = *state;
    struct store *stopped;
    uint64_t id = conversation_of(f);
    assert_int_equal(fixture_open(f, &stopped), OK);
    uint64_t old = taken_and_lapsed(f, id, "k");
    uint64_t fence = taken(f, id, "k");
    assert_int_equal(record_on(f, stopped, "o1", old, id, "late", "completed", NULL),
                     ERR_CLAIM_LOST);
    recorded(f, fence, id, "a", "completed");
    assert_int_equal(record_on(f, stopped, "o2", old, id, "late", "completed", NULL),
                     ERR_CLAIM_LOST);
    assert_int_equal(messages_of(f, id), 4);
    store_close(&stopped);
}

static void a_conversation_s_claim_is_void_though_its_key_is_still_known(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f);
    struct claim_request other_body = wanted(id, "k", "e");
    size_t lost;
    uint64_t old = taken_and_lapsed(f, id, "k");
    uint64_t fence = taken(f, id, "");
    assert_int_equal(record_on(f, f->store, NULL, old, id, "late", "completed", NULL),
                     ERR_CLAIM_LOST);
    assert_int_equal(renew(f, old, 0, &lost), OK);
    assert_int_equal(lost, 1);
    recorded(f, fence, id, "a", "completed");
    assert_int_equal(take(f, &other_body, NULL), ERR_IDEMPOTENCY_MISMATCH);
    assert_true(taken(f, id, "k") > fence);
}

static void a_lapsed_claim_that_nobody_took_still_commits(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f);
    recorded(f, taken_and_lapsed(f, id, "k"), id, "a", "completed");
    assert_int_equal(messages_of(f, id), 4);
}

/* --- renewing and releasing --- */

static void a_renewed_claim_does_not_lapse(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f);
    struct claim_request request = wanted(id, "", "");
    size_t lost;
    uint64_t fence = taken_and_lapsed(f, id, "");
    assert_int_equal(renew(f, fence, 0, &lost), OK);
    assert_int_equal(lost, 0);
    assert_int_equal(take(f, &request, NULL), ERR_CONVERSATION_BUSY);
    assert_int_equal(renew(f, 999, 0, &lost), OK);
    assert_int_equal(lost, 1);
}

static void a_released_claim_is_free_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t id = conversation_of(f), fence = taken(f, id, "k");
    size_t lost;
    assert_int_equal(renew(f, 0, fence, &lost), OK);
    assert_int_equal(record_on(f, f->store, NULL, fence, id, "late", "completed", NULL),
                     ERR_CLAIM_LOST);
    struct claim_request request = wanted(id, "k", "d");
    struct claimed claimed;
    assert_int_equal(take(f, &request, &claimed), OK);
    assert_false(claimed.taken_over);
    assert_int_equal(renew(f, 0, claimed.fence, &lost), OK);
    assert_int_equal(renew(f, 0, claimed.fence, &lost), OK);
    taken(f, id, "");
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_claim_brings_the_history_along),
        STORE_TEST(one_question_at_a_time_in_a_conversation),
        STORE_TEST(a_key_in_use_is_in_progress_and_with_another_body_a_mismatch),
        STORE_TEST(two_handles_that_take_the_same_key_at_once_make_one_claim),
        STORE_TEST(a_claim_delivered_twice_is_one_claim),
        STORE_TEST(a_claim_delivered_after_its_end_takes_nothing),
        STORE_TEST(a_turn_delivered_again_after_its_commit_answers_the_first_result),
        STORE_TEST(a_key_that_was_answered_gives_the_same_answer_again),
        STORE_TEST(a_turn_that_did_not_complete_is_replaced_by_the_retry_s),
        STORE_TEST(the_retry_s_history_is_without_the_turn_that_it_replaces),
        STORE_TEST(a_lapsed_claim_is_taken_over_with_a_higher_fence),
        STORE_TEST(who_was_stopped_past_its_lease_cannot_commit_beside_its_successor),
        STORE_TEST(a_conversation_s_claim_is_void_though_its_key_is_still_known),
        STORE_TEST(a_lapsed_claim_that_nobody_took_still_commits),
        STORE_TEST(a_renewed_claim_does_not_lapse),
        STORE_TEST(a_released_claim_is_free_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
