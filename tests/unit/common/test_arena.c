/* Memory that goes all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>

#include "common/arena.h"

enum { PIECES = 200 };

static size_t size_of(size_t piece)
{
    static const size_t sizes[] = {1, 24, 100, 3000, 7, 160, 20000, 64};
    return sizes[piece % ARRAY_LEN(sizes)] + piece;
}

static bool all_are(const unsigned char *bytes, size_t len, unsigned char value)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != value) return false;
    return true;
}

static void pieces_of_all_sizes_are_zero_aligned_and_apart(void **state)
{
    struct arena arena = {0};
    unsigned char *pieces[PIECES];
    (void)state;
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(&arena, size_of(i));
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        assert_true(all_are(pieces[i], size_of(i), 0));
        memset(pieces[i], (int)(i % 255) + 1, size_of(i));
    }
    for (size_t i = 0; i < PIECES; i++)
        assert_true(all_are(pieces[i], size_of(i), (unsigned char)(i % 255 + 1)));
    arena_free(&arena);
}

/* Else each large piece would leave the room behind the small ones unused. */
static void small_piece_after_a_large_one_lies_beside_the_small_one_before(void **state)
{
    struct arena arena = {0};
    (void)state;
    char *before = arena_alloc(&arena, 16);
    (void)!arena_alloc(&arena, 100000);
    char *after = arena_alloc(&arena, 16);
    assert_ptr_equal(after, before + 16);
    arena_free(&arena);
}

static void arena_that_was_freed_can_be_used_again(void **state)
{
    struct arena arena = {0};
    (void)state;
    for (int round = 0; round < 3; round++) {
        (void)!arena_alloc(&arena, 5000); /* the first one is large */
        assert_string_equal(arena_printf(&arena, "%d", round), round ? round > 1 ? "2" : "1" : "0");
        assert_string_equal(arena_copy(&arena, SLICE("text")), "text");
        arena_free(&arena);
        assert_null(arena.block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_all_sizes_are_zero_aligned_and_apart),
        cmocka_unit_test(small_piece_after_a_large_one_lies_beside_the_small_one_before),
        cmocka_unit_test(arena_that_was_freed_can_be_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
