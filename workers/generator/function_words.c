#include "workers/generator/function_words.h"

static struct function_word ask(struct slice word)
{
    struct function_word found = {0};
    const struct language *language;
    for (size_t i = 0; (language = language_at(i)); i++) {
        found.denies |= language_is_negation(language, word);
        if (i < VOTE_LANGUAGES)
            found.votes |= (uint64_t)language_is_stop_word(language, word) << 8 * i;
    }
    return found;
}

/* Its first eight letters in one number: short words' are all different, as no letter is a NUL. */
static uint64_t pack(struct slice word)
{
    uint64_t letters = 0;
    uint32_t front, back;
    if (word.len >= sizeof letters) {
        memcpy(&letters, word.ptr, sizeof letters);
    } else if (word.len >= sizeof front) {
        memcpy(&front, word.ptr, sizeof front);
        memcpy(&back, word.ptr + word.len - sizeof back, sizeof back);
        letters = front | (uint64_t)back << 8 * (word.len - sizeof back);
    } else {
        for (size_t i = 0; i < word.len; i++) letters = letters << 8 | (unsigned char)word.ptr[i];
    }
    return letters;
}

const struct function_word *function_word_find(struct function_words *words, struct slice word)
{
    uint64_t letters = pack(word);
    size_t at = letters * UINT64_C(0x9E3779B97F4A7C15) >> 32 & (ARRAY_LEN(words->places) - 1);
    struct function_word *place = &words->places[at];
    bool whole = word.len <= sizeof letters;
    if (place->letters != letters || !whole) {
        *place = ask(word);
        place->letters = whole ? letters : 0;
    }
    return place;
}
