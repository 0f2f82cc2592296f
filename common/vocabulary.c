#include "common/vocabulary.h"
#include "common/hash.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

/* The shortest words to mend, by the typo; shorter ones are too often another word. */
enum { SWAP_LENGTH_MIN = 4, MISSING_LENGTH_MIN = 5, OTHER_LENGTH_MIN = 6 };
enum { WORD_LENGTH_MAX = 32 };

struct word {
    char *text;
    size_t len;
    word_sets in, not_in;
    uint32_t meant[SPELLING_WORDS_MAX]; /* the words it is another way to write; none: itself */
    bool trigger;
};

struct shape {
    char *text;
    size_t len;
    bool open_start, open_end; /* letters may come before, after */
    word_sets in, not_in;
};

struct trigger {
    uint32_t number;
    uint32_t letters; /* see letters_of() */
};

struct vocabulary {
    struct word *words; /* number 1 is words[0] */
    size_t count, capacity;
    uint32_t *slots; /* open addressing, word numbers; 0 is free */
    size_t slot_count;
    struct shape *shapes;
    size_t shape_count, shape_capacity;
    char *sets[VOCABULARY_SETS_MAX];
    unsigned set_count;
    struct trigger *triggers; /* made by vocabulary_seal(), in order of the first letter */
    size_t trigger_count;
    uint32_t first_trigger[UCHAR_MAX + 2]; /* by first letter: where its triggers begin */
};

struct vocabulary *vocabulary_new(void)
{
    struct vocabulary *vocabulary = xcalloc(1, sizeof *vocabulary);
    vocabulary->slot_count = 1024;
    vocabulary->slots = xcalloc(vocabulary->slot_count, sizeof *vocabulary->slots);
    return vocabulary;
}

unsigned vocabulary_find_set(const struct vocabulary *vocabulary, struct slice name)
{
    for (unsigned i = 0; i < vocabulary->set_count; i++)
        if (slice_equal(slice_of(vocabulary->sets[i]), name)) return i;
    return VOCABULARY_SETS_MAX;
}

unsigned vocabulary_set(struct vocabulary *vocabulary, struct slice name)
{
    unsigned set = vocabulary_find_set(vocabulary, name);
    if (set < VOCABULARY_SETS_MAX) return set;
    assert(vocabulary->set_count < VOCABULARY_SETS_MAX);
    vocabulary->sets[vocabulary->set_count] = xstrndup(name.ptr, name.len);
    return vocabulary->set_count++;
}

/* The slot that holds the word, or the free one where it belongs. */
static uint32_t *slot_of(const struct vocabulary *vocabulary, struct slice word)
{
    size_t at = hash_fnv32(word);
    for (;; at++) {
        uint32_t *slot = &vocabulary->slots[at & (vocabulary->slot_count - 1)];
        if (!*slot) return slot;
        const struct word *held = &vocabulary->words[*slot - 1];
        if (slice_equal((struct slice){held->text, held->len}, word)) return slot;
    }
}

static void grow_slots(struct vocabulary *vocabulary)
{
    free(vocabulary->slots);
    vocabulary->slot_count *= 2;
    vocabulary->slots = xcalloc(vocabulary->slot_count, sizeof *vocabulary->slots);
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        struct word *word = &vocabulary->words[i];
        *slot_of(vocabulary, (struct slice){word->text, word->len}) = i + 1;
    }
}

uint32_t vocabulary_add(struct vocabulary *vocabulary, struct slice text, bool trigger)
{
    assert(text.len);
    if (vocabulary->count * 2 >= vocabulary->slot_count) grow_slots(vocabulary);
    uint32_t *slot = slot_of(vocabulary, text);
    if (!*slot) {
        vocabulary->words = xgrow(vocabulary->words, &vocabulary->capacity, vocabulary->count + 1,
                                  sizeof *vocabulary->words);
        vocabulary->words[vocabulary->count] =
            (struct word){.text = xstrndup(text.ptr, text.len), .len = text.len};
        *slot = (uint32_t)++vocabulary->count;
    }
    vocabulary->words[*slot - 1].trigger |= trigger;
    return *slot;
}

void vocabulary_make_trigger(struct vocabulary *vocabulary, uint32_t number)
{
    vocabulary->words[number - 1].trigger = true;
}

bool vocabulary_add_spelling(struct vocabulary *vocabulary, const uint32_t *meant, size_t count,
                             struct slice spelling)
{
    size_t known = vocabulary->count;
    uint32_t number = vocabulary_add(vocabulary, spelling, false);
    assert(count <= SPELLING_WORDS_MAX);
    memcpy(vocabulary->words[number - 1].meant, meant, count * sizeof *meant);
    return vocabulary->count > known;
}

