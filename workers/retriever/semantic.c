/* A list of places, the one asked for last first. Whoever asks while a place is read waits for
 * that:
 *
 *     find ──▶ waiting ──(answer.list after the last id)──▶ added ──▶ nearest ──▶ guard ──▶ done
 */
#include "workers/retriever/semantic.h"

#include <stdlib.h>

#include "common/clock.h"
#include "proto/codec.h"
#include "workers/retriever/scan.h"
#include "workers/retriever/semantic_guard.h"

enum { NEAREST = 8 }; /* looked at closely */

struct answer {
    uint64_t expires_ms;
    struct similar_answer kept; /* its slices point behind it */
    size_t bytes;
};

struct place {
    struct place *next;
    struct semantic *semantic;
    struct answer_select key; /* its texts point into `names`; `after` is the last id known */
    char *names;
    size_t dimensions, stride;
    struct answer **answers; /* oldest first */
    int8_t *rows;            /* `stride` bytes each */
    int32_t *sums, *dots;
    float *scales;
    size_t count, capacity, bytes;
    struct store_call call;
    struct buffer request;
    struct semantic_question *waiting;
    bool reading;
};

struct semantic {
    struct store *store;
    size_t bytes_max;
    uint64_t ttl_ms;
    struct place *places;
};

/* --- answers of a place --- */

static struct slice put_slice(char **at, struct slice from)
{
    struct slice to = {*at, from.len};
    if (from.len) memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return to;
}

static struct answer *answer_new(const struct similar_answer *from, uint64_t expires_ms)
{
    size_t bytes = sizeof(struct answer) + from->question.len + from->complexity.len +
                   from->embedder.len + from->passages.len + from->ready.len;
    struct answer *answer = xmalloc(bytes);
    char *at = (char *)(answer + 1);
    *answer = (struct answer){expires_ms, *from, bytes};
    answer->kept.vector = (struct slice){0}; /* in the rows */
    answer->kept.question = put_slice(&at, from->question);
    answer->kept.complexity = put_slice(&at, from->complexity);
    answer->kept.embedder = put_slice(&at, from->embedder);
    answer->kept.passages = put_slice(&at, from->passages);
    answer->kept.ready = put_slice(&at, from->ready);
    return answer;
}

/* Scanning wants its rows aligned, so they move as a whole. */
static void grow(struct place *place)
{
    size_t capacity = MAX(place->capacity * 2, (size_t)64);
    int8_t *rows = xaligned(capacity * place->stride);
    if (place->count) memcpy(rows, place->rows, place->count * place->stride);
    free(place->rows);
    place->rows = rows;
    place->answers = xrealloc(place->answers, capacity * sizeof *place->answers);
    place->sums = xrealloc(place->sums, capacity * sizeof *place->sums);
    place->dots = xrealloc(place->dots, capacity * sizeof *place->dots);
    place->scales = xrealloc(place->scales, capacity * sizeof *place->scales);
    place->capacity = capacity;
}

/* False for a vector of another embedder, or one that is damaged. */
static bool take_embedder(struct place *place, const struct similar_answer *answer)
{
    float scale;
    if (answer->vector.len <= sizeof scale) return false;
    size_t dimensions = answer->vector.len - sizeof scale;
    if (!place->count) {
        place->dimensions = dimensions;
        if (scan_stride(dimensions) != place->stride) place->capacity = 0;
        place->stride = scan_stride(dimensions);
        return dimensions <= SCAN_DIMENSIONS_MAX;
    }
    return dimensions == place->dimensions &&
           slice_equal(answer->embedder, place->answers[0]->kept.embedder);
}

static void add(struct place *place, const struct similar_answer *kept, uint64_t now_ms)
{
    uint64_t ttl_ms = place->semantic->ttl_ms;
    place->key.after = MAX(place->key.after, kept->id);
    if (kept->age_ms >= ttl_ms || !take_embedder(place, kept)) return;
    if (place->count == place->capacity) grow(place);
    size_t at = place->count++;
    int8_t *row = place->rows + at * place->stride;
    const char *bytes = kept->vector.ptr + sizeof place->scales[at];
    memcpy(&place->scales[at], kept->vector.ptr, sizeof place->scales[at]);
    memset(row, 0, place->stride);
    memcpy(row, bytes, place->dimensions);
    place->sums[at] = 0;
    for (size_t i = 0; i < place->dimensions; i++) place->sums[at] += row[i];
    place->answers[at] = answer_new(kept, now_ms + ttl_ms - kept->age_ms);
    place->bytes += place->answers[at]->bytes + place->stride;
}

