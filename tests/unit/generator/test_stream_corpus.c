/* The fuzz corpus of providers' streams, replayed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fuzz/fuzz_provider_stream.c"
#include "tests/fuzz/replay.h"

#define CORPUS TEST_DATA "/../../fuzz/provider_stream"

enum { FILES_LEAST = 12 };

static void streams_and_their_mutants_say_the_same_however_they_are_cut(void **state)
{
    (void)state;
    assert_true(replay_corpus(CORPUS, "{}[]\",:\\u0\r\n d\xc3\xe2\xed\xf0\xff") >= FILES_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_and_their_mutants_say_the_same_however_they_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
