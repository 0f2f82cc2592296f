/* A question becomes a row of units, words and marks:
 *
 *     text ─cut─▶ units ─light words off─▶ ─forms─▶ ─whose─▶ ─of─▶ ─balance─▶ reading
 *
 *     How can I back up the database to S3, please?      howto back up database | to s3
 *     What's the price of the Pro plan?                  what pro plan price
 *
 * A preposition binds what follows it: such parts may stand in any order, the rest may not. */
#include "workers/retriever/semantic_guard.h"

#include "workers/retriever/reading.h"

enum {
    PARTS_MAX = 12,
    FLOAT_MAX = 4, /* units that a subject has which stands before its "is" instead of behind */
};

/* --- what may differ --- */

static bool is_in(const struct reading *reading, size_t at, enum reading_set set)
{
    const struct unit *unit = &reading->units[at];
    return !unit->literal && reading_has(reading->table, set, unit->word);
}

static void drop(struct reading *reading, enum reading_set set)
{
    size_t kept = 0;
    bool clause = false;
    for (size_t i = 0; i < reading->count; i++) {
        clause |= reading->units[i].clause;
        bool last = i + 1 == reading->count; /* "what does it do": the verb itself */
        if (is_in(reading, i, set) && !last) continue;
        reading->units[kept] = reading->units[i];
        reading->units[kept++].clause = clause;
        clause = false;
    }
    reading->count = kept;
}

/* Puts a form's meaning in its words' place. */
static void put_meaning(struct reading *reading, struct slice means, bool clause)
{
    while (means.len) {
        const char *space = memchr(means.ptr, ' ', means.len);
        size_t len = space ? (size_t)(space - means.ptr) : means.len;
        struct slice word = {means.ptr, len};
        if (!slice_equal(word, SLICE("-")) && reading->count < UNITS_MAX)
            reading->units[reading->count++] = (struct unit){word, word, false, clause};
        len += space != NULL;
        means = (struct slice){means.ptr + len, means.len - len};
    }
}

static void apply_forms(struct reading *reading)
{
    struct reading old = *reading;
    struct slice words[UNITS_MAX];
    struct reading_form form;
    size_t end = old.count;
    for (size_t i = 0; i < old.count; i++)
        words[i] = old.units[i].literal ? (struct slice){0} : old.units[i].word;
    reading->count = 0;
    for (size_t i = 0; i < end;) {
        bool first = i == 0 || slice_equal(old.units[i - 1].word, SLICE("."));
        if (reading_form_find(reading->table, words + i, end - i, first, &form)) {
            put_meaning(reading, form.means, old.units[i].clause);
            i += form.front;
            end -= form.back;
        } else if (reading->count < UNITS_MAX) {
            reading->units[reading->count++] = old.units[i++];
        } else {
            i++;
        }
    }
}

/* "my", "our" where the question is how anybody does it. */
static void drop_owners(struct reading *reading)
{
    size_t form = 0, kept = 0;
    while (form < reading->count && !is_in(reading, form, READING_GENERIC)) form++;
    reading->generic = form < reading->count;
    if (!reading->generic) return;
    struct slice name = reading->units[form].word;
    for (size_t i = 0; i < reading->count; i++) {
        const struct unit *unit = &reading->units[i];
        if (!unit->literal && reading_owns(reading->table, name, unit->word)) continue;
        reading->units[kept++] = *unit;
    }
    reading->count = kept;
}

/* Full stops that nothing stands before, or behind. */
static void trim_stops(struct reading *reading)
{
    size_t from = 0;
    while (from < reading->count && slice_equal(reading->units[from].word, SLICE("."))) from++;
    reading->count -= from;
    memmove(reading->units, reading->units + from, reading->count * sizeof *reading->units);
    while (reading->count && slice_equal(reading->units[reading->count - 1].word, SLICE(".")))
        reading->count--;
}

static size_t find_in(const struct reading *reading, size_t from, enum reading_set set)
{
    while (from < reading->count && !is_in(reading, from, set)) from++;
    return from;
}

/* Swaps [from, middle) with [middle, end). */
static void rotate(struct unit *units, size_t from, size_t middle, size_t end)
{
    struct unit kept[UNITS_MAX];
    memcpy(kept, units + from, (middle - from) * sizeof *units);
    memmove(units + from, units + middle, (end - middle) * sizeof *units);
    memcpy(units + from + end - middle, kept, (middle - from) * sizeof *units);
}