/* Forgets the oldest. */
static void drop(struct place *place, size_t count)
{
    size_t left = place->count - count;
    for (size_t i = 0; i < count; i++) {
        place->bytes -= place->answers[i]->bytes + place->stride;
        free(place->answers[i]);
    }
    if (!count) return;
    memmove(place->answers, place->answers + count, left * sizeof *place->answers);
    memmove(place->rows, place->rows + count * place->stride, left * place->stride);
    memmove(place->sums, place->sums + count, left * sizeof *place->sums);
    memmove(place->scales, place->scales + count, left * sizeof *place->scales);
    place->count = left;
}

/* The oldest come first, so those that are over do, and they are few at a time. */
static void drop_expired(struct place *place, uint64_t now_ms)
{
    size_t count = 0;
    while (count < place->count && place->answers[count]->expires_ms <= now_ms) count++;
    drop(place, count);
}

/* --- the nearest --- */

struct near {
    const struct answer *answer;
    double similarity;
};

/* Puts one among the nearest, best first; of equals the older first. */
static size_t put_near(struct near *nearest, size_t count, struct near near)
{
    size_t at = count;
    while (at > 0 && nearest[at - 1].similarity < near.similarity) at--;
    if (at == NEAREST) return count;
    size_t moved = MIN(count, (size_t)NEAREST - 1) - at;
    memmove(&nearest[at + 1], &nearest[at], moved * sizeof *nearest);
    nearest[at] = near;
    return MIN(count + 1, (size_t)NEAREST);
}

static size_t find_near(struct place *place, const struct semantic_question *question,
                        struct near *nearest)
{
    size_t count = 0;
    int32_t sum;
    int8_t *vector = xaligned(place->stride);
    double scale = (double)scan_quantise(question->vector, place->dimensions, vector, &sum);
    scan_dots(vector, place->rows, place->sums, place->count, place->stride, place->dots);
    free(vector);
    for (size_t i = 0; i < place->count; i++) {
        double similarity = scale * (double)place->scales[i] * place->dots[i];
        if (similarity >= question->threshold)
            count = put_near(nearest, count, (struct near){place->answers[i], similarity});
    }
    return count;
}

static bool has_passages(const struct similar_answer *kept,
                         const struct semantic_question *question)
{
    uint64_t ids[GUARD_PASSAGES];
    size_t count = kept->passages.len / sizeof *ids;
    if (!count || count > GUARD_PASSAGES) return false;
    memcpy(ids, kept->passages.ptr, count * sizeof *ids);
    return passages_agree(ids, count, question->passages, question->passage_count);
}

static bool serves(const struct similar_answer *kept, const struct semantic_question *question,
                   const struct reading *asked)
{
    if (kept->top_k != question->top_k || kept->max_tokens != question->max_tokens ||
        !slice_equal(kept->complexity, question->complexity) || !has_passages(kept, question))
        return false;
    const struct reading *answered =
        reading_new(question->language, kept->question, question->arena);
    return answered && readings_agree(asked, answered);
}

static void look(struct place *place, struct semantic_question *question)
{
    struct near nearest[NEAREST];
    if (!place->count || question->dimensions != place->dimensions ||
        !slice_equal(question->embedder, place->answers[0]->kept.embedder))
        return;
    size_t count = find_near(place, question, nearest);
    const struct reading *asked =
        count ? reading_new(question->language, question->text, question->arena) : NULL;
    for (size_t i = 0; asked && i < count; i++) {
        const struct similar_answer *kept = &nearest[i].answer->kept;
        if (!serves(kept, question, asked)) continue;
        question->found = true;
        question->similarity = MIN(nearest[i].similarity, 1.0);
        question->original = kept->question;
        question->ready = kept->ready;
        return;
    }
}

/* --- places --- */

static bool is_place(const struct place *place, const struct answer_select *key)
{
    return place->key.agent_id == key->agent_id && place->key.portfolio_id == key->portfolio_id &&
           slice_equal(place->key.language, key->language) &&
           slice_equal(place->key.tenant, key->tenant);
}

static bool is_version(const struct place *place, const struct answer_select *key)
{
    return place->key.agent_version == key->agent_version &&
           place->key.portfolio_version == key->portfolio_version;
}

static struct place *place_new(struct semantic *semantic, const struct answer_select *key)
{
    struct place *place = xcalloc(1, sizeof *place);
    char *at = place->names = xmalloc(key->tenant.len + key->language.len + 1);
    place->semantic = semantic;
    place->key = *key;
    place->key.present = 0;
    place->key.after = 0;
    place->key.tenant = put_slice(&at, key->tenant);
    place->key.language = put_slice(&at, key->language);
    return place;
}

