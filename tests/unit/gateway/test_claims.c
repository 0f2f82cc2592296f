/* Keys and conversations at the gateway, with a store that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "gateway/request_flow.h"
#include "gateway_fixture.h"

#define CHAT   "/api/agents/1/chat"
#define STREAM CHAT "/stream"
#define HELLO  "{\"message\":\"Hello\"}"

static struct client ask(struct fixture *fixture, const char *path, const char *key,
                         const char *body)
{
    struct client client = client_connect(fixture);
    struct buffer headers = {0};
    if (key) buffer_printf(&headers, "Idempotency-Key: %s\r\n", key);
    buffer_append_char(&headers, '\0');
    client_ask(fixture, &client, "POST", path, headers.data, body);
    buffer_free(&headers);
    return client;
}

/* Plays the directory for the first question; later ones find it known. */
static void answer_configs(struct fixture *fixture)
{
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_GET));
    fake_answer(fake_job_of(KIND_AGENT_GET), &(struct agent){.id = 1, .version = 1});
}

/* Asks with a key, as far as the claim's job. */
static struct client ask_first(struct fixture *fixture, const char *path, const char *key,
                               const char *body)
{
    struct client client = ask(fixture, path, key, body);
    answer_configs(fixture);
    assert_non_null(fake_job_of(KIND_CLAIM_TAKE));
    assert_null(fake_job_of(KIND_CHAT));
    return client;
}

static void give_claim(uint64_t fence)
{
    fake_answer(fake_job_of(KIND_CLAIM_TAKE), &(struct claimed){.fence = fence});
}

static void answer(const char *text)
{
    struct fake_job *job = fake_job_of(KIND_CHAT);
    struct meta meta = {.finish_reason = SLICE("stop")};
    fake_say(job, slice_of(text));
    fake_done(job, &meta);
}

/* The request of a job, decoded; its texts live as long as the job. */
static void request_of(enum kind kind, void *request)
{
    static struct arena arena;
    struct fake_job *job = fake_job_of(kind);
    arena_free(&arena);
    assert_non_null(job);
    assert_int_equal(record_decode(kind_info(kind)->request(), body_frame(job->body, FRAME_REQUEST),
                                   &arena, request),
                     OK);
}

/* The only fence of a list. */
static uint64_t fence_of(struct list list)
{
    assert_int_equal(list.count, 1);
    return ((const struct claim *)list.items)->fence;
}

static void turn_until_renewal(struct fixture *fixture)
{
    uint64_t until = clock_ms() + 5000;
    while (!fake_job_of(KIND_CLAIM_RENEW) && clock_ms() < until)
        event_base_loop(fixture->gateway.base, EVLOOP_ONCE);
    assert_non_null(fake_job_of(KIND_CLAIM_RENEW));
    assert_true(fake_job_of(KIND_CLAIM_RENEW)->record);
}

static int claims_of(const char *result)
{
    return (int)metric_value(METRIC_CLAIMS, result, NULL);
}

/* --- keys --- */

