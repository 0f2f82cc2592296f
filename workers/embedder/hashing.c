/* Features are counted in one table: a word's stem, and each three letters of "<word>". A feature
 * that comes more often counts more, but less each time (the square root, which is exact
 * everywhere where a logarithm is not). */
#include "workers/embedder/hashing.h"

#include <math.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/text.h"

enum {
    SLOTS = 8192,        /* of the table of features, a power of two */
    FEATURES_MAX = 6000, /* of one text; what comes later is left out */
    SAMPLE_BYTES = 400,  /* tell the language */
    WORD_BYTES_MAX = 64,
    LANGUAGES_MAX = 32,
};

struct feature {
    uint64_t hash;
    unsigned count;
};

struct hashing {
    struct {
        const struct language *language;
        struct stemmer *stemmer;
    } stemmers[LANGUAGES_MAX];
    struct feature features[FEATURES_MAX];
    size_t count;
    uint16_t slots[SLOTS]; /* a feature's number, from 1 */
    struct buffer folded, passage;
};

struct hashing *hashing_new(void)
{
    return xcalloc(1, sizeof(struct hashing));
}

void hashing_destroy(struct hashing **self)
{
    struct hashing *hashing = *self;
    if (!hashing) return;
    for (size_t i = 0; i < LANGUAGES_MAX; i++) stemmer_destroy(&hashing->stemmers[i].stemmer);
    buffer_free(&hashing->folded);
    buffer_free(&hashing->passage);
    free(hashing);
    *self = NULL;
}

static struct stemmer *stemmer_of(struct hashing *hashing, const struct language *language)
{
    for (size_t i = 0; i < LANGUAGES_MAX; i++) {
        if (hashing->stemmers[i].language == language) return hashing->stemmers[i].stemmer;
        if (hashing->stemmers[i].language) continue;
        hashing->stemmers[i].language = language;
        return hashing->stemmers[i].stemmer = stemmer_new(language_stemmer(language));
    }
    return NULL;
}

/* Of a feature; the finaliser lets every bit depend on every other. */
static uint64_t hash_of(struct slice text, uint64_t seed)
{
    return hash_mix(hash_fnv64(text, seed));
}

static void count_feature(struct hashing *hashing, uint64_t hash)
{
    for (size_t at = hash;; at++) {
        uint16_t *slot = &hashing->slots[at & (SLOTS - 1)];
        struct feature *feature = &hashing->features[*slot - (*slot > 0)];
        if (*slot && feature->hash == hash) {
            feature->count++;
            return;
        }
        if (*slot) continue;
        if (hashing->count == FEATURES_MAX) return;
        hashing->features[hashing->count++] = (struct feature){hash, 1};
        *slot = (uint16_t)hashing->count;
        return;
    }
}

enum { SEED_WORD = 1, SEED_TRIGRAM = 2 };

static void count_trigrams(struct hashing *hashing, struct slice word)
{
    char text[WORD_BYTES_MAX + 2] = "<";
    memcpy(text + 1, word.ptr, word.len);
    text[word.len + 1] = '>';
    for (size_t i = 0; i < word.len; i++)
        count_feature(hashing, hash_of((struct slice){text + i, 3}, SEED_TRIGRAM));
}

static void count_words(struct hashing *hashing, const struct language *language)
{
    struct stemmer *stemmer = stemmer_of(hashing, language);
    struct text_words words = {buffer_slice(&hashing->folded), 0};
    struct slice word;
    while (text_next_word(&words, &word)) {
        if (word.len > WORD_BYTES_MAX || language_is_stop_word(language, word)) continue;
        struct slice stem = stemmer ? stemmer_stem(stemmer, word) : word;
        count_feature(hashing, hash_of(stem, SEED_WORD));
        count_trigrams(hashing, word);
    }
}

static unsigned count_stop_words(const struct language *language, struct slice folded)
{
    struct text_words words = {folded, 0};
    struct slice word;
    unsigned count = 0;
    while (text_next_word(&words, &word)) count += language_is_stop_word(language, word);
    return count;
}

/* The language with most stop words in a folded text's beginning: enough to choose a stemmer, and
 * much quicker than language_detect(). English where none has more. */
static const struct language *language_of(struct slice folded)
{
    const struct language *best = language_find(SLICE("en")), *language;
    folded.len = text_cut(folded, SAMPLE_BYTES);
    unsigned most = count_stop_words(best, folded);
    for (size_t i = 0; (language = language_at(i)); i++) {
        unsigned count = count_stop_words(language, folded);
        if (count <= most) continue;
        most = count;
        best = language;
    }
    return best;
}

/* The hash's low bit is the sign, the rest the dimension. */
static void spread(const struct hashing *hashing, float *vector)
{
    memset(vector, 0, HASHING_DIMENSIONS * sizeof *vector);
    for (size_t i = 0; i < hashing->count; i++) {
        const struct feature *feature = &hashing->features[i];
        float value = sqrtf((float)feature->count);
        vector[(feature->hash >> 1) % HASHING_DIMENSIONS] += feature->hash & 1 ? value : -value;
    }
}

static void normalise(float *vector)
{
    double square = 0;
    for (size_t i = 0; i < HASHING_DIMENSIONS; i++) square += (double)vector[i] * vector[i];
    float length = (float)sqrt(square);
    for (size_t i = 0; length > 0 && i < HASHING_DIMENSIONS; i++) vector[i] /= length;
}

void hashing_embed(struct hashing *hashing, struct slice text, float *vector)
{
    hashing->count = hashing->folded.len = 0;
    memset(hashing->slots, 0, sizeof hashing->slots);
    text_fold(text, &hashing->folded);
    count_words(hashing, language_of(buffer_slice(&hashing->folded)));
    spread(hashing, vector);
    normalise(vector);
}

void hashing_embed_passage(struct hashing *hashing, struct slice title, struct slice heading,
                           struct slice text, float *vector)
{
    const struct slice parts[] = {title, heading, text};
    hashing->passage.len = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buffer_append_slice(&hashing->passage, parts[i]);
        buffer_append_char(&hashing->passage, '\n');
    }
    hashing_embed(hashing, buffer_slice(&hashing->passage), vector);
}
