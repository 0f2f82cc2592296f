/* Turns, conversations, history. */
#include "store_fixture.h"

#include "common/sha256.h"

static struct recorded record(struct fixture *f, uint64_t conversation_id, const char *question,
                              const char *answer, const char *status)
{
    struct recorded recorded;
    struct turn turn = {.conversation_id = conversation_id,
                        .agent_id = 1,
                        .question = slice_of(question),
                        .answer = slice_of(answer),
                        .status = slice_of(status)};
    assert_int_equal(call(f, KIND_RECORD, &turn, &recorded), OK);
    return recorded;
}

static void a_turn_is_kept_whole(void **state)
{
    struct fixture *f = *state;
    struct citation citation = {.n = 1,
                                .document_id = 5,
                                .title = SLICE("T"),
                                .chunk_id = 9,
                                .start = 3,
                                .end = 8,
                                .score = 0.5};
    struct turn turn = {.agent_id = 1,
                        .question = SLICE("What?"),
                        .answer = SLICE("That [1]."),
                        .status = SLICE("completed"),
                        .cached = SLICE("exact"),
                        .finish_reason = SLICE("stop"),
                        .usage = {.prompt_tokens = 3, .completion_tokens = 4, .total_tokens = 7},
                        .citations = {&citation, 1},
                        .timings_ms = SLICE("{\"total\":12}")};
    struct recorded recorded;
    struct conversation got;
    assert_int_equal(call(f, KIND_RECORD, &turn, &recorded), OK);
    struct select select = {.id = recorded.conversation_id};
    assert_int_equal(call(f, KIND_CONVERSATION_GET, &select, &got), OK);
    assert_int_equal(got.agent_id, 1);
    assert_int_equal(got.created_at.len, strlen("2026-01-31T12:00:00.000Z"));
    assert_int_equal(got.messages.count, 2);
    const struct chat_message *message = got.messages.items;
    assert_text(message[0].role, "user");
    assert_text(message[0].content, "What?");
    assert_text(message[1].role, "assistant");
    assert_text(message[1].content, "That [1].");
    assert_int_equal(message[1].id, recorded.message_id);
    assert_text(message[1].cached, "exact");
    assert_text(message[1].finish_reason, "stop");
    assert_int_equal(message[1].usage.total_tokens, 7);
    assert_text(message[1].timings_ms, "{\"total\":12}");
    assert_int_equal(message[1].citations.count, 1);
    const struct citation *kept = message[1].citations.items;
    assert_int_equal(kept->chunk_id, 9);
    assert_text(kept->title, "T");
}

static void failed_and_cancelled_turns_are_kept_with_their_status(void **state)
{
    struct fixture *f = *state;
    struct conversation got;
    uint64_t id = record(f, 0, "one", "", "failed").conversation_id;
    record(f, id, "two", "half an", "cancelled");
    assert_int_equal(call(f, KIND_CONVERSATION_GET, &(struct select){.id = id}, &got), OK);
    const struct chat_message *message = got.messages.items;
    assert_int_equal(got.messages.count, 4);
    assert_text(message[1].status, "failed");
    assert_text(message[3].status, "cancelled");
    assert_text(message[3].content, "half an");
}

static void a_turn_delivered_twice_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct turn turn = {.question = SLICE("q"), .answer = SLICE("a")};
    struct recorded first, second;
    struct conversation got;
    assert_int_equal(call_on(f, f->store, KIND_RECORD, "op-7", &turn, &first), OK);
    assert_int_equal(call_on(f, f->store, KIND_RECORD, "op-7", &turn, &second), OK);
    assert_int_equal(first.conversation_id, second.conversation_id);
    assert_int_equal(first.message_id, second.message_id);
    struct select select = {.id = first.conversation_id};
    assert_int_equal(call(f, KIND_CONVERSATION_GET, &select, &got), OK);
    assert_int_equal(got.messages.count, 2);
}