static void a_key_of_a_wrong_shape_is_422(void **state)
{
    struct fixture *fixture = *state;
    char long_key[257] = {0}, longest[256] = {0};
    memset(long_key, 'k', 256);
    memset(longest, 'k', 255);
    const struct {
        const char *key, *body;
    } cases[] = {
        {"", HELLO},
        {long_key, HELLO},
        {"caf\xc3\xa9", HELLO},
        {"a\tb", HELLO},
        {"k", "{\"message\":\"Hello\",\"store\":false}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client client = ask(fixture, CHAT, cases[i].key, cases[i].body);
        TURN_UNTIL(fixture, client_has_answer(&client));
        if (client_status(&client) != 422 || !strstr(client_text(&client), "Idempotency-Key"))
            fail_msg("%s: %s", cases[i].key, client_text(&client));
        client_close(&client);
    }
    assert_int_equal(fake_job_count, 0);
    struct client client = ask_first(fixture, CHAT, longest, HELLO);
    client_close(&client);
}

static void a_key_names_what_is_asked_not_how_it_is_written(void **state)
{
    static const struct {
        const char *path, *body;
        bool same;
    } cases[] = {
        {CHAT, "{ \"top_k\": null, \"message\" : \"H\\u0065llo\", \"other\": 1 }", true},
        {STREAM, HELLO, true},
        {CHAT, "{\"message\":\"Hello!\"}", false},
        {CHAT, "{\"message\":\"Hello\",\"top_k\":3}", false},
        {CHAT, "{\"message\":\"Hello\",\"language\":\"en\"}", false},
        {CHAT, "{\"message\":\"Hello\",\"conversation_id\":1}", false},
    };
    struct fixture *fixture = *state;
    struct claim_request request;
    char digest[64];
    struct client client = ask_first(fixture, CHAT, "k 1", HELLO);
    request_of(KIND_CLAIM_TAKE, &request);
    assert_true(slice_equal(request.key, SLICE("k 1")));
    assert_int_equal(request.lease_ms, fixture->settings.claim_lease_ms);
    assert_int_equal(request.digest.len, sizeof(digest));
    memcpy(digest, request.digest.ptr, sizeof(digest));
    client_close(&client);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t before = fake_count_of(KIND_CLAIM_TAKE);
        client = ask(fixture, cases[i].path, "k 1", cases[i].body);
        TURN_UNTIL(fixture, fake_count_of(KIND_CLAIM_TAKE) > before);
        request_of(KIND_CLAIM_TAKE, &request);
        if (slice_equal(request.digest, (struct slice){digest, sizeof(digest)}) != cases[i].same)
            fail_msg("%s", cases[i].body);
        client_close(&client);
    }
}

static void a_question_without_key_and_conversation_takes_no_claim(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask(fixture, CHAT, NULL, HELLO);
    answer_configs(fixture);
    answer("Hi");
    TURN_UNTIL(fixture, fake_job_of(KIND_RECORD));
    assert_int_equal(fake_count_of(KIND_CLAIM_TAKE) + fake_count_of(KIND_HISTORY), 0);
    client_close(&client);
    client =
        ask(fixture, CHAT, NULL, "{\"message\":\"Hello\",\"conversation_id\":5,\"store\":false}");
    TURN_UNTIL(fixture, fake_job_of(KIND_HISTORY));
    assert_int_equal(fake_count_of(KIND_CLAIM_TAKE), 0);
    client_close(&client);
}

/* --- one turn --- */

static void a_turn_is_recorded_under_its_claim_and_then_not_renewed(void **state)
{
    struct fixture *fixture = *state;
    struct turn made;
    struct client client = ask_first(fixture, CHAT, "k", HELLO);
    assert_int_equal(strlen(fake_job_of(KIND_CLAIM_TAKE)->op), 32);
    give_claim(7);
    assert_int_equal(body_frame(fake_job_of(KIND_CHAT)->body, FRAME_HISTORY).len, 0);
    assert_int_equal((int)metric_value(METRIC_CLAIMS_HELD, NULL, NULL), 1);
    answer("Hi");
    request_of(KIND_RECORD, &made);
    assert_int_equal(made.fence, 7);
    assert_int_equal((int)metric_value(METRIC_CLAIMS_HELD, NULL, NULL), 1);
    fake_answer(fake_job_of(KIND_RECORD),
                &(struct recorded){.conversation_id = 2, .message_id = 4});
    assert_int_equal((int)metric_value(METRIC_CLAIMS_HELD, NULL, NULL), 0);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_null(strstr(client_text(&client), "idempotent_replay"));
    assert_int_equal(claims_of("taken"), 1);
    client_close(&client);
}

static void a_conversation_s_claim_brings_its_history(void **state)
{
    struct fixture *fixture = *state;
    struct chat_message said = {.id = 1, .role = SLICE("user"), .content = SLICE("earlier")};
    struct claimed claimed = {
        .fence = 3, .history = {.conversation_id = 5, .messages = {&said, 1}}, .taken_over = true};
    struct arena arena = {0};
    struct history history;
    struct client client =
        ask_first(fixture, CHAT, NULL, "{\"message\":\"Hello\",\"conversation_id\":5}");
    fake_answer(fake_job_of(KIND_CLAIM_TAKE), &claimed);
    struct slice frame = body_frame(fake_job_of(KIND_CHAT)->body, FRAME_HISTORY);
    assert_int_equal(record_decode(history_type(), frame, &arena, &history), OK);
    assert_int_equal(history.conversation_id, 5);
    assert_int_equal(history.messages.count, 1);
    assert_int_equal(claims_of("taken_over"), 1);
    arena_free(&arena);
    client_close(&client);
}