size_t vocabulary_meant(const struct vocabulary *vocabulary, uint32_t number, uint32_t *meant)
{
    const uint32_t *words = number ? vocabulary->words[number - 1].meant : NULL;
    size_t count = 0;
    if (!words || !words[0]) return meant[0] = number, 1;
    while (count < SPELLING_WORDS_MAX && words[count]) count++;
    memcpy(meant, words, count * sizeof *meant);
    return count;
}

static void add_shape(struct vocabulary *vocabulary, struct shape shape)
{
    vocabulary->shapes = xgrow(vocabulary->shapes, &vocabulary->shape_capacity,
                               vocabulary->shape_count + 1, sizeof *vocabulary->shapes);
    vocabulary->shapes[vocabulary->shape_count++] = shape;
}

void vocabulary_put(struct vocabulary *vocabulary, unsigned set, struct slice item, bool trigger)
{
    bool out = item.ptr[0] == '!';
    if (out) item = (struct slice){item.ptr + 1, item.len - 1};
    assert(item.len);
    word_sets in = out ? 0 : (word_sets)1 << set, not_in = out ? (word_sets)1 << set : 0;
    bool open_start = item.ptr[0] == '-', open_end = item.ptr[item.len - 1] == '-';
    if (open_start || open_end) {
        struct slice text = {item.ptr + open_start, item.len - open_start - open_end};
        add_shape(vocabulary, (struct shape){xstrndup(text.ptr, text.len), text.len, open_start,
                                             open_end, in, not_in});
        return;
    }
    uint32_t number = vocabulary_add(vocabulary, item, trigger && !out);
    struct word *word = &vocabulary->words[number - 1];
    word->in |= in;
    word->not_in |= not_in;
}

/* Writes `word` to `out` with every run of three and more equal letters cut down to `keep`.
 * False when nothing was cut. */
static bool squeeze(struct slice word, size_t keep, char *out, size_t *len)
{
    bool cut = false;
    *len = 0;
    for (size_t i = 0; i < word.len;) {
        size_t run = 1;
        while (i + run < word.len && word.ptr[i + run] == word.ptr[i]) run++;
        size_t kept = run >= 3 ? keep : run;
        cut |= kept < run;
        memset(out + *len, word.ptr[i], kept);
        *len += kept;
        i += run;
    }
    return cut;
}

uint32_t vocabulary_find(const struct vocabulary *vocabulary, struct slice word)
{
    uint32_t number = *slot_of(vocabulary, word);
    if (number || word.len > WORD_LENGTH_MAX) return number;
    char text[WORD_LENGTH_MAX];
    size_t len;
    for (size_t keep = 1; keep <= 2 && !number; keep++) {
        if (!squeeze(word, keep, text, &len)) return 0;
        number = *slot_of(vocabulary, (struct slice){text, len});
    }
    return number;
}

enum edit { EDIT_NONE, EDIT_SWAP, EDIT_LETTER };

/* Whether one swap, or one letter more, less or other, makes equal what follows two words' common
 * beginning. */
static enum edit find_edit(struct slice a, struct slice b)
{
    if (a.len == b.len && a.len >= 2 && a.ptr[0] == b.ptr[1] && a.ptr[1] == b.ptr[0])
        return memcmp(a.ptr + 2, b.ptr + 2, a.len - 2) == 0 ? EDIT_SWAP : EDIT_NONE;
    struct slice longer = a.len > b.len ? a : b, shorter = a.len > b.len ? b : a;
    size_t other = a.len == b.len;
    bool equal = memcmp(longer.ptr + 1, shorter.ptr + other, shorter.len - other) == 0;
    return equal ? EDIT_LETTER : EDIT_NONE;
}

static enum edit compare_typo(struct slice typo, const struct word *word)
{
    if (typo.len + 1 < word->len || typo.len > word->len + 1) return EDIT_NONE;
    size_t common = 0, limit = MIN(typo.len, word->len);
    while (common < limit && typo.ptr[common] == word->text[common]) common++;
    enum edit edit = find_edit((struct slice){typo.ptr + common, typo.len - common},
                               (struct slice){word->text + common, word->len - common});
    if (edit != EDIT_LETTER) return edit;
    size_t length_min = typo.len == word->len ? OTHER_LENGTH_MIN : MISSING_LENGTH_MIN;
    bool ending = common + 1 >= MAX(typo.len, word->len); /* "project" is no typo of "projects" */
    return common == 0 || ending || word->len < length_min ? EDIT_NONE : edit;
}

