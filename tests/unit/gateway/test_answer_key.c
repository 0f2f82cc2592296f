/* What makes two questions the same, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/answer_key.h"

static void only_what_is_surely_the_same_is_made_the_same(void **state)
{
    static const struct {
        const char *message, *want;
    } cases[] = {
        {"What is React?", "what is React?"},
        {"  what \t is\r\n React?  ", "what is React?"},
        {"WHAT is React?", "WHAT is React?"},
        {"IT budget", "IT budget"},
        {"It budget", "it budget"},
        {"I  think", "i think"},
        {"A", "a"},
        {"X5 limit", "X5 limit"},
        {"is US tax due?", "is US tax due?"},
        {"is us tax due?", "is us tax due?"},
        {"¿Qué es  React?", "¿Qué es React?"},
        {"5 %", "5 %"},
        {"5%", "5%"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer got = {0};
        answer_query(slice_of(cases[i].message), &got);
        buffer_append_char(&got, '\0');
        assert_string_equal(got.data, cases[i].want);
        buffer_free(&got);
    }
}

static struct answer_question question(void)
{
    return (struct answer_question){
        .tenant = SLICE("t"),
        .agent_id = 1,
        .agent_version = 2,
        .served = SLICE("extractive"),
        .message = SLICE("What is React?"),
        .language = SLICE("en"),
        .portfolio_id = 3,
        .embedder = SLICE("hashing-1"),
        .top_k = 4,
        .max_tokens = 5,
        .history = SLICE("h"),
    };
}

static bool same(const struct digest *a, const struct digest *b)
{
    return !memcmp(a, b, sizeof(*a));
}

#define CHANGED(member, value)        \
    do {                              \
        others[count] = question();   \
        others[count].member = value; \
        of_chunks[count] = true;      \
        names[count++] = #member;     \
    } while (0)
#define CHANGED_FOR_ANSWERS(member, value) \
    do {                                   \
        CHANGED(member, value);            \
        of_chunks[count - 1] = false;      \
    } while (0)

static void everything_that_an_answer_depends_on_changes_its_key(void **state)
{
    struct answer_question first = question(), others[16];
    bool of_chunks[16];
    const char *names[16];
    size_t count = 0;
    (void)state;
    CHANGED(tenant, SLICE("u"));
    CHANGED(message, SLICE("What is Vue?"));
    CHANGED(message, SLICE("what is react?"));
    CHANGED(language, SLICE("es"));
    CHANGED(portfolio_id, 9);
    CHANGED(embedder, SLICE("model"));
    CHANGED(top_k, 9);
    CHANGED(max_tokens, 9);
    CHANGED(history, SLICE(""));
    CHANGED_FOR_ANSWERS(agent_id, 9);
    CHANGED_FOR_ANSWERS(agent_version, 9);
    CHANGED_FOR_ANSWERS(answer_in, SLICE("es"));
    CHANGED_FOR_ANSWERS(served, SLICE("openai/gpt-4o-mini"));
    struct digest answer = answer_base(&first), chunks = chunks_base(&first);
    assert_false(same(&answer, &chunks));
    for (size_t i = 0; i < count; i++) {
        struct digest other = answer_base(&others[i]), passages = chunks_base(&others[i]);
        if (same(&answer, &other)) fail_msg("%s is not in the answer's key", names[i]);
        if (same(&chunks, &passages) == of_chunks[i])
            fail_msg("%s in the passages' key: %d", names[i], !of_chunks[i]);
    }
}

static void neighbours_do_not_flow_into_each_other(void **state)
{
    struct answer_question one = question(), two = question();
    (void)state;
    one.language = SLICE("en"), one.history = SLICE("abc");
    two.language = SLICE("ena"), two.history = SLICE("bc");
    struct digest a = answer_base(&one), b = answer_base(&two);
    assert_false(same(&a, &b));
    a = embedding_digest(SLICE("m1"), SLICE("x"));
    b = embedding_digest(SLICE("m"), SLICE("1x"));
    assert_false(same(&a, &b));
}

static void each_version_has_a_key_of_its_own_that_is_found_again(void **state)
{
    struct answer_question first = question();
    struct digest base = answer_base(&first);
    struct digest seven = digest_at_version(&base, 7), eight = digest_at_version(&base, 8);
    struct digest again = digest_at_version(&base, 7);
    (void)state;
    assert_false(same(&seven, &eight));
    assert_true(same(&seven, &again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_surely_the_same_is_made_the_same),
        cmocka_unit_test(everything_that_an_answer_depends_on_changes_its_key),
        cmocka_unit_test(neighbours_do_not_flow_into_each_other),
        cmocka_unit_test(each_version_has_a_key_of_its_own_that_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
