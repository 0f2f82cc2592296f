/* Replays a fuzz corpus as an ordinary test, and a fixed number of mutants of each file. For tests
 * that include cmocka and a fuzz entry before this. */
#ifndef MILLRACE_TESTS_FUZZ_REPLAY_H
#define MILLRACE_TESTS_FUZZ_REPLAY_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLAY_FILE_MAX = 4096, REPLAY_MUTANTS_EACH = 1000 };

static inline size_t replay_read(const char *folder, const char *name, uint8_t *bytes)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, REPLAY_FILE_MAX, file);
    fclose(file);
    return len;
}

static inline uint32_t replay_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Changes, drops or doubles a few bytes; `words` are what it changes them to. */
static inline size_t replay_mutate(const char *words, uint8_t *bytes, size_t len, uint32_t *seed)
{
    for (uint32_t n = replay_random(seed) % 4 + 1; n && len; n--) {
        size_t at = replay_random(seed) % len;
        switch (replay_random(seed) % 3) {
        case 0: bytes[at] = (uint8_t)words[replay_random(seed) % strlen(words)]; break;
        case 1: memmove(bytes + at, bytes + at + 1, --len - at); break;
        case 2:
            if (len == REPLAY_FILE_MAX) break;
            memmove(bytes + at + 1, bytes + at, len++ - at);
            break;
        }
    }
    return len;
}

/* In memory of exactly its size, so that a read past the end is found. */
static inline void replay_bytes(const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

/* Returns how many files there were. */
static inline size_t replay_corpus(const char *folder, const char *words)
{
    uint8_t bytes[REPLAY_FILE_MAX], mutant[REPLAY_FILE_MAX];
    uint32_t seed = 1;
    size_t files = 0;
    DIR *corpus = opendir(folder);
    assert_non_null(corpus);
    for (struct dirent *entry; (entry = readdir(corpus));) {
        if (entry->d_name[0] == '.') continue;
        files++;
        size_t len = replay_read(folder, entry->d_name, bytes);
        replay_bytes(bytes, len);
        for (size_t i = 0; i < REPLAY_MUTANTS_EACH; i++) {
            memcpy(mutant, bytes, len);
            replay_bytes(mutant, replay_mutate(words, mutant, len, &seed));
        }
    }
    closedir(corpus);
    return files;
}

#endif