/* A bit for each letter, some shared: one edit changes two of them at most. */
static uint32_t letters_of(struct slice word)
{
    uint32_t letters = 0;
    for (size_t i = 0; i < word.len; i++) letters |= 1u << (word.ptr[i] & 31);
    return letters;
}

static bool has_more_than_two(uint32_t bits)
{
    bits &= bits - 1; /* each takes one off */
    return (bits & (bits - 1)) != 0;
}

/* Looks among the triggers with one first letter. */
static enum edit find_trigger(const struct vocabulary *vocabulary, struct slice typo,
                              unsigned char letter, uint32_t *found)
{
    enum edit best = EDIT_NONE;
    uint32_t letters = letters_of(typo);
    for (uint32_t i = vocabulary->first_trigger[letter];
         i < vocabulary->first_trigger[letter + 1] && best != EDIT_SWAP; i++) {
        const struct trigger *trigger = &vocabulary->triggers[i];
        if (has_more_than_two(trigger->letters ^ letters)) continue;
        enum edit edit = compare_typo(typo, &vocabulary->words[trigger->number - 1]);
        if (edit == EDIT_NONE || edit == best) continue;
        best = edit;
        *found = trigger->number;
    }
    return best;
}

uint32_t vocabulary_mend(const struct vocabulary *vocabulary, struct slice typo)
{
    uint32_t found = 0;
    if (typo.len < SWAP_LENGTH_MIN) return 0;
    unsigned char first = (unsigned char)typo.ptr[0], second = (unsigned char)typo.ptr[1];
    if (find_trigger(vocabulary, typo, first, &found) == EDIT_NONE && second != first)
        find_trigger(vocabulary, typo, second, &found);
    return found;
}

static bool has_shape(struct slice word, const struct shape *shape)
{
    const char *end = word.ptr + word.len, *last = shape->text + shape->len - 1;
    if (word.len <= shape->len) return false;
    if (!shape->open_start)
        return word.ptr[0] == shape->text[0] && memcmp(word.ptr, shape->text, shape->len) == 0;
    if (!shape->open_end)
        return end[-1] == *last && memcmp(end - shape->len, shape->text, shape->len) == 0;
    return memmem(word.ptr, word.len, shape->text, shape->len) != NULL;
}

static word_sets sets_by_shape(const struct vocabulary *vocabulary, struct slice text)
{
    word_sets in = 0, not_in = 0;
    for (size_t i = 0; i < vocabulary->shape_count; i++) {
        const struct shape *shape = &vocabulary->shapes[i];
        if (!has_shape(text, shape)) continue;
        in |= shape->in;
        not_in |= shape->not_in;
    }
    return in & ~not_in;
}

word_sets vocabulary_sets(const struct vocabulary *vocabulary, uint32_t number, struct slice text)
{
    return number ? vocabulary->words[number - 1].in : sets_by_shape(vocabulary, text);
}

static bool is_mendable(const struct word *word, unsigned char letter)
{
    return word->trigger && word->len >= SWAP_LENGTH_MIN && (unsigned char)word->text[0] == letter;
}

static void index_triggers(struct vocabulary *vocabulary)
{
    vocabulary->triggers = xcalloc(vocabulary->count, sizeof *vocabulary->triggers);
    for (unsigned letter = 0; letter <= UCHAR_MAX; letter++) {
        vocabulary->first_trigger[letter] = (uint32_t)vocabulary->trigger_count;
        for (uint32_t i = 0; i < vocabulary->count; i++)
            if (is_mendable(&vocabulary->words[i], (unsigned char)letter))
                vocabulary->triggers[vocabulary->trigger_count++] =
                    (struct trigger){i + 1, letters_of((struct slice){vocabulary->words[i].text,
                                                                      vocabulary->words[i].len})};
    }
    vocabulary->first_trigger[UCHAR_MAX + 1] = (uint32_t)vocabulary->trigger_count;
}

void vocabulary_seal(struct vocabulary *vocabulary)
{
    for (size_t i = 0; i < vocabulary->count; i++) {
        struct word *word = &vocabulary->words[i]; /* what is listed goes before the shape */
        struct slice text = {word->text, word->len};
        word->in |= sets_by_shape(vocabulary, text) & ~word->not_in;
    }
    index_triggers(vocabulary);
}
