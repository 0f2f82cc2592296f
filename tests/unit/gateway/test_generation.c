/* Answers that are kept, and answers that several questions follow while they are made: real HTTP,
 * lanes played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "gateway/request_flow.h"
#include "gateway_fixture.h"

#define CHAT     "/api/agents/1/chat"
#define STREAM   CHAT "/stream"
#define QUESTION "{\"message\":\"What React projects are there?\",\"store\":false}"
#define RECORDED "{\"message\":\"What React projects are there?\"}"

static uint64_t portfolio_version;
static bool semantic_agent;

static void answer_configs(struct fixture *fixture)
{
    struct agent agent = {.id = 1,
                          .name = SLICE("a"),
                          .portfolio_id = 1,
                          .version = 4,
                          .semantic_cache = semantic_agent};
    struct portfolio portfolio = {
        .id = 1, .name = SLICE("p"), .embedder = SLICE("hashing-1"), .version = portfolio_version};
    TURN_UNTIL(fixture, fake_job_of(KIND_AGENT_GET));
    fake_answer(fake_job_of(KIND_AGENT_GET), &agent);
    if (fake_job_of(KIND_PORTFOLIO_GET)) fake_answer(fake_job_of(KIND_PORTFOLIO_GET), &portfolio);
}

static struct client ask(struct fixture *fixture, const char *path, const char *body)
{
    struct client client = client_connect(fixture);
    client_ask(fixture, &client, "POST", path, "", body);
    for (size_t i = 0; i < 50; i++) turn(fixture);
    return client;
}

static struct client ask_first(struct fixture *fixture, const char *path, const char *body)
{
    struct client client = ask(fixture, path, body);
    answer_configs(fixture);
    TURN_UNTIL(fixture, fake_job_of(KIND_CHAT));
    return client;
}

/* --- the stages, played --- */

static void set_frames(struct fake_job *job)
{
    struct context context = {.portfolio_id = 1, .portfolio_version = portfolio_version};
    float vector[2] = {1, 0};
    struct embedding embedding = {.embedder = SLICE("hashing-1"),
                                  .dimensions = 2,
                                  .count = 1,
                                  .vectors = {(char *)vector, sizeof(vector)}};
    body_encode(job->body, FRAME_EMBEDDING, embedding_type(), &embedding);
    body_encode(job->body, FRAME_CONTEXT, context_type(), &context);
}

/* Both stages before the generator's, at that version. */
static void retrieve(struct fake_job *job, uint64_t version)
{
    struct meta meta = {.portfolio_version = version, .search_us = 10};
    set_frames(job);
    job->handler->on_stage(job->context, POOL_EMBED, &(struct meta){0}, job->body);
    job->handler->on_stage(job->context, POOL_RETRIEVE, &meta, job->body);
}

static void finish_with(struct fake_job *job, const char *reason)
{
    struct citation citation = {.n = 1, .document_id = 2, .title = SLICE("T"), .chunk_id = 3};
    struct meta meta = {.finish_reason = slice_of(reason),
                        .written_by = SLICE("extractive"),
                        .usage = {.prompt_tokens = 5, .completion_tokens = 2, .total_tokens = 7},
                        .citations = {&citation, 1}};
    fake_done(job, &meta);
}

static void say(struct fake_job *job, const char *text)
{
    fake_say(job, slice_of(text));
}

static void make_answer(struct fixture *fixture, const char *reason)
{
    struct client client = ask_first(fixture, CHAT, QUESTION);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    retrieve(job, portfolio_version);
    say(job, "Two [1].");
    finish_with(job, reason);
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_true(client_has(&client, "\"cached\":false"));
    client_close(&client);
}

static void assert_has(struct fixture *fixture, struct client *client, const char *text)
{
    size_t turns = 0;
    while (!client_has(client, text) && turns++ < TURNS_MAX) turn(fixture);
    if (!client_has(client, text)) fail_msg("%s is not in: %s", text, client_text(client));
}

/* --- kept answers --- */

