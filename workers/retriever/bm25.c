#include "workers/retriever/bm25.h"

#include <assert.h>
#include <stdlib.h>

#include "workers/retriever/terms.h"

/* A posting is a slot and how often the term is there, in one word: slot << 8 | count. Sorted. */
struct postings {
    uint32_t *items;
    uint32_t count, capacity;
};

struct text {
    uint32_t *terms;
    uint32_t count;
};

struct bm25 {
    struct corpus corpus;
    struct postings *postings; /* by term */
    size_t postings_capacity;
    struct text *texts; /* by slot */
    float *lengths;     /* by slot: words in the text; 0 for a free slot */
    float *scores;      /* by slot: zero where the last search left none */
    size_t texts_capacity, lengths_capacity, scores_capacity;
    uint32_t *touched;
    size_t touched_count, touched_capacity; /* their scores are cleared by the next search */
    uint32_t *scratch;                      /* the terms of the text that is put */
    size_t scratch_capacity;
    size_t posting_bytes, term_bytes;
};

struct bm25 *bm25_new(void)
{
    struct bm25 *bm25 = xcalloc(1, sizeof *bm25);
    corpus_init(&bm25->corpus);
    return bm25;
}

void bm25_destroy(struct bm25 **self)
{
    struct bm25 *bm25 = *self;
    if (!bm25) return;
    for (size_t i = 0; i < lexicon_count(bm25->corpus.lexicon); i++) free(bm25->postings[i].items);
    for (size_t i = 0; i < bm25->texts_capacity; i++) free(bm25->texts[i].terms);
    corpus_free(&bm25->corpus);
    free(bm25->postings);
    free(bm25->texts);
    free(bm25->lengths);
    free(bm25->scores);
    free(bm25->touched);
    free(bm25->scratch);
    free(bm25);
    *self = NULL;
}

/* xgrow() that zeroes what is new. */
static void *grow_zeroed(void *old, size_t *capacity, size_t need, size_t size)
{
    size_t before = *capacity;
    char *grown = xgrow(old, capacity, need, size);
    memset(grown + before * size, 0, (*capacity - before) * size);
    return grown;
}

static void make_room(struct bm25 *bm25, uint32_t slot)
{
    assert(slot < BM25_SLOTS_MAX);
    size_t need = (size_t)slot + 1;
    if (need > bm25->texts_capacity)
        bm25->texts = grow_zeroed(bm25->texts, &bm25->texts_capacity, need, sizeof *bm25->texts);
    if (need > bm25->lengths_capacity)
        bm25->lengths =
            grow_zeroed(bm25->lengths, &bm25->lengths_capacity, need, sizeof *bm25->lengths);
    if (need > bm25->scores_capacity)
        bm25->scores =
            grow_zeroed(bm25->scores, &bm25->scores_capacity, need, sizeof *bm25->scores);
}

/* --- changes --- */

