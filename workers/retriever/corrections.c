/* A table in which every word has one place: the word that comes last has it. */
#include "workers/retriever/corrections.h"

#include <stdlib.h>

enum { PLACES = 512 }; /* a power of two */

struct remembered {
    uint64_t changes; /* of the corpus, when it was looked through */
    uint8_t len;      /* of the word; 0: nothing here yet */
    uint8_t count;
    char word[SPELLING_WORD_MAX];
    struct correction found[SPELLING_MAX];
};

static struct remembered *place_of(struct corrections *corrections, struct slice word)
{
    if (!corrections->words) corrections->words = xcalloc(PLACES, sizeof *corrections->words);
    return &corrections->words[lexicon_hash(word) % PLACES];
}

static bool holds(const struct remembered *place, uint64_t changes, struct slice word)
{
    return place->changes == changes && place->len == word.len &&
           !memcmp(place->word, word.ptr, word.len);
}

size_t corrections_find(struct corrections *corrections, const struct corpus *corpus,
                        struct slice word, struct correction found[SPELLING_MAX])
{
    if (!spelling_may_correct(word)) return 0;
    struct remembered *place = place_of(corrections, word);
    if (!holds(place, corpus->changes, word)) {
        place->changes = corpus->changes;
        place->len = (uint8_t)word.len;
        memcpy(place->word, word.ptr, word.len);
        place->count = (uint8_t)spelling_correct(corpus, word, place->found);
    }
    memcpy(found, place->found, place->count * sizeof *found);
    return place->count;
}

size_t corrections_bytes(const struct corrections *corrections)
{
    return corrections->words ? PLACES * sizeof *corrections->words : 0;
}

void corrections_free(struct corrections *corrections)
{
    free(corrections->words);
    corrections->words = NULL;
}
