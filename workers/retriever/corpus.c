#include "workers/retriever/corpus.h"

#include <math.h>
#include <stdlib.h>

static const float k1 = 1.2f, b = 0.75f;

void corpus_init(struct corpus *corpus)
{
    *corpus = (struct corpus){.lexicon = lexicon_new()};
}

void corpus_free(struct corpus *corpus)
{
    lexicon_destroy(&corpus->lexicon);
    free(corpus->frequencies);
    *corpus = (struct corpus){0};
}

uint32_t corpus_add(struct corpus *corpus, struct slice term)
{
    uint32_t known = lexicon_count(corpus->lexicon);
    uint32_t number = lexicon_add(corpus->lexicon, term);
    if (number < known) return number;
    corpus->frequencies = xgrow(corpus->frequencies, &corpus->capacity, (size_t)number + 1,
                                sizeof *corpus->frequencies);
    corpus->frequencies[number] = 0;
    return number;
}

/* Rounded far above the last bits, in which mathematical libraries differ. */
static float idf(size_t texts, size_t frequency)
{
    double ratio = ((double)texts - (double)frequency + 0.5) / ((double)frequency + 0.5);
    return (float)(round(log(1 + ratio) * 65536) / 65536);
}

float corpus_weigh(const struct corpus *corpus, const struct concept *concept)
{
    size_t frequency = 0;
    for (size_t i = 0; i < concept->count; i++) frequency += corpus->frequencies[concept->terms[i]];
    return concept->weight * idf(corpus->texts, MIN(frequency, corpus->texts)) * (k1 + 1);
}

struct bm25_norm corpus_norm(const struct corpus *corpus)
{
    float average = (float)corpus->words / (float)MAX(corpus->texts, (size_t)1);
    return (struct bm25_norm){k1 * (1 - b), k1 * b / MAX(average, 1.0f)};
}

size_t corpus_bytes(const struct corpus *corpus)
{
    return lexicon_bytes(corpus->lexicon) + corpus->capacity * sizeof *corpus->frequencies;
}
