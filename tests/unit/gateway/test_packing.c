#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/packing.h"

static struct packing *packing;

static int open_packing(void **state)
{
    (void)state;
    packing = packing_new();
    return 0;
}

static int close_packing(void **state)
{
    (void)state;
    packing_destroy(&packing);
    return 0;
}

/* Text repeats itself; noise can't be made smaller. */
static void fill(struct buffer *value, size_t len, bool noise)
{
    static const char text[] = "The foundry melts bronze; the annex casts orichalcum. ";
    uint32_t seed = 1;
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        buffer_append_char(value, noise ? (char)(seed >> 24) : text[i % (sizeof(text) - 1)]);
    }
}

static void what_was_packed_comes_back_and_text_is_smaller(void **state)
{
    static const size_t lengths[] = {0, 1, 127, 128, 1000, 8000, 300000};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(lengths); i++) {
        struct buffer value = {0}, packed = {0}, got = {0};
        size_t len = lengths[i / 2];
        fill(&value, len, i % 2);
        assert_true(packing_pack(packing, buffer_slice(&value), &packed));
        assert_true(packing_unpack(packing, buffer_slice(&packed), &got));
        assert_true(slice_equal(buffer_slice(&value), buffer_slice(&got)));
        assert_true(packed.len <= value.len + 1);
        if (len >= 1000 && i % 2 == 0) assert_true(packed.len < len / 3);
        buffer_free(&value);
        buffer_free(&packed);
        buffer_free(&got);
    }
}

static void what_is_no_packed_value_is_refused(void **state)
{
    static const struct slice cases[] = {
        {"", 0},
        {"\1", 1},
        {"\2abc", 4},
        {"\1\x28\xb5\x2f\xfd", 5},                            /* no header behind the mark */
        {"\1\x28\xb5\x2f\xfd\xe0\0\0\0\0\1\0\0\0\1\0\0", 17}, /* says that it is far too large */
        {"\1garbage that is no frame", 26},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer got = {0};
        assert_false(packing_unpack(packing, cases[i], &got));
        assert_int_equal(got.len, 0);
        buffer_free(&got);
    }
}

static void a_cut_or_longer_value_is_refused_and_the_next_one_is_read(void **state)
{
    struct buffer value = {0}, packed = {0};
    (void)state;
    fill(&value, 5000, false);
    assert_true(packing_pack(packing, buffer_slice(&value), &packed));
    for (size_t len = 1; len < packed.len; len++) {
        struct buffer got = {0};
        assert_false(packing_unpack(packing, (struct slice){packed.data, len}, &got));
        buffer_free(&got);
    }
    struct buffer got = {0};
    assert_true(packing_unpack(packing, buffer_slice(&packed), &got));
    buffer_append_char(&packed, 'x');
    assert_false(packing_unpack(packing, buffer_slice(&packed), &got));
    assert_true(slice_equal(buffer_slice(&value), buffer_slice(&got)));
    buffer_free(&value);
    buffer_free(&packed);
    buffer_free(&got);
}

static void what_is_too_large_is_not_packed(void **state)
{
    struct buffer out = {0};
    size_t len = PACKED_BYTES_MAX + 1;
    char *large = calloc(len, 1);
    (void)state;
    assert_false(packing_pack(packing, (struct slice){large, len}, &out));
    assert_int_equal(out.len, 0);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back_and_text_is_smaller),
        cmocka_unit_test(what_is_no_packed_value_is_refused),
        cmocka_unit_test(a_cut_or_longer_value_is_refused_and_the_next_one_is_read),
        cmocka_unit_test(what_is_too_large_is_not_packed),
    };
    return cmocka_run_group_tests(tests, open_packing, close_packing);
}