static void the_same_question_is_answered_again_in_every_shape_without_a_job(void **state)
{
    static const char *const same[] = {
        QUESTION,
        "{\"message\":\"  what React  projects are there? \",\"store\":false}",
    };
    struct fixture *fixture = *state;
    make_answer(fixture, "stop");
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct client whole = ask(fixture, CHAT, same[i]);
        assert_has(fixture, &whole, "{\"answer\":\"Two [1].\",\"citations\":[{\"n\":1,");
        assert_has(fixture, &whole,
                   "\"cached\":true,\"language\":\"en\",\"complexity\":\"medium\"");
        assert_has(fixture, &whole, "\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":5,");
        struct client stream = ask(fixture, STREAM, same[i]);
        assert_has(fixture, &stream, "data: {\"type\":\"token\",\"content\":\"Two [1].\"}\n\n");
        assert_has(fixture, &stream, "data: {\"type\":\"done\",\"citations\":[{\"n\":1,");
        assert_has(fixture, &stream, "\"cached\":true");
        client_close(&whole);
        client_close(&stream);
    }
    struct client openai = ask(fixture, "/v1/chat/completions",
                               "{\"model\":\"agent-1\",\"store\":false,\"messages\":[{\"role\":"
                               "\"user\",\"content\":\"What React projects are there?\"}]}");
    assert_has(fixture, &openai, "\"content\":\"Two [1].\"");
    client_close(&openai);
    assert_int_equal(fake_count_of(KIND_CHAT), 1);
    assert_int_equal((int)metric_value(METRIC_CACHE_REQUESTS, "answer", "hit"), 5);
    assert_int_equal((int)metric_value(METRIC_CACHE_REQUESTS, "answer", "miss"), 1);
    assert_int_equal((int)metric_value(METRIC_TTFT, "exact", NULL), 5);
    assert_int_equal((int)metric_value(METRIC_CHAT_TOKENS, "prompt", NULL), 5);
}

static void a_kept_answer_is_recorded_like_any_other(void **state)
{
    struct fixture *fixture = *state;
    make_answer(fixture, "stop");
    struct client client = ask(fixture, CHAT, RECORDED);
    TURN_UNTIL(fixture, fake_job_of(KIND_RECORD));
    struct arena arena = {0};
    struct turn turn_made;
    struct slice frame = body_frame(fake_job_of(KIND_RECORD)->body, FRAME_REQUEST);
    assert_int_equal(record_decode(turn_type(), frame, &arena, &turn_made), OK);
    assert_true(slice_equal(turn_made.cached, SLICE("exact")));
    assert_true(slice_equal(turn_made.answer, SLICE("Two [1].")));
    assert_true(slice_equal(turn_made.written_by, SLICE("extractive")));
    assert_int_equal(turn_made.citations.count, 1);
    assert_int_equal(turn_made.portfolio_version, portfolio_version);
    assert_int_equal(turn_made.agent_version, 4);
    assert_false(turn_made.semantic);
    arena_free(&arena);
    fake_answer(fake_job_of(KIND_RECORD),
                &(struct recorded){.conversation_id = 11, .message_id = 12});
    assert_has(fixture, &client, "\"cached\":true,\"conversation_id\":11,\"message_id\":12,");
    client_close(&client);
}

static void another_question_is_not_answered_from_it(void **state)
{
    static const char *const others[] = {
        "{\"message\":\"What REACT projects are there?\",\"store\":false}",
        "{\"message\":\"What React projects are there?\",\"store\":false,\"top_k\":3}",
        "{\"message\":\"What React projects are there?\",\"store\":false,\"language\":\"es\"}",
    };
    struct fixture *fixture = *state;
    make_answer(fixture, "stop");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct client client = ask(fixture, CHAT, others[i]);
        TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == i + 2);
        client_close(&client);
    }
}

static void a_new_version_is_not_answered_from_the_old_one(void **state)
{
    static const struct version_of changes[] = {
        {.kind = SLICE("portfolio"), .id = 1, .version = 10},
        {.kind = SLICE("agent"), .id = 1, .version = 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct fixture *fixture = *state;
        make_answer(fixture, "stop");
        directory_changed(fixture->gateway.directory, &changes[i]);
        struct client client = ask(fixture, CHAT, QUESTION);
        if (fake_job_of(KIND_AGENT_GET))
            fake_answer(fake_job_of(KIND_AGENT_GET),
                        &(struct agent){.id = 1, .portfolio_id = 1, .version = 5});
        TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2);
        client_close(&client);
        fixture_close(state);
        fixture_open(state);
    }
}

static void a_version_that_nobody_announced_is_learnt_when_the_configuration_ages(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.agent_config_ttl_ms = 0; /* it is old at once */
    make_answer(fixture, "stop");
    portfolio_version = 10;
    struct client client = ask_first(fixture, CHAT, QUESTION);
    assert_int_equal(fake_count_of(KIND_CHAT), 2);
    client_close(&client);
}