static void place_destroy(struct place *place)
{
    drop(place, place->count);
    free(place->answers);
    free(place->rows);
    free(place->sums);
    free(place->dots);
    free(place->scales);
    free(place->names);
    buffer_free(&place->request);
    free(place);
}

/* The place of a question, moved to the front, made if need be. */
static struct place *place_of(struct semantic *semantic, const struct answer_select *key)
{
    struct place **at = &semantic->places;
    while (*at && !(is_place(*at, key) && is_version(*at, key))) at = &(*at)->next;
    struct place *place = *at;
    if (place)
        *at = place->next;
    else
        place = place_new(semantic, key);
    place->next = semantic->places;
    semantic->places = place;
    return place;
}

/* Gives up the places that `first` has made outdated, and those asked for longest ago until the
 * rest is small enough; of the first itself, then, the older half. */
static void evict(struct semantic *semantic)
{
    struct place *first = semantic->places;
    size_t bytes = 0;
    for (struct place **at = &semantic->places; *at;) {
        struct place *place = *at;
        bool outdated = place != first && is_place(place, &first->key);
        bytes += place->bytes;
        bool much = bytes > semantic->bytes_max && place != first;
        if (!place->reading && !place->waiting && (outdated || much)) {
            bytes -= place->bytes;
            *at = place->next;
            place_destroy(place);
        } else {
            at = &place->next;
        }
    }
    if (first && first->bytes > semantic->bytes_max) drop(first, (first->count + 1) / 2);
}

/* --- reading what was added --- */

static void serve(struct place *place)
{
    struct semantic_question *waiting = place->waiting;
    place->waiting = NULL;
    while (waiting) {
        struct semantic_question *question = waiting;
        waiting = question->next;
        look(place, question);
        question->done(question);
    }
}

static void add_all(struct place *place, struct slice frame)
{
    struct arena arena = {0};
    struct similar_answers answers;
    uint64_t now_ms = clock_ms();
    drop_expired(place, now_ms);
    if (!record_decode(similar_answers_type(), frame, &arena, &answers)) {
        const struct similar_answer *items = answers.data.items;
        for (size_t i = 0; i < answers.data.count; i++) add(place, &items[i], now_ms);
    }
    arena_free(&arena);
}

static void read_more(struct place *place);

static void on_read(struct store_call *call)
{
    struct place *place = call->context;
    struct semantic *semantic = place->semantic;
    add_all(place, call->error ? (struct slice){0} : buffer_slice(&call->result));
    store_call_free(call);
    serve(place);
    place->reading = false;
    if (place->waiting)
        read_more(place); /* somebody came while the others were served */
    else
        evict(semantic);
}

static void read_more(struct place *place)
{
    place->reading = true;
    place->request.len = 0;
    record_encode(answer_select_type(), &place->key, &place->request);
    place->call = (struct store_call){.kind = KIND_ANSWER_LIST,
                                      .request = buffer_slice(&place->request),
                                      .done = on_read,
                                      .context = place};
    store_call(place->semantic->store, &place->call);
}

/* --- the interface --- */

struct semantic *semantic_new(struct store *store, size_t bytes_max, uint64_t ttl_ms)
{
    struct semantic *semantic = xcalloc(1, sizeof *semantic);
    *semantic = (struct semantic){store, bytes_max, ttl_ms, NULL};
    return semantic;
}

void semantic_destroy(struct semantic **semantic)
{
    struct semantic *old = *semantic;
    if (!old) return;
    while (old->places) {
        struct place *place = old->places;
        old->places = place->next;
        place_destroy(place);
    }
    free(old);
    *semantic = NULL;
}

void semantic_find(struct semantic *semantic, struct semantic_question *question)
{
    struct place *place = place_of(semantic, &question->place);
    struct semantic_question **end = &place->waiting;
    while (*end) end = &(*end)->next;
    question->found = false;
    question->next = NULL;
    *end = question;
    if (!place->reading) read_more(place);
}

size_t semantic_count(const struct semantic *semantic)
{
    size_t count = 0;
    for (const struct place *place = semantic->places; place; place = place->next)
        count += place->count;
    return count;
}

size_t semantic_bytes(const struct semantic *semantic)
{
    size_t bytes = 0;
    for (const struct place *place = semantic->places; place; place = place->next)
        bytes += place->bytes;
    return bytes;
}
