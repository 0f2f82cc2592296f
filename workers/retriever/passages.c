#include "workers/retriever/passages.h"

struct chosen {
    const struct passages *from;
    struct resident_hit *hits;
    size_t count;
    uint32_t slots[FUSED_MAX]; /* of each hit's best chunk */
};

/* --- near-duplicates --- */

static bool has_term(const uint32_t *terms, size_t count, uint32_t term)
{
    for (size_t i = 0; i < count; i++)
        if (terms[i] == term) return true;
    return false;
}

static bool has_digit(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= '0' && text.ptr[i] <= '9') return true;
    return false;
}

/* How many of a text's terms the other lacks; `limit` + 1 if more than `limit`, or if one of them
 * has a digit: texts that tell different numbers are not the same. */
static size_t count_missing(const struct bm25 *bm25, uint32_t slot, uint32_t other, size_t limit)
{
    size_t count, other_count, missing = 0;
    const uint32_t *terms = bm25_terms(bm25, slot, &count);
    const uint32_t *others = bm25_terms(bm25, other, &other_count);
    for (size_t i = 0; i < count && missing <= limit; i++) {
        if (i < other_count && others[i] == terms[i]) continue; /* copies have the same order */
        if (has_term(others, other_count, terms[i])) continue;
        missing++;
        if (has_digit(lexicon_text(bm25_corpus(bm25)->lexicon, terms[i]))) return limit + 1;
    }
    return missing;
}

/* Nineteen of twenty terms in common, and the same numbers. */
static bool is_near_duplicate(const struct bm25 *bm25, uint32_t slot, uint32_t other)
{
    size_t count, other_count;
    bm25_terms(bm25, slot, &count);
    bm25_terms(bm25, other, &other_count);
    size_t limit = MAX(count, other_count) / 20;
    if (MAX(count, other_count) - MIN(count, other_count) > limit) return false;
    return count_missing(bm25, slot, other, limit) <= limit &&
           count_missing(bm25, other, slot, limit) <= limit;
}

static bool repeats(const struct chosen *chosen, uint32_t slot)
{
    for (size_t i = 0; i < chosen->count; i++)
        if (is_near_duplicate(chosen->from->bm25, slot, chosen->slots[i])) return true;
    return false;
}

/* --- neighbours --- */

static bool touches(const struct resident_hit *a, const struct resident_hit *b)
{
    uint32_t first = MIN(a->first, b->first), last = MAX(a->last, b->last);
    return a->document_id == b->document_id && last - first < PASSAGE_CHUNKS_MAX &&
           a->first <= b->last + 1 && b->first <= a->last + 1;
}

/* The better of two keeps its scores and its chunk. */
static void join(struct resident_hit *better, const struct resident_hit *other)
{
    better->first = MIN(better->first, other->first);
    better->last = MAX(better->last, other->last);
    better->start = MIN(better->start, other->start);
    better->end = MAX(better->end, other->end);
}

static void drop(struct chosen *chosen, size_t at)
{
    chosen->count--;
    size_t behind = chosen->count - at;
    memmove(&chosen->hits[at], &chosen->hits[at + 1], behind * sizeof *chosen->hits);
    memmove(&chosen->slots[at], &chosen->slots[at + 1], behind * sizeof *chosen->slots);
}

/* Joins a hit to the best that it touches; that one may now touch another. False if none. */
static bool join_neighbours(struct chosen *chosen, const struct resident_hit *hit)
{
    size_t at = 0;
    while (at < chosen->count && !touches(&chosen->hits[at], hit)) at++;
    if (at == chosen->count) return false;
    join(&chosen->hits[at], hit);
    for (size_t i = at + 1; i < chosen->count; i++) {
        if (!touches(&chosen->hits[at], &chosen->hits[i])) continue;
        join(&chosen->hits[at], &chosen->hits[i]);
        drop(chosen, i);
        break;
    }
    return true;
}

static struct resident_hit hit_of(const struct passages *passages, const struct fused *fused)
{
    const struct place *place = &passages->places[fused->slot];
    return (struct resident_hit){
        .chunk_id = place->id,
        .document_id = place->document_id,
        .start = place->start,
        .end = place->end,
        .first = place->position,
        .last = place->position,
        .score = fused->score,
        .vector = fused->vector,
        .bm25 = fused->bm25,
    };
}

size_t passages_choose(const struct passages *passages, struct resident_hit *hits)
{
    struct chosen chosen;
    struct fused fused;
    chosen.from = passages;
    chosen.hits = hits;
    chosen.count = 0;
    while (chosen.count < passages->top_k && fusion_next(passages->fusion, &fused)) {
        struct resident_hit hit = hit_of(passages, &fused);
        if (passages->merge && join_neighbours(&chosen, &hit)) continue;
        if (passages->merge && repeats(&chosen, fused.slot)) continue;
        chosen.slots[chosen.count] = fused.slot;
        hits[chosen.count++] = hit;
    }
    return chosen.count;
}