static void only_a_whole_answer_is_kept(void **state)
{
    static const char *const reasons[] = {"length", "content_filter"};
    struct fixture *fixture = *state;
    make_answer(fixture, reasons[0]);
    struct client client = ask(fixture, CHAT, QUESTION);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2);
    say(fake_job_of(KIND_CHAT), "half");
    fake_fail(fake_job_of(KIND_CHAT), ERR_PROVIDER_TIMEOUT);
    TURN_UNTIL(fixture, client_has_answer(&client));
    client_close(&client);
    client = ask(fixture, CHAT, QUESTION);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 3);
    finish_with(fake_job_of(KIND_CHAT), reasons[1]);
    client_close(&client);
    client = ask(fixture, CHAT, QUESTION);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 4);
    client_close(&client);
}

static void an_answer_is_kept_under_the_version_that_was_searched(void **state)
{
    struct fixture *fixture = *state;
    struct version_of newer = {.kind = SLICE("portfolio"), .id = 1, .version = 10};
    struct client client = ask_first(fixture, CHAT, QUESTION);
    portfolio_version = 10;
    retrieve(fake_job_of(KIND_CHAT), 10);
    say(fake_job_of(KIND_CHAT), "New.");
    finish_with(fake_job_of(KIND_CHAT), "stop");
    client_close(&client);
    client = ask(fixture, CHAT, QUESTION); /* 9 is still the newest heard of */
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2);
    client_close(&client);
    directory_changed(fixture->gateway.directory, &newer);
    client = ask(fixture, CHAT, QUESTION);
    assert_has(fixture, &client, "\"cached\":true");
    assert_int_equal(fake_count_of(KIND_CHAT), 2);
    client_close(&client);
}

static void an_answer_found_by_words_for_want_of_a_vector_is_not_kept(void **state)
{
    struct fixture *fixture = *state;
    struct meta meta = {.portfolio_version = portfolio_version};
    struct client client = ask_first(fixture, CHAT, QUESTION);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    job->handler->on_stage(job->context, POOL_RETRIEVE, &meta, job->body);
    say(job, "By words.");
    finish_with(job, "stop");
    client_close(&client);
    client = ask(fixture, CHAT, QUESTION);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2);
    client_close(&client);
}

static void with_the_cache_off_nothing_is_found_kept_nor_shared(void **state)
{
    struct fixture *fixture = *state;
    make_answer(fixture, "stop");
    struct flags off = {.cache = false};
    for (size_t i = 0; i < flags_type()->count; i++)
        if (!strcmp(flags_type()->fields[i].name, "cache")) off.present |= UINT64_C(1) << i;
    flags_change(fixture->gateway.flags, &off, "test");
    struct client one = ask(fixture, STREAM, QUESTION), two = ask(fixture, STREAM, QUESTION);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 3);
    assert_int_equal((int)metric_value(METRIC_CACHE_REQUESTS, "answer", "hit"), 0);
    client_close(&one);
    client_close(&two);
}

static void passages_and_vector_that_are_kept_save_their_stages(void **state)
{
    struct fixture *fixture = *state;
    make_answer(fixture, "stop");
    directory_changed(fixture->gateway.directory,
                      &(struct version_of){.kind = SLICE("agent"), .id = 1, .version = 5});
    struct client client = ask(fixture, CHAT, QUESTION);
    fake_answer(fake_job_of(KIND_AGENT_GET),
                &(struct agent){.id = 1, .portfolio_id = 1, .version = 5});
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2);
    assert_string_equal(fake_job_of(KIND_CHAT)->stages, "G");
    assert_true(body_frame(fake_job_of(KIND_CHAT)->body, FRAME_CONTEXT).len > 0);
    say(fake_job_of(KIND_CHAT), "Again.");
    finish_with(fake_job_of(KIND_CHAT), "stop");
    client_close(&client);
    client = ask(fixture, CHAT, QUESTION);
    assert_has(fixture, &client, "\"cached\":true");
    client_close(&client);
    directory_changed(fixture->gateway.directory,
                      &(struct version_of){.kind = SLICE("portfolio"), .id = 1, .version = 10});
    client = ask(fixture, CHAT, QUESTION);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 3);
    assert_string_equal(fake_job_of(KIND_CHAT)->stages, "RG");
    assert_int_equal(body_frame(fake_job_of(KIND_CHAT)->body, FRAME_CONTEXT).len, 0);
    client_close(&client);
}

/* --- semantic answers --- */

