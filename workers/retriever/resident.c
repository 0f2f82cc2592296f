/* Chunks lie in slots, the same in all parts; a freed slot is used again.
 *
 *     question ─▶ query_read ─▶ bm25_score ─▶ best 100 ─┐
 *     vector ─▶ scan_dots ──────────────────▶ best 100 ─┴▶ fusion_blend ─▶ passages_choose ─▶ hits
 */
#include "workers/retriever/resident.h"

#include <assert.h>
#include <stdlib.h>

#include "workers/retriever/bm25.h"
#include "workers/retriever/chunk_languages.h"
#include "workers/retriever/fusion.h"
#include "workers/retriever/id_map.h"
#include "workers/retriever/passages.h"
#include "workers/retriever/query.h"
#include "workers/retriever/scan.h"

enum { SCAN_ROWS = 256 };

struct resident {
    size_t dimensions, stride;
    struct bm25 *bm25;
    struct corrections corrections;
    struct id_map slots;  /* by chunk id */
    struct place *places; /* by slot, as all that follow */
    int8_t *rows;         /* stride bytes each, SCAN_LANE-aligned */
    int32_t *sums;        /* of each row */
    float *scales;        /* 0: no vector */
    uint8_t *languages;   /* their numbers */
    size_t slot_count, capacity;
    uint32_t *free_slots;
    size_t free_count, free_capacity;
    struct chunk_languages by_language;
};

struct resident *resident_new(size_t dimensions)
{
    assert(dimensions <= SCAN_DIMENSIONS_MAX);
    struct resident *resident = xcalloc(1, sizeof *resident);
    resident->dimensions = dimensions;
    resident->stride = scan_stride(dimensions);
    resident->bm25 = bm25_new();
    return resident;
}

void resident_destroy(struct resident **self)
{
    struct resident *resident = *self;
    if (!resident) return;
    bm25_destroy(&resident->bm25);
    corrections_free(&resident->corrections);
    id_map_free(&resident->slots);
    free(resident->places);
    free(resident->rows);
    free(resident->sums);
    free(resident->scales);
    free(resident->languages);
    free(resident->free_slots);
    free(resident);
    *self = NULL;
}

/* --- changes --- */

static int8_t *grow_rows(const struct resident *resident, size_t capacity)
{
    size_t bytes = MAX(capacity * resident->stride, (size_t)SCAN_LANE);
    int8_t *rows = aligned_alloc(SCAN_LANE, bytes);
    if (!rows) abort(); /* out of memory, as in xmalloc */
    if (resident->rows) memcpy(rows, resident->rows, resident->slot_count * resident->stride);
    free(resident->rows);
    return rows;
}

static void grow(struct resident *resident)
{
    size_t capacity = resident->capacity ? resident->capacity * 3 / 2 : 64;
    resident->rows = grow_rows(resident, capacity);
    resident->places = xrealloc(resident->places, capacity * sizeof *resident->places);
    resident->sums = xrealloc(resident->sums, capacity * sizeof *resident->sums);
    resident->scales = xrealloc(resident->scales, capacity * sizeof *resident->scales);
    resident->languages = xrealloc(resident->languages, capacity * sizeof *resident->languages);
    resident->capacity = capacity;
}

static uint32_t take_slot(struct resident *resident)
{
    if (resident->free_count) return resident->free_slots[--resident->free_count];
    if (resident->slot_count == resident->capacity) grow(resident);
    return (uint32_t)resident->slot_count++;
}

static void set_vector(struct resident *resident, uint32_t slot, const float *vector)
{
    int8_t *row = resident->rows + slot * resident->stride;
    resident->scales[slot] = 0;
    resident->sums[slot] = 0;
    memset(row, 0, resident->stride);
    if (!vector) return;
    resident->scales[slot] =
        scan_quantise(vector, resident->dimensions, row, &resident->sums[slot]);
}

void resident_put(struct resident *resident, const struct resident_chunk *chunk)
{
    resident_remove(resident, chunk->id);
    uint32_t slot = take_slot(resident);
    resident->places[slot] = (struct place){.id = chunk->id,
                                            .document_id = chunk->document_id,
                                            .start = chunk->start,
                                            .end = chunk->end,
                                            .position = chunk->position};
    set_vector(resident, slot, chunk->vector);
    resident->languages[slot] = chunk_language_number(slice_of(chunk->language));
    resident->by_language.chunks[resident->languages[slot]]++;
    bm25_put(resident->bm25, slot, chunk->terms);
    id_map_put(&resident->slots, chunk->id, slot);
}

bool resident_set_vector(struct resident *resident, uint64_t chunk_id, const float *vector)
{
    uint32_t slot = id_map_find(&resident->slots, chunk_id);
    if (slot == ID_MAP_NONE) return false;
    set_vector(resident, slot, vector);
    return true;
}