static void a_cancelled_turn_is_recorded_under_its_claim_too(void **state)
{
    struct fixture *fixture = *state;
    struct turn made;
    struct client client = ask_first(fixture, STREAM, "k", HELLO);
    give_claim(7);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    fake_say(job, SLICE("Hal"));
    client_close(&client);
    TURN_UNTIL(fixture, job->cancelled);
    fake_fail(job, ERR_CANCELLED);
    request_of(KIND_RECORD, &made);
    assert_int_equal(made.fence, 7);
    assert_true(slice_equal(made.status, SLICE("cancelled")));
    assert_true(slice_equal(made.answer, SLICE("Hal")));
    assert_int_equal(fake_count_of(KIND_CLAIM_RENEW), 0);
}

static void a_commit_that_a_successor_has_overtaken_is_told_and_counted(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask_first(fixture, CHAT, "k", HELLO);
    give_claim(7);
    answer("Hi");
    fake_fail(fake_job_of(KIND_RECORD), ERR_CLAIM_LOST);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_non_null(strstr(client_text(&client), "\"recorded\":false,"));
    assert_int_equal(claims_of("fenced"), 1);
    assert_int_equal(recorder_waiting(fixture->gateway.recorder), 0);
    assert_int_equal((int)metric_value(METRIC_CLAIMS_HELD, NULL, NULL), 0);
    client_close(&client);
}

/* --- refused, and told again --- */

static void a_claim_that_is_not_given_is_told_with_its_status(void **state)
{
    static const struct {
        err_t error;
        const char *code;
        int status;
        bool later;
    } cases[] = {
        {ERR_CONVERSATION_BUSY, "conversation_busy", 409, true},
        {ERR_IDEMPOTENCY_IN_PROGRESS, "idempotency_in_progress", 409, true},
        {ERR_IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 422, false},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client client = ask(fixture, i % 2 ? CHAT : STREAM, "k", HELLO);
        if (i == 0) answer_configs(fixture);
        TURN_UNTIL(fixture, fake_job_of(KIND_CLAIM_TAKE));
        fake_fail(fake_job_of(KIND_CLAIM_TAKE), cases[i].error);
        TURN_UNTIL(fixture, client_has_answer(&client));
        assert_int_equal(client_status(&client), cases[i].status);
        assert_true(client_has(&client, cases[i].code));
        assert_int_equal(client_has(&client, "Retry-After: 1\r\n"), cases[i].later);
        assert_int_equal(claims_of(cases[i].code), 1);
        client_close(&client);
    }
    assert_int_equal(fake_count_of(KIND_CHAT) + fake_count_of(KIND_RECORD), 0);
}

static const struct claimed *answered_before(void)
{
    static struct citation citation = {.n = 1, .document_id = 2, .title = SLICE("T")};
    static struct turn turn = {.conversation_id = 5,
                               .answer = SLICE("Two [1]."),
                               .language = SLICE("es"),
                               .complexity = SLICE("medium"),
                               .top_k = 8,
                               .max_tokens = 4000,
                               .status = SLICE("completed"),
                               .cached = SLICE("exact"),
                               .finish_reason = SLICE("length"),
                               .usage = {.total_tokens = 7},
                               .citations = {&citation, 1},
                               .timings_ms = SLICE("{\"total\":12}")};
    static struct claimed claimed = {.message_id = 12, .completed = {&turn, 1}};
    return &claimed;
}

#define REPLAYED                                                                           \
    "\"cached\":true,\"idempotent_replay\":true,\"conversation_id\":5,\"message_id\":12,"  \
    "\"language\":\"es\",\"complexity\":\"medium\",\"top_k\":8,\"max_tokens\":4000,"       \
    "\"finish_reason\":\"length\",\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0," \
    "\"total_tokens\":7},\"timings_ms\":{\"total\":12}}"