static void a_turn_of_a_semantic_agent_brings_its_frames_and_its_hits_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    struct chat_request request;
    struct turn turn_made;
    struct arena arena = {0};
    semantic_agent = true;
    struct client client = ask_first(fixture, CHAT, RECORDED);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    assert_int_equal(
        record_decode(chat_request_type(), body_frame(job->body, FRAME_REQUEST), &arena, &request),
        OK);
    assert_true(request.semantic);
    retrieve(job, portfolio_version);
    say(job, "Two [1].");
    finish_with(job, "stop");
    TURN_UNTIL(fixture, fake_job_of(KIND_RECORD));
    struct body *turn_body = fake_job_of(KIND_RECORD)->body;
    assert_int_equal(
        record_decode(turn_type(), body_frame(turn_body, FRAME_REQUEST), &arena, &turn_made), OK);
    assert_true(turn_made.semantic);
    assert_true(body_frame(turn_body, FRAME_EMBEDDING).len > 0);
    assert_true(body_frame(turn_body, FRAME_CONTEXT).len > 0);
    client_close(&client);
    for (int i = 0; i < 2; i++) { /* a hit enters no cache: the second has to be asked for too */
        struct meta meta = {.similarity = 0.97, .question = SLICE("Which?")};
        struct ready_answer ready = {.answer = SLICE("Ready.")};
        struct buffer result = {0};
        client = ask(fixture, CHAT, "{\"message\":\"Which React projects?\",\"store\":false}");
        job = fake_job_of(KIND_CHAT);
        record_encode(ready_answer_type(), &ready, &result);
        fake_end(job, &(struct job_end){
                          .meta = &meta, .result = buffer_slice(&result), .answered = true});
        assert_has(fixture, &client,
                   "\"cached\":\"semantic\",\"semantic\":{\"similarity\":0.97,"
                   "\"question\":\"Which?\"}");
        buffer_free(&result);
        client_close(&client);
    }
    assert_int_equal(fake_count_of(KIND_CHAT), 3);
    assert_int_equal((int)metric_value(METRIC_CACHE_REQUESTS, "semantic", "hit"), 2);
    assert_int_equal((int)metric_value(METRIC_CACHE_REQUESTS, "semantic", "miss"), 1);
    arena_free(&arena);
}

/* --- shared streams --- */

static void a_late_joiner_gets_the_prefix_then_the_tail_once(void **state)
{
    struct fixture *fixture = *state;
    struct client first = ask_first(fixture, STREAM, QUESTION);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    say(job, "One");
    say(job, " two");
    assert_has(fixture, &first, "\" two\"");
    struct client late = ask(fixture, STREAM, QUESTION);
    struct client whole = ask(fixture, CHAT, QUESTION);
    assert_has(fixture, &late, "\"content\":\"One two\"}\n\n");
    say(job, " three");
    assert_has(fixture, &late, "\"content\":\" three\"}\n\n");
    assert_has(fixture, &first, "\"content\":\" three\"}\n\n");
    finish_with(job, "stop");
    assert_has(fixture, &first, "\"done\"");
    assert_has(fixture, &late, "\"cached\":false");
    assert_has(fixture, &whole, "{\"answer\":\"One two three\"");
    assert_int_equal(fake_count_of(KIND_CHAT), 1);
    assert_int_equal((int)metric_value(METRIC_TTFT, "shared", NULL), 2);
    assert_int_equal((int)metric_value(METRIC_TTFT, "miss", NULL), 1);
    assert_true(job->extended_ms > 0);
    client_close(&first);
    client_close(&late);
    client_close(&whole);
}

static void the_first_may_leave_and_the_job_ends_with_the_last(void **state)
{
    struct fixture *fixture = *state;
    struct client first = ask_first(fixture, STREAM, RECORDED);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    say(job, "One");
    struct client second = ask(fixture, STREAM, RECORDED);
    client_close(&first);
    TURN_UNTIL(fixture, fake_job_of(KIND_RECORD)); /* what it had, as a turn that was cancelled */
    struct arena arena = {0};
    struct turn turn_made;
    assert_int_equal(record_decode(turn_type(),
                                   body_frame(fake_job_of(KIND_RECORD)->body, FRAME_REQUEST),
                                   &arena, &turn_made),
                     OK);
    assert_true(slice_equal(turn_made.status, SLICE("cancelled")));
    arena_free(&arena);
    assert_false(job->cancelled);
    say(job, " two");
    assert_has(fixture, &second, "\" two\"");
    client_close(&second);
    TURN_UNTIL(fixture, job->cancelled);
    struct client third = ask(fixture, STREAM, RECORDED); /* not what is being cancelled */
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2);
    fake_fail(job, ERR_CANCELLED);
    assert_int_equal(fake_count_of(KIND_RECORD), 2);
    client_close(&third);
}

