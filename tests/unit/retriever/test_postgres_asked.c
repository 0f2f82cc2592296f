#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "workers/retriever/postgres_asked.h"

struct got {
    struct postgres_statement *statement;
    size_t number;
    bool gone;
};

/* Asks for "SELECT n", and prepares it as a connection would. */
static struct got ask(struct postgres_asked *asked, size_t n)
{
    struct got got;
    char sql[32];
    snprintf(sql, sizeof(sql), "SELECT %zu", n);
    got.statement = postgres_asked_find(asked, sql, &got.number, &got.gone);
    assert_string_equal(got.statement->sql, sql);
    return got;
}

static void prepare(struct postgres_asked *asked, size_t n)
{
    ask(asked, n).statement->prepared = true;
}

static void the_same_text_is_the_same_statement(void **state)
{
    struct postgres_asked *asked = postgres_asked_new();
    (void)state;
    struct got first = ask(asked, 1);
    assert_false(first.statement->prepared);
    first.statement->prepared = true;
    prepare(asked, 2);
    struct got again = ask(asked, 1);
    assert_ptr_equal(again.statement, first.statement);
    assert_int_equal(again.number, first.number);
    assert_true(again.statement->prepared);
    assert_false(again.gone);
    postgres_asked_destroy(&asked);
}

static void without_room_the_one_asked_longest_ago_goes(void **state)
{
    struct postgres_asked *asked = postgres_asked_new();
    (void)state;
    for (size_t i = 0; i < POSTGRES_ASKED_MAX; i++) {
        assert_false(ask(asked, i).gone);
        prepare(asked, i);
    }
    size_t second = ask(asked, 1).number;
    ask(asked, 0);
    for (size_t i = 2; i < POSTGRES_ASKED_MAX; i++) ask(asked, i);
    struct got late = ask(asked, 1000);
    assert_true(late.gone);
    assert_false(late.statement->prepared);
    assert_int_equal(late.number, second);
    assert_true(ask(asked, 0).statement->prepared);
    postgres_asked_destroy(&asked);
}

static void one_that_was_never_prepared_goes_without_a_word(void **state)
{
    struct postgres_asked *asked = postgres_asked_new();
    (void)state;
    for (size_t i = 0; i <= POSTGRES_ASKED_MAX; i++) assert_false(ask(asked, i).gone);
    postgres_asked_destroy(&asked);
}

static void a_lost_connection_leaves_nothing_prepared(void **state)
{
    struct postgres_asked *asked = postgres_asked_new();
    (void)state;
    for (size_t i = 0; i < 3; i++) prepare(asked, i);
    postgres_asked_forget(asked);
    for (size_t i = 0; i < 3; i++) assert_false(ask(asked, i).statement->prepared);
    postgres_asked_destroy(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_is_the_same_statement),
        cmocka_unit_test(without_room_the_one_asked_longest_ago_goes),
        cmocka_unit_test(one_that_was_never_prepared_goes_without_a_word),
        cmocka_unit_test(a_lost_connection_leaves_nothing_prepared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
