/* The fuzz corpus of client JSON, replayed, and a fixed number of mutants of each file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fuzz/fuzz_gateway_json.c"
#include "tests/fuzz/replay.h"

#define CORPUS TEST_DATA "/../../fuzz/gateway_json"

enum { FILES_LEAST = 20 };

static void the_corpus_and_its_mutants_are_refused_or_read_whole(void **state)
{
    (void)state;
    assert_true(replay_corpus(CORPUS, "{}[]\",:\\u0nulltrue-1e9\xc3\xa9\xff ") >= FILES_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_corpus_and_its_mutants_are_refused_or_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
