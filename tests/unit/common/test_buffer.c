/* A buffer holds what was appended, however it had to grow for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/buffer.h"

static void assert_holds(struct buffer *buffer, const char *want)
{
    assert_int_equal(buffer->len, strlen(want));
    assert_memory_equal(buffer->data, want, buffer->len);
    buffer_free(buffer);
}

static void numbers_are_written_in_decimal(void **state)
{
    static const struct {
        uint64_t number;
        const char *want;
    } numbers[] = {{0, "0"},
                   {7, "7"},
                   {10, "10"},
                   {1234567890, "1234567890"},
                   {UINT64_MAX, "18446744073709551615"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct buffer buffer = {0};
        buffer_append_number(&buffer, numbers[i].number);
        assert_holds(&buffer, numbers[i].want);
    }
}

static void text_longer_than_the_room_is_printed_whole(void **state)
{
    (void)state;
    for (int width = 1; width < 300; width++) {
        struct buffer buffer = {0};
        char want[320];
        buffer_append_text(&buffer, "head ");
        buffer_printf(&buffer, "%*d|", width, 5);
        snprintf(want, sizeof(want), "head %*d|", width, 5);
        assert_holds(&buffer, want);
    }
}

static void what_was_consumed_is_gone(void **state)
{
    struct buffer buffer = {0};
    (void)state;
    buffer_append_text(&buffer, "one two");
    buffer_consume(&buffer, 4);
    assert_holds(&buffer, "two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(text_longer_than_the_room_is_printed_whole),
        cmocka_unit_test(what_was_consumed_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