/* Where a slot's posting is, or belongs. */
static uint32_t find_posting(const struct postings *postings, uint32_t slot)
{
    uint32_t low = 0, high = postings->count;
    if (high && postings->items[high - 1] >> 8 < slot) return high; /* the usual case */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (postings->items[middle] >> 8 < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_posting(struct bm25 *bm25, uint32_t term, uint32_t slot, unsigned count)
{
    struct postings *postings = &bm25->postings[term];
    if (postings->count == postings->capacity) {
        uint32_t more = postings->capacity ? postings->capacity : 2;
        postings->capacity += more;
        postings->items = xrealloc(postings->items, postings->capacity * sizeof *postings->items);
        bm25->posting_bytes += more * sizeof *postings->items;
    }
    uint32_t at = find_posting(postings, slot);
    memmove(postings->items + at + 1, postings->items + at,
            (postings->count - at) * sizeof *postings->items);
    postings->items[at] = slot << 8 | count;
    postings->count++;
}

void bm25_put(struct bm25 *bm25, uint32_t slot, struct slice terms)
{
    struct slice term;
    unsigned times;
    uint32_t length = 0, count = 0;
    make_room(bm25, slot);
    while (terms_next(&terms, &term, &times)) {
        uint32_t number = corpus_add(&bm25->corpus, term);
        if (number >= bm25->postings_capacity)
            bm25->postings = grow_zeroed(bm25->postings, &bm25->postings_capacity,
                                         (size_t)number + 1, sizeof *bm25->postings);
        bm25->scratch =
            xgrow(bm25->scratch, &bm25->scratch_capacity, (size_t)count + 1, sizeof *bm25->scratch);
        bm25->scratch[count++] = number;
        add_posting(bm25, number, slot, times);
        bm25->corpus.frequencies[number]++;
        length += times;
    }
    struct text *text = &bm25->texts[slot];
    assert(!text->terms);
    text->terms = xmalloc(MAX(count, 1u) * sizeof *text->terms);
    if (count) memcpy(text->terms, bm25->scratch, count * sizeof *text->terms);
    text->count = count;
    bm25->lengths[slot] = (float)length;
    bm25->term_bytes += count * sizeof *text->terms;
    bm25->corpus.words += length;
    bm25->corpus.texts++;
    bm25->corpus.changes++;
}

static void remove_posting(struct postings *postings, uint32_t slot)
{
    uint32_t at = find_posting(postings, slot);
    if (at == postings->count || postings->items[at] >> 8 != slot) return;
    postings->count--;
    memmove(postings->items + at, postings->items + at + 1,
            (postings->count - at) * sizeof *postings->items);
}

void bm25_remove(struct bm25 *bm25, uint32_t slot)
{
    struct text *text = &bm25->texts[slot];
    for (uint32_t i = 0; i < text->count; i++) {
        remove_posting(&bm25->postings[text->terms[i]], slot);
        bm25->corpus.frequencies[text->terms[i]]--;
    }
    bm25->term_bytes -= text->count * sizeof *text->terms;
    bm25->corpus.words -= (uint64_t)bm25->lengths[slot];
    bm25->corpus.texts--;
    bm25->corpus.changes++;
    bm25->lengths[slot] = 0;
    free(text->terms);
    *text = (struct text){0};
}

/* --- search --- */

static size_t score_term(struct bm25 *bm25, uint32_t term, float weight, size_t touched)
{
    const struct postings *postings = &bm25->postings[term];
    struct bm25_norm norm = corpus_norm(&bm25->corpus);
    bm25->touched = xgrow(bm25->touched, &bm25->touched_capacity, touched + postings->count + 1,
                          sizeof *bm25->touched);
    for (uint32_t i = 0; i < postings->count; i++) {
        uint32_t slot = postings->items[i] >> 8;
        float times = (float)(postings->items[i] & 255);
        float score = bm25->scores[slot];
        bm25->touched[touched] = slot;
        touched += score == 0;
        bm25->scores[slot] =
            score + weight * times / (times + norm.base + norm.slope * bm25->lengths[slot]);
    }
    return touched;
}

const uint32_t *bm25_score(struct bm25 *bm25, const struct concept *concepts, size_t count,
                           const float **scores, size_t *touched)
{
    for (size_t i = 0; i < bm25->touched_count; i++) bm25->scores[bm25->touched[i]] = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        float weight = corpus_weigh(&bm25->corpus, &concepts[i]);
        for (size_t j = 0; weight > 0 && j < concepts[i].count; j++)
            n = score_term(bm25, concepts[i].terms[j], weight, n);
    }
    bm25->touched_count = n;
    *scores = bm25->scores;
    *touched = n;
    return bm25->touched;
}

const uint32_t *bm25_terms(const struct bm25 *bm25, uint32_t slot, size_t *count)
{
    *count = bm25->texts[slot].count;
    return bm25->texts[slot].terms;
}

const struct corpus *bm25_corpus(const struct bm25 *bm25)
{
    return &bm25->corpus;
}

size_t bm25_bytes(const struct bm25 *bm25)
{
    return corpus_bytes(&bm25->corpus) + bm25->posting_bytes + bm25->term_bytes +
           bm25->postings_capacity * sizeof *bm25->postings +
           bm25->texts_capacity *
               (sizeof *bm25->texts + sizeof *bm25->lengths + sizeof *bm25->scores) +
           bm25->touched_capacity * sizeof *bm25->touched;
}