static void an_answered_key_gives_its_answer_again_on_both_routes(void **state)
{
    struct fixture *fixture = *state;
    struct client client = ask_first(fixture, CHAT, "k", HELLO);
    fake_answer(fake_job_of(KIND_CLAIM_TAKE), answered_before());
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 200);
    assert_true(client_has(&client, "{\"answer\":\"Two [1].\",\"citations\":[{\"n\":1,"));
    assert_true(client_has(&client, REPLAYED));
    client_close(&client);

    client = ask(fixture, STREAM, "k", HELLO);
    TURN_UNTIL(fixture, fake_job_of(KIND_CLAIM_TAKE));
    fake_answer(fake_job_of(KIND_CLAIM_TAKE), answered_before());
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_true(client_has(&client, "data: {\"type\":\"token\",\"content\":\"Two [1].\"}\n\n"
                                    "data: {\"type\":\"done\",\"citations\":[{\"n\":1,"));
    assert_true(client_has(&client, REPLAYED "\n\n"));
    client_close(&client);
    assert_int_equal(fake_count_of(KIND_CHAT) + fake_count_of(KIND_RECORD), 0);
    assert_int_equal(claims_of("replayed"), 2);
    TURN_UNTIL(fixture, LIST_EMPTY(&fixture->gateway.chats));
}

/* --- a store that takes no writes --- */

static void a_full_store_answers_follow_ups_unclaimed_and_refuses_keys(void **state)
{
    struct fixture *fixture = *state;
    struct client client =
        ask_first(fixture, CHAT, NULL, "{\"message\":\"Hello\",\"conversation_id\":5}");
    fake_fail(fake_job_of(KIND_CLAIM_TAKE), ERR_STORE_FULL);
    fake_answer(fake_job_of(KIND_HISTORY), &(struct history){.conversation_id = 5});
    assert_true(body_frame(fake_job_of(KIND_CHAT)->body, FRAME_HISTORY).len > 0);
    answer("Hi");
    struct turn made;
    request_of(KIND_RECORD, &made);
    assert_int_equal(made.fence, 0);
    client_close(&client);

    client = ask(fixture, CHAT, "k", HELLO);
    TURN_UNTIL(fixture, fake_job_of(KIND_CLAIM_TAKE));
    fake_fail(fake_job_of(KIND_CLAIM_TAKE), ERR_STORE_FULL);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 507);
    client_close(&client);
}

/* --- renewed and released --- */

static void claims_are_renewed_in_one_batch_until_they_end(void **state)
{
    static const char *const questions[] = {HELLO, "{\"message\":\"Hello again\"}",
                                            "{\"message\":\"Hello there\"}"};
    struct fixture *fixture = *state;
    struct client clients[ARRAY_LEN(questions)];
    struct renewal renewal;
    fixture->settings.claim_lease_ms = 30;
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        clients[i] = ask(fixture, CHAT, "k", questions[i]);
        if (i == 0) answer_configs(fixture);
        TURN_UNTIL(fixture, fake_job_of(KIND_CLAIM_TAKE));
        give_claim(10 + i);
    }
    turn_until_renewal(fixture);
    assert_int_equal(fake_count_of(KIND_CLAIM_RENEW), 1);
    request_of(KIND_CLAIM_RENEW, &renewal);
    assert_int_equal(renewal.lease_ms, 30);
    assert_int_equal(renewal.held.count + renewal.released.count, ARRAY_LEN(clients));
    struct claim lost = {.fence = 10};
    fake_answer(fake_job_of(KIND_CLAIM_RENEW), &(struct renewed){.lost = {&lost, 1}});
    answer("Hi"); /* the last one's */
    fake_answer(fake_job_of(KIND_RECORD), &(struct recorded){.message_id = 2});
    turn_until_renewal(fixture);
    request_of(KIND_CLAIM_RENEW, &renewal);
    assert_int_equal(fence_of(renewal.held), 11);
    fake_fail(fake_job_of(KIND_CLAIM_RENEW), ERR_STORE_BUSY);
    turn_until_renewal(fixture);
    request_of(KIND_CLAIM_RENEW, &renewal);
    assert_int_equal(fence_of(renewal.held), 11);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) client_close(&clients[i]);
}

