#include "common/language.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/language_data.h"
#include "common/language_file.h"
#include "common/text.h"
#include "common/tokens.h"

enum { LANGUAGES_MAX = 32 };

/* What one piece of evidence says for a language. */
enum { WEIGHT_STOP = 3, WEIGHT_KNOWN = 2, WEIGHT_LETTER = 2, WEIGHT_SHAPE = 1, WEIGHT_MENDED = 1 };

static struct {
    struct language *items[LANGUAGES_MAX];
    size_t count;
    pthread_once_t once;
} languages = {.once = PTHREAD_ONCE_INIT};

static int compare_codes(const void *a, const void *b)
{
    const struct language *const *left = a, *const *right = b;
    return strcmp((*left)->code, (*right)->code);
}

static void load(void)
{
    for (const struct language_data *data = language_data; data->code; data++) {
        if (languages.count == LANGUAGES_MAX) abort();
        languages.items[languages.count++] = language_parse(data->code, data->text);
    }
    qsort(languages.items, languages.count, sizeof languages.items[0], compare_codes);
}

const struct language *language_at(size_t index)
{
    pthread_once(&languages.once, load);
    return index < languages.count ? languages.items[index] : NULL;
}

const struct language *language_find(struct slice code)
{
    const struct language *language;
    for (size_t i = 0; (language = language_at(i)); i++)
        if (slice_equal(slice_of(language->code), code)) return language;
    return NULL;
}

static unsigned score_letters(const struct language *language, struct slice text)
{
    unsigned score = 0;
    while (text.len) {
        uint32_t c = text_take(&text);
        if (c < 0x80) continue;
        for (size_t i = 0; i < language->letter_count; i++)
            if (language->letters[i] == c) score += WEIGHT_LETTER;
    }
    return score;
}

/* What a word that no language knows says by its look. */
static unsigned score_unknown(const struct language *language, const struct token *token)
{
    bool name = token->capital && !token->clause;
    if (name) return 0;
    if (vocabulary_mend(language->vocabulary, token->word)) return WEIGHT_MENDED;
    if (vocabulary_sets(language->vocabulary, 0, token->word) & language->typical)
        return WEIGHT_SHAPE;
    return 0;
}

static unsigned score_known(const struct language *language, uint32_t number, struct slice word)
{
    if (!number) return 0;
    bool stop = vocabulary_sets(language->vocabulary, number, word) & language->stop;
    return stop ? WEIGHT_STOP : WEIGHT_KNOWN;
}

static void score_token(const struct token *token, unsigned *scores)
{
    uint32_t numbers[LANGUAGES_MAX], known = 0;
    for (size_t i = 0; i < languages.count; i++)
        known |= numbers[i] = vocabulary_find(languages.items[i]->vocabulary, token->word);
    for (size_t i = 0; i < languages.count; i++)
        scores[i] += known ? score_known(languages.items[i], numbers[i], token->word)
                           : score_unknown(languages.items[i], token);
}

/* The language with the highest score; NULL when two share it, so that nothing is told. */
static const struct language *best(const unsigned *scores)
{
    const struct language *winner = NULL;
    unsigned highest = 0;
    for (size_t i = 0; i < languages.count; i++) {
        if (scores[i] == highest) winner = NULL;
        if (scores[i] <= highest) continue;
        highest = scores[i];
        winner = languages.items[i];
    }
    return winner;
}

const struct language *language_detect(struct slice text, const struct language *fallback)
{
    unsigned scores[LANGUAGES_MAX] = {0};
    struct tokens tokens;
    if (!fallback) fallback = language_find(SLICE("en"));
    language_at(0);
    tokens_scan(text, &tokens);
    for (size_t i = 0; i < tokens.count; i++)
        if (!tokens.items[i].name && !tokens.items[i].attached)
            score_token(&tokens.items[i], scores);
    for (size_t i = 0; i < languages.count; i++)
        scores[i] += score_letters(languages.items[i], text);
    tokens_free(&tokens);
    const struct language *winner = best(scores);
    return winner ? winner : fallback;
}

const char *language_code(const struct language *language)
{
    return language->code;
}

const char *language_name(const struct language *language)
{
    return language->name;
}

const char *language_stemmer(const struct language *language)
{
    return language->stemmer;
}

static bool is_in(const struct language *language, struct slice word, word_sets sets)
{
    uint32_t number = word.len ? vocabulary_find(language->vocabulary, word) : 0;
    return number && vocabulary_sets(language->vocabulary, number, word) & sets;
}

bool language_is_stop_word(const struct language *language, struct slice folded_word)
{
    return is_in(language, folded_word, language->stop);
}

bool language_is_negation(const struct language *language, struct slice folded_word)
{
    return is_in(language, folded_word, language->negation);
}

uint64_t language_set(const struct language *language, const char *name)
{
    unsigned set = vocabulary_find_set(language->vocabulary, slice_of(name));
    return set < VOCABULARY_SETS_MAX ? (word_sets)1 << set : 0;
}

uint64_t language_word_sets(const struct language *language, struct slice word)
{
    uint32_t number = word.len ? vocabulary_find(language->vocabulary, word) : 0;
    return vocabulary_sets(language->vocabulary, number, word) & ~language->shapes;
}

static const char *find_phrase(const struct language *language, const char *key)
{
    for (size_t i = 0; i < language->phrase_count; i++)
        if (strcmp(language->phrases[i].key, key) == 0) return language->phrases[i].text;
    return NULL;
}

const char *language_phrase(const struct language *language, const char *key)
{
    const char *text = find_phrase(language, key);
    if (!text) text = find_phrase(language_find(SLICE("en")), key);
    return text ? text : "";
}

struct slice language_synonyms(const struct language *language, size_t index)
{
    return index < language->synonym_count ? language->synonyms[index] : (struct slice){0};
}

struct slice language_reading(const struct language *language, const char *name, size_t index)
{
    for (size_t i = 0; i < language->reading_count; i++) {
        const struct reading_lines *reading = &language->readings[i];
        if (strcmp(reading->name, name)) continue;
        return index < reading->count ? reading->lines[index] : (struct slice){0};
    }
    return (struct slice){0};
}
