#include "common/pattern.h"

#include <stdlib.h>

enum { ELEMENTS_MAX = 16, CHOICES_MAX = 64, GAP_MAX = 8 };

enum element_kind { CLAUSE_START, SENTENCE_END, ANY_WORD, GAP, ONE_OF };

struct element {
    enum element_kind kind;
    bool optional, or_end; /* "?"; a choice of "$" */
    unsigned choice_count;
    uint32_t *choices; /* word numbers */
    word_sets sets, not_in;
    uint64_t bits; /* of the choices, as in the summary */
};

struct pattern {
    uint64_t needs; /* bits of words that are in every match, as in the summary */
    size_t count;
    struct element elements[ELEMENTS_MAX];
};

static uint64_t bit_of(uint32_t number)
{
    return number ? 1ULL << (number % 64) : 0;
}

/* Takes what stands before the next `separator` off the front of *text. */
static struct slice take_part(struct slice *text, char separator)
{
    const char *at = memchr(text->ptr, separator, text->len);
    struct slice part = {text->ptr, at ? (size_t)(at - text->ptr) : text->len};
    size_t used = MIN(part.len + 1, text->len);
    *text = (struct slice){text->ptr + used, text->len - used};
    return part;
}

/* A word that is another way to write several never stands in a message. */
static bool add_word(struct slice text, struct vocabulary *vocabulary, uint32_t *number)
{
    uint32_t meant[SPELLING_WORDS_MAX];
    size_t count = vocabulary_meant(vocabulary, vocabulary_add(vocabulary, text, false), meant);
    if (count > 1) return false;
    *number = meant[0];
    vocabulary_make_trigger(vocabulary, *number);
    return true;
}

static word_sets set_named(struct vocabulary *vocabulary, struct slice text, size_t marks)
{
    struct slice name = {text.ptr + marks, text.len - marks};
    return (word_sets)1 << vocabulary_set(vocabulary, name);
}

static bool parse_choices(struct slice text, struct vocabulary *vocabulary, struct element *element)
{
    uint32_t numbers[CHOICES_MAX];
    while (text.len) {
        struct slice choice = take_part(&text, '/');
        if (!choice.len || element->choice_count == CHOICES_MAX) return false;
        if (choice.len == 1 && strchr("_*^", choice.ptr[0])) return false;
        if (slice_equal(choice, SLICE("$")))
            element->or_end = true;
        else if (choice.ptr[0] == '@')
            element->sets |= set_named(vocabulary, choice, 1);
        else if (choice.len > 1 && memcmp(choice.ptr, "!@", 2) == 0)
            element->not_in |= set_named(vocabulary, choice, 2);
        else if (!add_word(choice, vocabulary, &numbers[element->choice_count++]))
            return false;
    }
    element->choices = xcalloc(element->choice_count, sizeof *numbers);
    memcpy(element->choices, numbers, element->choice_count * sizeof *numbers);
    for (unsigned i = 0; i < element->choice_count; i++) element->bits |= bit_of(numbers[i]);
    return true;
}

static bool parse_element(struct slice text, struct vocabulary *vocabulary, struct element *element)
{
    static const struct {
        char symbol;
        enum element_kind kind;
    } symbols[] = {{'^', CLAUSE_START}, {'$', SENTENCE_END}, {'_', ANY_WORD}, {'*', GAP}};
    if (text.len > 1 && text.ptr[text.len - 1] == '?') {
        element->optional = true;
        text.len--;
    }
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++)
        if (text.len == 1 && text.ptr[0] == symbols[i].symbol)
            return element->kind = symbols[i].kind, true;
    element->kind = ONE_OF;
    return parse_choices(text, vocabulary, element);
}

static void pattern_destroy(struct pattern *pattern)
{
    for (size_t i = 0; i < pattern->count; i++) free(pattern->elements[i].choices);
    free(pattern);
}

/* Whether a match has a word for the element, one of its choices. */
static bool is_needed(const struct element *element)
{
    return element->kind == ONE_OF && !element->optional && !element->or_end && !element->not_in;
}

/* The bit of the one word that the element stands for; 0 where there are several. */
static uint64_t needed_bits(const struct element *element)
{
    bool one = is_needed(element) && element->choice_count == 1 && !element->sets;
    return one ? element->bits : 0;
}

struct pattern *pattern_new(struct slice line, struct vocabulary *vocabulary)
{
    struct pattern *pattern = xcalloc(1, sizeof *pattern);
    while (line.len) {
        struct slice text = take_part(&line, ' ');
        if (!text.len) continue;
        if (pattern->count == ELEMENTS_MAX ||
            !parse_element(text, vocabulary, &pattern->elements[pattern->count++]))
            return pattern_destroy(pattern), NULL;
    }
    for (size_t i = 0; i < pattern->count; i++)
        pattern->needs |= needed_bits(&pattern->elements[i]);
    return pattern;
}

struct pattern_summary pattern_summary(const struct pattern_word *words, size_t count)
{
    struct pattern_summary summary = {0};
    for (size_t i = 0; i < count; i++) {
        summary.numbers |= bit_of(words[i].number);
        summary.sets |= words[i].sets;
    }
    return summary;
}

bool pattern_may_match(const struct pattern *pattern, const struct pattern_summary *summary)
{
    if (pattern->needs & ~summary->numbers) return false; /* most, at one glance */
    for (size_t i = 0; i < pattern->count; i++) {
        const struct element *element = &pattern->elements[i];
        if (!is_needed(element)) continue;
        if (!(element->bits & summary->numbers) && !(element->sets & summary->sets)) return false;
    }
    return true;
}

static bool is_one_of(const struct element *element, const struct pattern_word *word)
{
    if (word->sets & element->sets) return true;
    if (element->not_in && !(word->sets & element->not_in)) return true;
    for (unsigned i = 0; i < element->choice_count; i++)
        if (word->number == element->choices[i]) return true;
    return false;
}

/* True when the element takes the word at `at`, or the place before it, and moves *at past it. */
static bool element_match(const struct element *element, const struct pattern_word *words,
                          size_t count, size_t *at)
{
    switch (element->kind) {
    case CLAUSE_START: return *at < count && words[*at].clause;
    case SENTENCE_END: return *at == count;
    case ANY_WORD: return *at < count && ++*at;
    case ONE_OF:
        if (*at == count) return element->or_end;
        return is_one_of(element, &words[*at]) && ++*at;
    case GAP: break;
    }
    return false;
}

static bool match_from(const struct pattern *pattern, size_t index,
                       const struct pattern_word *words, size_t count, size_t at, size_t *end)
{
    for (; index < pattern->count; index++) {
        const struct element *element = &pattern->elements[index];
        if (element->kind == GAP) {
            for (size_t to = at; to <= count && to <= at + GAP_MAX; to++)
                if (match_from(pattern, index + 1, words, count, to, end)) return true;
            return false;
        }
        size_t next = at;
        bool matched = element_match(element, words, count, &next);
        if (matched && element->optional && match_from(pattern, index + 1, words, count, next, end))
            return true;
        if (!matched && !element->optional) return false;
        if (!element->optional) at = next;
    }
    *end = at;
    return true;
}

bool pattern_match(const struct pattern *pattern, const struct pattern_word *words, size_t count,
                   size_t at, size_t *end)
{
    return match_from(pattern, 0, words, count, at, end);
}
