/* Every term is looked at: its letters, as bits, rule out nearly all of them at a comparison or
 * two each, and the rest are compared in full (optimal string alignment, Damerau 1964; Levenshtein
 * 1966).
 *
 * The index holds stems, and a misspelt word may keep its ending ("conecttion"), so a term may also
 * end before the word does. */
#include "workers/retriever/spelling.h"

enum { WORD_MIN = 4, TWO_EDITS_MIN = 8, ENDING_MAX = 4, STEM_MIN = 4 };

static unsigned edits_allowed(size_t len)
{
    return len < WORD_MIN || len > SPELLING_WORD_MAX ? 0 : len < TWO_EDITS_MIN ? 1 : 2;
}

bool spelling_may_correct(struct slice word)
{
    return edits_allowed(word.len) > 0;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    return MIN(MIN(a, b), c);
}

/* The edits between `term` and the whole of `word`, or its beginning with at most ENDING_MAX
 * letters left over; `limit` + 1 if there are more than `limit`. */
static unsigned distance(struct slice word, struct slice term, unsigned limit)
{
    unsigned rows[3][SPELLING_WORD_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= word.len; j++) above[j] = j;
    for (size_t i = 1; i <= term.len; i++) {
        unsigned lowest = row[0] = (unsigned)i;
        for (size_t j = 1; j <= word.len; j++) {
            bool same = term.ptr[i - 1] == word.ptr[j - 1];
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + !same);
            bool swapped = i > 1 && j > 1 && term.ptr[i - 1] == word.ptr[j - 2] &&
                           term.ptr[i - 2] == word.ptr[j - 1];
            if (swapped) row[j] = MIN(row[j], before[j - 2] + 1);
            lowest = MIN(lowest, row[j]);
        }
        if (lowest > limit) return limit + 1;
        unsigned *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    unsigned found = above[word.len];
    size_t shortest = term.len < STEM_MIN ? word.len : word.len - MIN(word.len, ENDING_MAX);
    for (size_t j = shortest; j < word.len; j++) found = MIN(found, above[j]);
    return found;
}

/* The more frequent first, equal ones by their letters: numbers tell when a term was first met,
 * which two indexes of the same texts need not agree about. */
static bool is_before(const struct corpus *corpus, uint32_t term, uint32_t other)
{
    uint32_t frequency = corpus->frequencies[term], others = corpus->frequencies[other];
    if (frequency != others) return frequency > others;
    struct slice a = lexicon_text(corpus->lexicon, term);
    struct slice b = lexicon_text(corpus->lexicon, other);
    int order = memcmp(a.ptr, b.ptr, MIN(a.len, b.len));
    return order ? order < 0 : a.len < b.len;
}

/* What is farther than the nearest so far is passed over, whichever was met first. */
static void keep(const struct corpus *corpus, struct correction correction,
                 struct correction *corrections, size_t *count)
{
    if (*count && correction.distance > corrections[0].distance) return;
    if (*count && correction.distance < corrections[0].distance) *count = 0;
    size_t at = *count;
    while (at && is_before(corpus, correction.term, corrections[at - 1].term)) at--;
    if (at == SPELLING_MAX) return;
    size_t moved = MIN(*count, (size_t)SPELLING_MAX - 1) - at;
    memmove(&corrections[at + 1], &corrections[at], moved * sizeof *corrections);
    corrections[at] = correction;
    *count = MIN(*count + 1, (size_t)SPELLING_MAX);
}

/* A few steps, where counting all bits would be a call on a processor without that instruction. */
static bool has_more_bits(uint64_t bits, unsigned limit)
{
    for (; limit; limit--) bits &= bits - 1;
    return bits != 0;
}

/* Whether a term's letters leave it possible: each edit accounts for one letter that only the term
 * has, or for one of the word before its ending that the term lacks. */
static bool may_be_near(uint64_t term, uint64_t word, uint64_t beginning, unsigned limit)
{
    return !has_more_bits(term & ~word, limit) && !has_more_bits(beginning & ~term, limit);
}

static struct slice beginning_of(struct slice word)
{
    return (struct slice){word.ptr, word.len - MIN(word.len, (size_t)ENDING_MAX)};
}

size_t spelling_correct(const struct corpus *corpus, struct slice word,
                        struct correction corrections[SPELLING_MAX])
{
    const struct lexicon *lexicon = corpus->lexicon;
    const uint64_t *letters = lexicon_letters(lexicon);
    uint64_t of_word = lexicon_letters_of(word);
    uint64_t of_beginning = lexicon_letters_of(beginning_of(word));
    uint32_t terms = lexicon_count(lexicon);
    unsigned limit = edits_allowed(word.len);
    size_t count = 0;
    for (uint32_t term = 0; limit && term < terms; term++) {
        if (!may_be_near(letters[term], of_word, of_beginning, limit)) continue;
        if (!corpus->frequencies[term]) continue;
        struct slice text = lexicon_text(lexicon, term);
        bool near = text.len <= word.len + limit && text.len + limit + ENDING_MAX >= word.len;
        if (!near || text.len < WORD_MIN - 1) continue;
        unsigned edits = distance(word, text, limit);
        if (edits > limit) continue;
        limit = edits ? edits : 1;
        keep(corpus, (struct correction){term, edits}, corrections, &count);
    }
    return count;
}
