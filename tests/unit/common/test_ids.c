/* Ids: well-formed, unlike each other, and ordered where that is promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ids.h"

#define MANY 2000

static void assert_hex(const char *id, size_t digits)
{
    assert_int_equal(strlen(id), digits);
    assert_int_equal(strspn(id, "0123456789abcdef"), digits);
}

static void random_id_has_the_digits_asked_for(void **state)
{
    static const size_t lengths[] = {2, 16, ID_SIZE - 1};
    char id[ID_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        id_random(id, lengths[i]);
        assert_hex(id, lengths[i]);
    }
}

static void ids_of_one_moment_differ(void **state)
{
    static char ids[MANY][ID_SIZE];
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        id_ordered(ids[i]);
        assert_hex(ids[i], ID_SIZE - 1);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(ids[i], ids[j]);
    }
}

static void later_id_comes_behind_an_earlier_one(void **state)
{
    char before[ID_SIZE], after[ID_SIZE];
    (void)state;
    id_ordered(before);
    usleep(3000); /* its clock counts milliseconds */
    id_ordered(after);
    assert_true(strcmp(before, after) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_id_has_the_digits_asked_for),
        cmocka_unit_test(ids_of_one_moment_differ),
        cmocka_unit_test(later_id_comes_behind_an_earlier_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
