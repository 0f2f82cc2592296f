#include "workers/generator/function_words.h"

enum { KEY_BYTES = 16 };

static uint64_t load(const char *from, size_t len)
{
    uint64_t bytes = 0;
    memcpy(&bytes, from, len);
    return bytes;
}

/* Its letters without its votes. Head and tail overlap where the word is shorter than both. */
static struct function_word key_of(struct slice word)
{
    struct function_word key = {.len = (uint32_t)word.len};
    if (word.len >= 8) {
        key.head = load(word.ptr, 8);
        key.tail = load(word.ptr + word.len - 8, 8);
    } else if (word.len >= 4) {
        key.head = load(word.ptr, 4) | load(word.ptr + word.len - 4, 4) << 32;
    } else {
        const unsigned char *at = (const unsigned char *)word.ptr;
        key.head = at[0] | (uint64_t)at[word.len / 2] << 8 | (uint64_t)at[word.len - 1] << 16;
    }
    return key;
}

static bool same_key(const struct function_word *a, const struct function_word *b)
{
    return a->head == b->head && a->tail == b->tail && a->len == b->len;
}

static void ask(struct slice word, struct function_word *found)
{
    const struct language *language;
    for (size_t i = 0; (language = language_at(i)); i++) {
        found->denies |= language_is_negation(language, word);
        if (i < VOTE_LANGUAGES)
            found->votes |= (uint64_t)language_is_stop_word(language, word) << 8 * i;
    }
}

const struct function_word *function_word_find(struct function_words *words, struct slice word)
{
    struct function_word key = key_of(word);
    uint64_t mixed = (key.head ^ key.tail * 31) * UINT64_C(0x9E3779B97F4A7C15);
    struct function_word *place = &words->places[mixed >> 40 & (ARRAY_LEN(words->places) - 1)];
    if (same_key(place, &key)) return place;
    ask(word, &key);
    if (word.len > KEY_BYTES) key.len = 0;
    *place = key;
    return place;
}
