#include "workers/retriever/terms.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/text.h"
#include "workers/retriever/words.h"

enum {
    LANGUAGES_MAX = 32,
    SLOTS = 4096, /* of the table of distinct terms, a power of two */
    DISTINCT_MAX = 3000,
    COUNT_MAX = 255,
    TITLE_WEIGHT = 2, /* what a word of the title or a heading counts; measured, see tests/eval */
    HEADING_WEIGHT = 1,
};

/* --- stemmers: one for each thread and language, made at first use --- */

struct stemmers {
    struct {
        const struct language *language;
        struct stemmer *stemmer;
    } items[LANGUAGES_MAX];
};

static pthread_key_t stemmers_key;
static pthread_once_t stemmers_once = PTHREAD_ONCE_INIT;

static void stemmers_free(void *value)
{
    struct stemmers *stemmers = value;
    for (size_t i = 0; i < LANGUAGES_MAX; i++) stemmer_destroy(&stemmers->items[i].stemmer);
    free(stemmers);
}

static void stemmers_make_key(void)
{
    if (pthread_key_create(&stemmers_key, stemmers_free) != 0) abort();
}

static struct stemmers *stemmers_of_thread(void)
{
    pthread_once(&stemmers_once, stemmers_make_key);
    struct stemmers *stemmers = pthread_getspecific(stemmers_key);
    if (stemmers) return stemmers;
    stemmers = xcalloc(1, sizeof *stemmers);
    pthread_setspecific(stemmers_key, stemmers);
    return stemmers;
}

/* NULL for a language without a stemmer. */
static struct stemmer *stemmer_of(const struct language *language)
{
    struct stemmers *stemmers = stemmers_of_thread();
    for (size_t i = 0; i < LANGUAGES_MAX; i++) {
        if (stemmers->items[i].language == language) return stemmers->items[i].stemmer;
        if (stemmers->items[i].language) continue;
        stemmers->items[i].language = language;
        return stemmers->items[i].stemmer = stemmer_new(language_stemmer(language));
    }
    return NULL;
}

struct slice terms_of_word(const struct language *language, const struct word *word)
{
    struct stemmer *stemmer = word->literal ? NULL : stemmer_of(language);
    return stemmer ? stemmer_stem(stemmer, word->text) : word->text;
}

/* --- counting --- */

struct entry {
    uint32_t at, len; /* the term, in `bytes` */
    unsigned count;
};

struct counts {
    const struct language *language;
    unsigned weight; /* of what is read now */
    struct entry entries[DISTINCT_MAX];
    size_t count;
    uint16_t slots[SLOTS]; /* an entry's number, from 1 */
    struct buffer bytes;
};

static uint32_t hash(struct slice text)
{
    uint32_t h = hash_fnv32(text);
    return h ^ h >> 15;
}

static struct entry *entry_of(struct counts *counts, struct slice term)
{
    for (uint32_t at = hash(term);; at++) {
        uint16_t *slot = &counts->slots[at % SLOTS];
        struct entry *entry = &counts->entries[*slot - (*slot > 0)];
        struct slice held = {counts->bytes.data + entry->at, entry->len};
        if (*slot && slice_equal(held, term)) return entry;
        if (*slot) continue;
        if (counts->count == DISTINCT_MAX) return NULL;
        entry = &counts->entries[counts->count++];
        *entry = (struct entry){(uint32_t)counts->bytes.len, (uint32_t)term.len, 0};
        *slot = (uint16_t)counts->count;
        buffer_append_slice(&counts->bytes, term);
        return entry;
    }
}

static void count_word(void *context, const struct word *word)
{
    struct counts *counts = context;
    struct slice term = terms_of_word(counts->language, word);
    struct entry *entry = entry_of(counts, term);
    if (entry) entry->count = MIN(entry->count + counts->weight, (unsigned)COUNT_MAX);
}

static void count_words(struct counts *counts, struct slice text, unsigned weight)
{
    counts->weight = weight;
    if (weight) words_scan(counts->language, text, count_word, counts);
}

void terms_encode(const struct language *language, struct slice title, struct slice heading,
                  struct slice text, struct buffer *out)
{
    struct counts *counts = xcalloc(1, sizeof *counts);
    counts->language = language;
    count_words(counts, title, TITLE_WEIGHT);
    count_words(counts, heading, HEADING_WEIGHT);
    count_words(counts, text, 1);
    for (size_t i = 0; i < counts->count; i++) {
        const struct entry *entry = &counts->entries[i];
        buffer_append_char(out, (char)entry->len);
        buffer_append(out, counts->bytes.data + entry->at, entry->len);
        buffer_append_char(out, (char)entry->count);
    }
    buffer_free(&counts->bytes);
    free(counts);
}

bool terms_next(struct slice *terms, struct slice *term, unsigned *count)
{
    if (terms->len < 2) return false;
    size_t len = (unsigned char)terms->ptr[0];
    if (terms->len < len + 2) return false;
    *term = (struct slice){terms->ptr + 1, len};
    *count = (unsigned char)terms->ptr[len + 1];
    *terms = (struct slice){terms->ptr + len + 2, terms->len - len - 2};
    return true;
}