static void a_turn_delivered_twice_at_once_to_two_handles_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct store *other;
    struct made_call one, two;
    struct recorded first, second;
    struct turn turn = {.question = SLICE("q"), .answer = SLICE("a")};
    assert_int_equal(fixture_open(f, &other), OK);
    call_begin(f->store, &one, KIND_RECORD, "op", NULL, &turn);
    call_begin(other, &two, KIND_RECORD, "op", NULL, &turn);
    assert_int_equal(call_end(f, &one, NULL, &first), OK);
    assert_int_equal(call_end(f, &two, NULL, &second), OK);
    assert_int_equal(first.message_id, second.message_id);
    store_close(&other);
}

static void one_bad_turn_of_a_group_spoils_no_other(void **state)
{
    struct fixture *f = *state;
    struct made_call calls[64];
    struct turn good = {.question = SLICE("q")}, bad = {.conversation_id = 999};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        call_begin(f->store, &calls[i], KIND_RECORD, NULL, NULL, i % 3 ? &good : &bad);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        assert_int_equal(call_end(f, &calls[i], NULL, NULL),
                         i % 3 ? OK : ERR_CONVERSATION_NOT_FOUND);
}

static void history_is_the_last_messages_oldest_first(void **state)
{
    struct fixture *f = *state;
    struct history got;
    uint64_t id = record(f, 0, "q1", "a1", "completed").conversation_id;
    record(f, id, "q2", "a2", "completed");
    record(f, id, "q3", "", "failed");
    record(f, id, "q4", "a4", "cancelled");
    assert_int_equal(call(f, KIND_HISTORY, &(struct select){.id = id}, &got), OK);
    assert_int_equal(got.conversation_id, id);
    const struct chat_message *message = got.messages.items;
    static const char *const want[] = {"q2", "a2", "q4", "a4"};
    assert_int_equal(got.messages.count, ARRAY_LEN(want)); /* the fixture's limit */
    for (size_t i = 0; i < ARRAY_LEN(want); i++) assert_text(message[i].content, want[i]);
}

static void the_digest_names_roles_and_contents_alone(void **state)
{
    struct fixture *f = *state;
    struct history one, two, three;
    uint64_t a = record(f, 0, "q", "a", "completed").conversation_id;
    uint64_t b = record(f, 0, "q", "a", "completed").conversation_id;
    uint64_t c = record(f, 0, "qa", "", "completed").conversation_id;
    assert_int_equal(call(f, KIND_HISTORY, &(struct select){.id = a}, &one), OK);
    assert_int_equal(call(f, KIND_HISTORY, &(struct select){.id = b}, &two), OK);
    assert_int_equal(call(f, KIND_HISTORY, &(struct select){.id = c}, &three), OK);
    assert_int_equal(one.digest.len, SHA256_HEX);
    assert_true(slice_equal(one.digest, two.digest));
    assert_false(slice_equal(one.digest, three.digest));
    record(f, a, "q2", "a2", "completed");
    assert_int_equal(call(f, KIND_HISTORY, &(struct select){.id = a}, &two), OK);
    assert_false(slice_equal(one.digest, two.digest));
}

static void unknown_conversations_are_not_found(void **state)
{
    struct turn turn = {.conversation_id = 12345, .question = SLICE("q")};
    struct select select = {.id = 12345};
    assert_int_equal(call(*state, KIND_HISTORY, &select, NULL), ERR_CONVERSATION_NOT_FOUND);
    assert_int_equal(call(*state, KIND_CONVERSATION_GET, &select, NULL),
                     ERR_CONVERSATION_NOT_FOUND);
    assert_int_equal(call(*state, KIND_RECORD, &turn, NULL), ERR_CONVERSATION_NOT_FOUND);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_turn_is_kept_whole),
        STORE_TEST(failed_and_cancelled_turns_are_kept_with_their_status),
        STORE_TEST(a_turn_delivered_twice_is_stored_once),
        STORE_TEST(a_turn_delivered_twice_at_once_to_two_handles_is_stored_once),
        STORE_TEST(one_bad_turn_of_a_group_spoils_no_other),
        STORE_TEST(history_is_the_last_messages_oldest_first),
        STORE_TEST(the_digest_names_roles_and_contents_alone),
        STORE_TEST(unknown_conversations_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
