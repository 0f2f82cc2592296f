/* The fuzz corpus of client JSON, replayed, and a fixed number of mutants of each file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "tests/fuzz/fuzz_gateway_json.c"

#define CORPUS       TEST_DATA "/../../fuzz/gateway_json"
#define FILES_LEAST  20
#define FILE_MAX     4096
#define MUTANTS_EACH 1000

static size_t read_file(const char *name, uint8_t *bytes)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", CORPUS, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    return len;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Changes, drops or doubles a few bytes. */
static size_t mutate(uint8_t *bytes, size_t len, uint32_t *seed)
{
    static const char words[] = "{}[]\",:\\u0nulltrue-1e9\xc3\xa9\xff ";
    for (uint32_t n = next_random(seed) % 4 + 1; n && len; n--) {
        size_t at = next_random(seed) % len;
        switch (next_random(seed) % 3) {
        case 0: bytes[at] = (uint8_t)words[next_random(seed) % (sizeof(words) - 1)]; break;
        case 1: memmove(bytes + at, bytes + at + 1, --len - at); break;
        case 2:
            if (len == FILE_MAX) break;
            memmove(bytes + at + 1, bytes + at, len++ - at);
            break;
        }
    }
    return len;
}

/* In memory of exactly its size, so that a read past the end is found. */
static void try_bytes(const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

static void the_corpus_and_its_mutants_are_refused_or_read_whole(void **state)
{
    uint8_t bytes[FILE_MAX], mutant[FILE_MAX];
    uint32_t seed = 1;
    size_t files = 0;
    DIR *folder = opendir(CORPUS);
    (void)state;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        size_t len = read_file(entry->d_name, bytes);
        try_bytes(bytes, len);
        for (size_t i = 0; i < MUTANTS_EACH; i++) {
            memcpy(mutant, bytes, len);
            try_bytes(mutant, mutate(mutant, len, &seed));
        }
        files++;
    }
    closedir(folder);
    assert_true(files >= FILES_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_corpus_and_its_mutants_are_refused_or_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