static void remove_unit(struct reading *reading, size_t at)
{
    reading->count--;
    memmove(&reading->units[at], &reading->units[at + 1],
            (reading->count - at) * sizeof *reading->units);
}

/* Where the words that start at `from` end: before what is bound, or a new clause. */
static size_t run_end(const struct reading *reading, size_t from)
{
    size_t at = from;
    while (at < reading->count && !is_in(reading, at, READING_BINDING) &&
           !is_in(reading, at, READING_OF) && (at == from || !reading->units[at].clause))
        at++;
    return at;
}

/* "what price of pro plan" is "what pro plan price", where all that is asked is what something is:
 * elsewhere a verb may stand among the words. */
static void turn_of(struct reading *reading)
{
    if (!reading->count || !is_in(reading, 0, READING_NAMING)) return;
    size_t of = find_in(reading, 1, READING_OF), end = run_end(reading, of + 1);
    if (of == reading->count || of < 2 || run_end(reading, 1) != of || end == of + 1) return;
    remove_unit(reading, of);
    rotate(reading->units, 1, of, end - 1);
}

static int compare_runs(const struct unit *a, size_t a_count, const struct unit *b, size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++) {
        struct slice x = a[i].word, y = b[i].word;
        int order = memcmp(x.ptr, y.ptr, MIN(x.len, y.len));
        if (order || x.len != y.len) return order ? order : x.len > y.len ? 1 : -1;
    }
    return (a_count > b_count) - (a_count < b_count);
}

/* What is compared may be named in either order: behind "difference between" or "compare", on both
 * sides of the one "and" there is; around "vs" itself. */
static void balance(struct reading *reading)
{
    size_t head = find_in(reading, 0, READING_BALANCING);
    size_t joint = find_in(reading, head == reading->count ? 0 : head + 1, READING_BALANCED);
    if (head == reading->count || joint == reading->count) return;
    if (find_in(reading, joint + 1, READING_BALANCED) < reading->count) return;
    size_t from = head + 1, end = run_end(reading, joint + 1);
    size_t left = joint - from, right = end - joint - 1;
    if (!left || !right) return;
    reading->units[joint].word = reading->units[joint].raw = SLICE("&");
    if (compare_runs(&reading->units[from], left, &reading->units[joint + 1], right) <= 0) return;
    rotate(reading->units, from, joint, end);                 /* & right left */
    rotate(reading->units, from, from + 1, from + 1 + right); /* right & left */
}

const struct reading *reading_new(const struct language *language, struct slice text,
                                  struct arena *arena)
{
    struct reading *reading = arena_alloc(arena, sizeof *reading);
    reading->table = reading_table_of(language);
    if (!reading_cut(language, text, arena, reading)) return NULL;
    drop(reading, READING_LIGHT);
    apply_forms(reading);
    drop_owners(reading);
    trim_stops(reading);
    turn_of(reading);
    balance(reading);
    return !reading->count || reading->count == UNITS_MAX ? NULL : reading;
}

/* --- comparing --- */

/* Letters of Latin-1 in either case; any other as it is. */
static bool same_but_for_case(struct slice a, struct slice b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        bool letter = (x | 0x20) >= 'a' && (x | 0x20) <= 'z';
        bool latin = i && (unsigned char)a.ptr[i - 1] == 0xC3;
        if (x != y && ((x ^ y) != 0x20 || !(letter || latin))) return false;
    }
    return true;
}

static bool ends_accented(struct slice raw)
{
    return raw.len && (unsigned char)raw.ptr[raw.len - 1] >= 0x80;
}

static bool same_unit(const struct reading *a, const struct unit *x, const struct reading *b,
                      const struct unit *y)
{
    if (x->literal || y->literal) return x->literal == y->literal && slice_equal(x->raw, y->raw);
    if (slice_equal(x->word, y->word)) /* "cambio", "cambió" */
        return !(a->accented && b->accented) || same_but_for_case(x->raw, y->raw);
    if (reading_means_same(a->table, x->word, y->word)) return true;
    if (ends_accented(x->raw) || ends_accented(y->raw)) return false;
    return reading_is_inflected(a->table, x->word, y->word, a->generic && b->generic);
}