static void a_claim_whose_client_has_gone_is_not_cancelled_but_released(void **state)
{
    struct fixture *fixture = *state;
    struct renewal renewal;
    struct client client = ask_first(fixture, STREAM, "k", HELLO);
    client_close(&client);
    TURN_UNTIL(fixture, http_server_requests(fixture->gateway.http) == 0);
    assert_false(fake_job_of(KIND_CLAIM_TAKE)->cancelled);
    give_claim(7);
    assert_int_equal(fake_count_of(KIND_CHAT), 0);
    assert_int_equal(claims_releasing(fixture->gateway.claims), 1);
    turn_until_renewal(fixture);
    request_of(KIND_CLAIM_RENEW, &renewal);
    assert_int_equal(fence_of(renewal.released), 7);
    assert_int_equal(renewal.held.count, 0);
    assert_int_equal(claims_releasing(fixture->gateway.claims), 0);
    assert_true(LIST_EMPTY(&fixture->gateway.chats));
}

static void a_claim_whose_question_finds_no_room_is_released(void **state)
{
    struct fixture *fixture = *state;
    struct renewal renewal;
    struct client client = ask_first(fixture, CHAT, "k", HELLO);
    struct fake_job *claim = fake_job_of(KIND_CLAIM_TAKE);
    fake_refusal = ERR_LANE_FULL;
    fake_answer(claim, &(struct claimed){.fence = 7});
    fake_refusal = OK;
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_int_equal(client_status(&client), 503);
    turn_until_renewal(fixture);
    request_of(KIND_CLAIM_RENEW, &renewal);
    assert_int_equal(fence_of(renewal.released), 7);
    client_close(&client);
}

static void a_claim_whose_turn_is_dropped_is_released(void **state)
{
    struct fixture *fixture = *state;
    struct renewal renewal;
    struct client client = ask_first(fixture, CHAT, "k", HELLO);
    give_claim(7);
    fixture->settings.record_queue_max = 0;
    answer("Hi");
    turn_until_renewal(fixture);
    request_of(KIND_CLAIM_RENEW, &renewal);
    assert_int_equal(fence_of(renewal.released), 7);
    fake_answer(fake_job_of(KIND_CLAIM_RENEW), &(struct renewed){0});
    client_close(&client);

    fixture->settings.record_queue_max = 10;
    client = ask(fixture, CHAT, "l", "{\"message\":\"Hello again\"}");
    TURN_UNTIL(fixture, fake_job_of(KIND_CLAIM_TAKE));
    give_claim(8);
    answer("Hi");
    fake_fail(fake_job_of(KIND_RECORD), ERR_STORE_FULL);
    turn_until_renewal(fixture);
    request_of(KIND_CLAIM_RENEW, &renewal);
    assert_int_equal(fence_of(renewal.released), 8);
    client_close(&client);
}

#define CLAIM_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM_TEST(a_key_of_a_wrong_shape_is_422),
        CLAIM_TEST(a_key_names_what_is_asked_not_how_it_is_written),
        CLAIM_TEST(a_question_without_key_and_conversation_takes_no_claim),
        CLAIM_TEST(a_turn_is_recorded_under_its_claim_and_then_not_renewed),
        CLAIM_TEST(a_conversation_s_claim_brings_its_history),
        CLAIM_TEST(a_cancelled_turn_is_recorded_under_its_claim_too),
        CLAIM_TEST(a_commit_that_a_successor_has_overtaken_is_told_and_counted),
        CLAIM_TEST(a_claim_that_is_not_given_is_told_with_its_status),
        CLAIM_TEST(an_answered_key_gives_its_answer_again_on_both_routes),
        CLAIM_TEST(a_full_store_answers_follow_ups_unclaimed_and_refuses_keys),
        CLAIM_TEST(claims_are_renewed_in_one_batch_until_they_end),
        CLAIM_TEST(a_claim_whose_client_has_gone_is_not_cancelled_but_released),
        CLAIM_TEST(a_claim_whose_question_finds_no_room_is_released),
        CLAIM_TEST(a_claim_whose_turn_is_dropped_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
