/* A language's lines taken apart, once. */
#include "workers/retriever/reading_table.h"

#include <pthread.h>
#include <stdlib.h>

enum { LANGUAGES_MAX = 32, PIECES_MAX = 12, STEM_BYTES_MIN = 3 };

/* "can/could?": words to choose from, which may be missing; "*" is one word or more; "^" and "$"
 * are the question's start and end. */
struct piece {
    struct slice choices;
    bool optional, gap, start, end;
};

struct form {
    struct slice means;
    struct piece pieces[PIECES_MAX];
    size_t count;
};

struct member {
    struct slice word;
    size_t group;
};

struct members {
    struct member *items; /* sorted by word */
    size_t count, capacity;
};

struct reading_table {
    const struct language *language;
    struct members sets, same; /* a set's number is the group */
    struct form *forms;
    size_t form_count, form_capacity;
};

static struct reading_table tables[LANGUAGES_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* --- reading the lines --- */

/* Takes what stands before the next separator, white space trimmed, off the front. */
static struct slice take(struct slice *text, char separator)
{
    const char *at = text->len ? memchr(text->ptr, separator, text->len) : NULL;
    struct slice part = {text->ptr, at ? (size_t)(at - text->ptr) : text->len};
    size_t used = MIN(part.len + 1, text->len);
    *text = (struct slice){text->ptr + used, text->len - used};
    while (part.len && part.ptr[0] == ' ') part.ptr++, part.len--;
    while (part.len && part.ptr[part.len - 1] == ' ') part.len--;
    return part;
}

static void add_members(struct members *members, struct slice words, size_t group)
{
    while (words.len) {
        struct slice word = take(&words, ' ');
        if (!word.len) continue;
        members->items =
            xgrow(members->items, &members->capacity, members->count + 1, sizeof *members->items);
        members->items[members->count++] = (struct member){word, group};
    }
}

static struct piece piece_of(struct slice text)
{
    struct piece piece = {.choices = text,
                          .gap = slice_equal(text, SLICE("*")),
                          .start = slice_equal(text, SLICE("^")),
                          .end = slice_equal(text, SLICE("$"))};
    piece.optional = text.ptr[text.len - 1] == '?';
    piece.choices.len -= piece.optional;
    return piece;
}

static void add_form(struct reading_table *table, struct slice means, struct slice words)
{
    struct form form = {.means = means};
    while (words.len && form.count < PIECES_MAX) {
        struct slice word = take(&words, ' ');
        if (word.len) form.pieces[form.count++] = piece_of(word);
    }
    if (!form.count || words.len) abort(); /* the file is ours */
    table->forms = xgrow(table->forms, &table->form_capacity, table->form_count + 1, sizeof form);
    table->forms[table->form_count++] = form;
}

/* "what it means = one way to ask | another" */
static void add_forms(struct reading_table *table, struct slice line)
{
    struct slice means = take(&line, '=');
    while (line.len) add_form(table, means, take(&line, '|'));
}

static int compare_words(struct slice a, struct slice b)
{
    int order = memcmp(a.ptr, b.ptr, MIN(a.len, b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    return compare_words(left->word, right->word);
}

static void sort(struct members *members)
{
    if (members->count) qsort(members->items, members->count, sizeof *members->items, compare);
}

static void read_table(struct reading_table *table)
{
#define X(name, text) text,
    static const char *const names[] = {READING_SETS(X)};
#undef X
    struct slice line;
    for (size_t set = 0; set < READING_SET_COUNT; set++)
        for (size_t i = 0; (line = language_reading(table->language, names[set], i)).len; i++)
            add_members(&table->sets, line, set);
    for (size_t i = 0; (line = language_reading(table->language, "same", i)).len; i++)
        add_members(&table->same, line, i);
    for (size_t i = 0; (line = language_reading(table->language, "forms", i)).len; i++)
        add_forms(table, line);
    sort(&table->sets);
    sort(&table->same);
}

static void read_tables(void)
{
    for (size_t i = 0; i < LANGUAGES_MAX && language_at(i); i++) {
        tables[i].language = language_at(i);
        read_table(&tables[i]);
    }
}

const struct reading_table *reading_table_of(const struct language *language)
{
    static const struct reading_table none;
    pthread_once(&once, read_tables);
    for (size_t i = 0; i < LANGUAGES_MAX; i++)
        if (tables[i].language == language) return &tables[i];
    return &none;
}

/* --- words --- */

/* The first member that is not before the word. */
static size_t find(const struct members *members, struct slice word)
{
    size_t low = 0, high = members->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_words(members->items[middle].word, word) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_in(const struct members *members, size_t group, struct slice word)
{
    for (size_t i = find(members, word); i < members->count; i++) {
        if (!slice_equal(members->items[i].word, word)) return false;
        if (members->items[i].group == group) return true;
    }
    return false;
}

bool reading_has(const struct reading_table *table, enum reading_set set, struct slice word)
{
    return word.len && is_in(&table->sets, set, word);
}

bool reading_means_same(const struct reading_table *table, struct slice a, struct slice b)
{
    for (size_t i = find(&table->same, a); i < table->same.count; i++) {
        const struct member *member = &table->same.items[i];
        if (!slice_equal(member->word, a)) return false;
        if (is_in(&table->same, member->group, b)) return true;
    }
    return false;
}

static bool ends_with(struct slice word, struct slice ending)
{
    return word.len >= ending.len + STEM_BYTES_MIN &&
           (!ending.len || !memcmp(word.ptr + word.len - ending.len, ending.ptr, ending.len));
}

/* One stem, before two endings of the line; "-" is none. */
static bool alternate(struct slice line, struct slice a, struct slice b)
{
    struct slice endings[PIECES_MAX];
    size_t count = 0;
    while (line.len && count < PIECES_MAX) {
        struct slice ending = take(&line, ' ');
        endings[count++] = slice_equal(ending, SLICE("-")) ? SLICE("") : ending;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count && ends_with(a, endings[i]); j++) {
            size_t stem = a.len - endings[i].len;
            if (i != j && ends_with(b, endings[j]) && b.len - endings[j].len == stem &&
                !memcmp(a.ptr, b.ptr, stem))
                return true;
        }
    return false;
}

static bool alternate_by(const struct reading_table *table, const char *name, struct slice a,
                         struct slice b)
{
    struct slice line;
    if (!table->language) return false;
    for (size_t i = 0; (line = language_reading(table->language, name, i)).len; i++)
        if (alternate(line, a, b)) return true;
    return false;
}

bool reading_is_inflected(const struct reading_table *table, struct slice a, struct slice b,
                          bool generic)
{
    return alternate_by(table, "endings", a, b) ||
           (generic && alternate_by(table, "generic_endings", a, b));
}

/* --- forms --- */

static bool is_choice(const struct piece *piece, struct slice word)
{
    struct slice rest = piece->choices;
    while (word.len && rest.len)
        if (slice_equal(take(&rest, '/'), word)) return true;
    return false;
}

/* The words of a question that a form is held against. */
struct view {
    const struct slice *words;
    size_t count;
    bool first;
};

/* What stands behind a gap stands at the words' end, as it is. */
static bool matches_end(const struct form *form, size_t from, const struct view *view, size_t at)
{
    size_t back = form->count - from;
    if (at + 1 + back > view->count) return false;
    for (size_t i = 0; i < back; i++)
        if (!is_choice(&form->pieces[from + i], view->words[view->count - back + i])) return false;
    return true;
}

/* Matches the pieces from `piece` on with the words from `at` on; writes how many words it takes
 * at most. */
static bool matches(const struct form *form, size_t piece, const struct view *view, size_t at,
                    struct reading_form *found)
{
    const struct piece *next = &form->pieces[piece];
    if (piece == form->count) return found->front = at, found->back = 0, true;
    if (next->start || next->end) {
        bool here = next->start ? view->first && !at : at == view->count;
        return here && matches(form, piece + 1, view, at, found);
    }
    if (next->gap) {
        if (!matches_end(form, piece + 1, view, at)) return false;
        return found->front = at, found->back = form->count - piece - 1, true;
    }
    if (at < view->count && is_choice(next, view->words[at]) &&
        matches(form, piece + 1, view, at + 1, found))
        return true;
    return next->optional && matches(form, piece + 1, view, at, found);
}

bool reading_form_find(const struct reading_table *table, const struct slice *words, size_t count,
                       bool first, struct reading_form *form)
{
    const struct view view = {words, count, first};
    struct reading_form found = {0};
    size_t longest = 0;
    for (size_t i = 0; i < table->form_count; i++) {
        if (!matches(&table->forms[i], 0, &view, 0, &found)) continue;
        if (found.front + found.back <= longest) continue;
        longest = found.front + found.back;
        *form = found;
        form->means = table->forms[i].means;
    }
    return longest > 0;
}

bool reading_owns(const struct reading_table *table, struct slice form, struct slice word)
{
    struct slice line;
    if (!table->language) return false;
    for (size_t i = 0; (line = language_reading(table->language, "own", i)).len; i++) {
        if (!slice_equal(take(&line, ' '), form)) continue;
        while (line.len)
            if (slice_equal(take(&line, ' '), word)) return true;
    }
    return false;
}