/* A reading by parts: what a preposition binds, each by itself, and the rest, together. */
struct parts {
    const struct unit *core[UNITS_MAX];
    size_t core_count;
    const struct unit *floating[UNITS_MAX];
    size_t floating_at[UNITS_MAX]; /* how much of the core is before it */
    size_t floating_count;
    bool inverted; /* the first of them starts the question, or follows what asks */
    struct part {
        const struct unit *units[UNITS_MAX];
        size_t count;
    } bound[PARTS_MAX];
    size_t count;
};

static void add_floating(const struct reading *reading, size_t at, struct parts *parts)
{
    if (!parts->floating_count)
        parts->inverted = !parts->core_count || is_in(reading, at - 1, READING_ASKING);
    parts->floating_at[parts->floating_count] = parts->core_count;
    parts->floating[parts->floating_count++] = &reading->units[at];
}

static bool take_apart(const struct reading *reading, struct parts *parts)
{
    struct part *open = NULL;
    parts->core_count = parts->floating_count = parts->count = 0;
    parts->inverted = false;
    for (size_t i = 0; i < reading->count; i++) {
        const struct unit *unit = &reading->units[i];
        if (unit->clause || is_in(reading, i, READING_ASKING)) open = NULL;
        if (is_in(reading, i, READING_BINDING)) {
            if (parts->count == PARTS_MAX) return false;
            open = &parts->bound[parts->count++];
            open->count = 0;
        }
        if (is_in(reading, i, READING_FLOATING))
            add_floating(reading, i, parts);
        else if (open)
            open->units[open->count++] = unit;
        else
            parts->core[parts->core_count++] = unit;
    }
    return true;
}

static bool same_row(const struct reading *a, const struct unit *const *x, size_t x_count,
                     const struct reading *b, const struct unit *const *y, size_t y_count)
{
    if (x_count != y_count) return false;
    for (size_t i = 0; i < x_count; i++)
        if (!same_unit(a, x[i], b, y[i])) return false;
    return true;
}

/* "Why is it slow", "Why it is slow": one may stand behind its subject instead of before it; any
 * other stands where it stands, since it tells who can and who will. */
static bool same_floating(const struct reading *a, const struct parts *x, const struct reading *b,
                          const struct parts *y)
{
    if (!same_row(a, x->floating, x->floating_count, b, y->floating, y->floating_count))
        return false;
    size_t bytes = x->floating_count * sizeof x->floating_at[0];
    if (!memcmp(x->floating_at, y->floating_at, bytes)) return true;
    size_t from = MIN(x->floating_at[0], y->floating_at[0]);
    size_t to = MAX(x->floating_at[0], y->floating_at[0]);
    bool inverted = x->floating_at[0] < y->floating_at[0] ? x->inverted : y->inverted;
    return x->floating_count == 1 && inverted && to - from <= FLOAT_MAX;
}

static bool same_part(const struct reading *a, const struct part *x, const struct reading *b,
                      const struct part *y)
{
    return same_row(a, x->units, x->count, b, y->units, y->count);
}

/* "from A to B, from C to D": which belongs to which is told by the order alone. */
static bool is_repeated(const struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        for (size_t j = 0; j < i; j++)
            if (slice_equal(parts->bound[i].units[0]->word, parts->bound[j].units[0]->word))
                return true;
    return false;
}

static bool same_bound(const struct reading *a, const struct parts *x, const struct reading *b,
                       const struct parts *y)
{
    bool taken[PARTS_MAX] = {0}, ordered = is_repeated(x);
    if (x->count != y->count) return false;
    for (size_t i = 0; i < x->count; i++) {
        size_t j = ordered ? i : 0, end = ordered ? i + 1 : y->count;
        while (j < end && (taken[j] || !same_part(a, &x->bound[i], b, &y->bound[j]))) j++;
        if (j == end) return false;
        taken[j] = true;
    }
    return true;
}

bool readings_agree(const struct reading *a, const struct reading *b)
{
    struct parts x, y;
    if (a->table != b->table || a->generic != b->generic) return false;
    if (!take_apart(a, &x) || !take_apart(b, &y)) return false;
    return same_row(a, x.core, x.core_count, b, y.core, y.core_count) &&
           same_floating(a, &x, b, &y) && same_bound(a, &x, b, &y);
}

bool passages_agree(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count)
{
    size_t count = MIN(a_count, (size_t)GUARD_PASSAGES);
    if (!count || count != MIN(b_count, (size_t)GUARD_PASSAGES)) return false;
    return !memcmp(a, b, count * sizeof *a);
}