void resident_remove(struct resident *resident, uint64_t chunk_id)
{
    uint32_t slot = id_map_find(&resident->slots, chunk_id);
    if (slot == ID_MAP_NONE) return;
    id_map_remove(&resident->slots, chunk_id);
    bm25_remove(resident->bm25, slot);
    set_vector(resident, slot, NULL);
    resident->by_language.chunks[resident->languages[slot]]--;
    resident->free_slots = xgrow(resident->free_slots, &resident->free_capacity,
                                 resident->free_count + 1, sizeof *resident->free_slots);
    resident->free_slots[resident->free_count++] = slot;
}

/* --- search --- */

static void search_words(struct resident *resident, const struct resident_query *query,
                         struct best *best)
{
    const struct language *languages[CHUNK_LANGUAGES_MAX + 1];
    struct query read;
    const float *scores;
    size_t touched;
    chunk_languages_list(&resident->by_language, languages);
    query_read(bm25_corpus(resident->bm25), &resident->corrections, query->text, query->language,
               languages, &read);
    const uint32_t *slots =
        bm25_score(resident->bm25, read.concepts, read.count, &scores, &touched);
    for (size_t i = 0; i < touched; i++) {
        uint32_t slot = slots[i];
        if (best_wants(best, scores[slot]))
            best_offer(best, (struct candidate){scores[slot], slot, resident->places[slot].id});
    }
    best_select(best);
}

static void offer_rows(const struct resident *resident, const int32_t *dots, size_t first,
                       size_t count, struct best *best)
{
    const float *scales = resident->scales + first;
    float scores[SCAN_ROWS];
    for (size_t i = 0; i < count; i++)
        scores[i] = scales[i] == 0 ? NAN : (float)dots[i] * scales[i]; /* nobody wants NAN */
    for (size_t i = 0; i < count; i++) {
        size_t slot = first + i;
        if (best_wants(best, scores[i]))
            best_offer(best,
                       (struct candidate){scores[i], (uint32_t)slot, resident->places[slot].id});
    }
}

/* What quantising the question took away, quantised as well, and added to the scores of the best: a
 * second digit, in integers again. Among 100 the ten nearest are then in their exact order. */
static void refine(const struct resident *resident, const float *vector, const int8_t *row,
                   float scale, struct best *best)
{
    _Alignas(SCAN_LANE) int8_t rest_row[SCAN_DIMENSIONS_MAX];
    float rest[SCAN_DIMENSIONS_MAX];
    int32_t dot, sum;
    for (size_t i = 0; i < resident->dimensions; i++) rest[i] = vector[i] - scale * (float)row[i];
    float rest_scale = scan_quantise(rest, resident->dimensions, rest_row, &sum);
    for (size_t i = 0; i < best->count; i++) {
        struct candidate *item = &best->items[i];
        const int8_t *stored = resident->rows + item->slot * resident->stride;
        scan_dots(rest_row, stored, &resident->sums[item->slot], 1, resident->stride, &dot);
        item->score += (float)dot * resident->scales[item->slot] * (rest_scale / scale);
    }
}

static void search_vectors(const struct resident *resident, const float *vector, struct best *best)
{
    _Alignas(SCAN_LANE) int8_t row[SCAN_DIMENSIONS_MAX];
    int32_t dots[SCAN_ROWS], sum;
    float scale = scan_quantise(vector, resident->dimensions, row, &sum);
    for (size_t at = 0; scale > 0 && at < resident->slot_count; at += SCAN_ROWS) {
        size_t count = MIN(resident->slot_count - at, (size_t)SCAN_ROWS);
        scan_dots(row, resident->rows + at * resident->stride, resident->sums + at, count,
                  resident->stride, dots);
        offer_rows(resident, dots, at, count, best);
    }
    best_select(best);
    if (best->count) refine(resident, vector, row, scale, best);
}

size_t resident_search(struct resident *resident, const struct resident_query *query,
                       struct resident_hit *hits)
{
    struct best words, vectors;
    struct fusion fusion;
    best_init(&words);
    best_init(&vectors);
    if (!resident_count(resident)) return 0;
    search_words(resident, query, &words);
    if (query->vector) search_vectors(resident, query->vector, &vectors);
    fusion_blend(&vectors, &words, query->vector ? query->vector_weight : 0, &fusion);
    struct passages passages = {
        .bm25 = resident->bm25,
        .places = resident->places,
        .fusion = &fusion,
        .top_k = query->top_k,
        .merge = query->merge,
    };
    return passages_choose(&passages, hits);
}

size_t resident_count(const struct resident *resident)
{
    return resident->slots.count;
}

size_t resident_bytes(const struct resident *resident)
{
    size_t each = resident->stride + sizeof *resident->places + sizeof *resident->sums +
                  sizeof *resident->scales + sizeof *resident->languages;
    return sizeof *resident + resident->capacity * each + bm25_bytes(resident->bm25) +
           corrections_bytes(&resident->corrections) + id_map_bytes(&resident->slots) +
           resident->free_capacity * sizeof(uint32_t);
}