static void a_failure_is_every_followers(void **state)
{
    struct fixture *fixture = *state;
    struct client stream = ask_first(fixture, STREAM, RECORDED);
    struct client whole = ask(fixture, CHAT, RECORDED);
    say(fake_job_of(KIND_CHAT), "half");
    fake_fail(fake_job_of(KIND_CHAT), ERR_PROVIDER_TIMEOUT);
    assert_has(fixture, &stream, "\"code\":\"provider_timeout\",\"retryable\":true}\n\n");
    assert_has(fixture, &whole, "\"code\":\"provider_timeout\"");
    assert_int_equal(client_status(&whole), 504);
    assert_int_equal(fake_count_of(KIND_RECORD), 2);
    client_close(&stream);
    client_close(&whole);
}

static void a_stream_does_not_follow_text_that_may_be_told_anew(void **state)
{
    struct fixture *fixture = *state;
    struct client whole = ask_first(fixture, CHAT, QUESTION);
    struct client stream = ask(fixture, STREAM, QUESTION);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2);
    struct client other = ask(fixture, CHAT, QUESTION);
    assert_int_equal(fake_count_of(KIND_CHAT), 2);
    client_close(&whole);
    client_close(&stream);
    client_close(&other);
}

static void the_window_follows_the_fastest(void **state)
{
    struct fixture *fixture = *state;
    struct client stream = ask_first(fixture, STREAM, QUESTION);
    struct client whole = ask(fixture, CHAT, QUESTION);
    struct fake_job *job = fake_job_of(KIND_CHAT);
    say(job, "12345");
    assert_int_equal(job->taken, 5); /* /chat has taken it all the moment it came */
    assert_has(fixture, &stream, "12345");
    assert_int_equal(job->taken, 5);
    client_close(&stream);
    client_close(&whole);
}

static void a_refusal_is_plain_http_and_the_next_one_asks_anew(void **state)
{
    struct fixture *fixture = *state;
    fake_ready = true;
    struct client client = ask_first(fixture, STREAM, "{\"message\":\"Hello\",\"store\":false}");
    fake_refusal = ERR_LANE_FULL;
    struct client refused = ask(fixture, STREAM, QUESTION);
    TURN_UNTIL(fixture, client_has_answer(&refused));
    assert_int_equal(client_status(&refused), 503);
    fake_refusal = OK;
    struct client again = ask(fixture, STREAM, QUESTION);
    TURN_UNTIL(fixture, fake_count_of(KIND_CHAT) == 2);
    client_close(&client);
    client_close(&refused);
    client_close(&again);
}

static int open_at_nine(void **state)
{
    portfolio_version = 9;
    semantic_agent = false;
    return fixture_open(state);
}

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, open_at_nine, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(the_same_question_is_answered_again_in_every_shape_without_a_job),
        FLOW_TEST(a_kept_answer_is_recorded_like_any_other),
        FLOW_TEST(another_question_is_not_answered_from_it),
        FLOW_TEST(a_new_version_is_not_answered_from_the_old_one),
        FLOW_TEST(a_version_that_nobody_announced_is_learnt_when_the_configuration_ages),
        FLOW_TEST(only_a_whole_answer_is_kept),
        FLOW_TEST(an_answer_is_kept_under_the_version_that_was_searched),
        FLOW_TEST(an_answer_found_by_words_for_want_of_a_vector_is_not_kept),
        FLOW_TEST(with_the_cache_off_nothing_is_found_kept_nor_shared),
        FLOW_TEST(passages_and_vector_that_are_kept_save_their_stages),
        FLOW_TEST(a_turn_of_a_semantic_agent_brings_its_frames_and_its_hits_are_not_kept),
        FLOW_TEST(a_late_joiner_gets_the_prefix_then_the_tail_once),
        FLOW_TEST(the_first_may_leave_and_the_job_ends_with_the_last),
        FLOW_TEST(a_failure_is_every_followers),
        FLOW_TEST(a_stream_does_not_follow_text_that_may_be_told_anew),
        FLOW_TEST(the_window_follows_the_fastest),
        FLOW_TEST(a_refusal_is_plain_http_and_the_next_one_asks_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
