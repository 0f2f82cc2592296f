#include "workers/generator/word_table.h"

#include "common/hash.h"

#include <ctype.h>
#include <stdlib.h>

enum {
    SLOTS = 1024, /* a power of two */
    WORDS_MAX = 700,
    WORD_BYTES_MAX = 32, /* longer words have no typos */
    STEM_EQUAL_MIN = 3,  /* letters that two words of one stem share */
    PREFIX_MIN = 6,      /* a stem that long may be the beginning of its relatives: licenc-ia */
    PREFIX_REST_MAX = 3,
    COGNATE_MIN = 7, /* one letter of a stem that long may differ: technolog, tecnolog-ias */
    COGNATE_REST_MAX = 4,
    MEND_MIN = 4,
    MEND_LETTERS_MIN = 5,
    MEND_OTHER_LETTER_MIN = 6,
    MEND_TWICE_MIN = 9,
};

struct word_table {
    struct word_starts starts;
    const struct question *question;
    struct stemmer *stemmer;
    uint64_t stamp;
    size_t count;
    struct word_entry full; /* where the table has no room left */
    struct word_entry slots[SLOTS];
};

struct word_table *word_table_new(void)
{
    return xcalloc(1, sizeof(struct word_table));
}

void word_table_destroy(struct word_table **table)
{
    free(*table);
    *table = NULL;
}

const struct word_starts *word_table_starts(const struct word_table *table)
{
    return &table->starts;
}

void word_table_start(struct word_table *table, const struct question *question,
                      struct stemmer *stemmer)
{
    table->question = question;
    table->stemmer = stemmer;
    table->stamp++;
    table->count = 0;
    table->starts = (struct word_starts){0};
    for (size_t i = 0; i < question->count; i++) {
        const char *word = question->terms[i].word; /* of one letter: and its NUL */
        unsigned bit = word_start_bit(word[0], word[1]);
        table->starts.bits[bit / 64] |= (uint64_t)1 << bit % 64;
    }
}

/* --- what matches --- */

/* Edits (a letter more, less or other, two neighbours swapped) between two words of at most
 * WORD_BYTES_MAX bytes. */
static unsigned edits(struct slice a, struct slice b)
{
    unsigned char rows[3][WORD_BYTES_MAX + 1];
    unsigned char *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; j++) last[j] = (unsigned char)j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned cost = a.ptr[i - 1] != b.ptr[j - 1];
            unsigned least = MIN(MIN(last[j] + 1u, row[j - 1] + 1u), last[j - 1] + cost);
            bool swap =
                i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
            row[j] = (unsigned char)(swap ? MIN(least, before[j - 2] + 1u) : least);
        }
        unsigned char *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b.len];
}

/* Whether there is at most one: what two words begin and end with alike is left out, little stays.
 */
static bool within_one_edit(struct slice a, struct slice b)
{
    size_t least = MIN(a.len, b.len), from = 0, behind = 0;
    while (from < least && a.ptr[from] == b.ptr[from]) from++;
    while (behind < least - from && a.ptr[a.len - 1 - behind] == b.ptr[b.len - 1 - behind])
        behind++;
    size_t a_left = a.len - from - behind, b_left = b.len - from - behind;
    if (a_left <= 1 && b_left <= 1) return true;
    return a_left == 2 && b_left == 2 && a.ptr[from] == b.ptr[from + 1] &&
           a.ptr[from + 1] == b.ptr[from];
}

static bool has_prefix(struct slice word, struct slice prefix)
{
    return word.len >= prefix.len && !memcmp(word.ptr, prefix.ptr, prefix.len);
}

static bool same_stem(struct word_table *table, const struct term *term, struct slice word)
{
    struct slice stem = term_stem(term);
    stem.len = MIN(stem.len, (size_t)STEM_EQUAL_MIN);
    if (!table->stemmer || !has_prefix(word, stem)) return false;
    return slice_equal(stemmer_stem(table->stemmer, word), term_stem(term));
}

/* A relative in this or another language: "licence" and "licencia", "technology" and "tecnología".
 */
static bool is_cognate(const struct term *term, struct slice word)
{
    struct slice stem = term_stem(term);
    if (term->name || word.len > WORD_BYTES_MAX || stem.len < PREFIX_MIN) return false;
    if (has_prefix(word, stem)) return word.len - stem.len <= PREFIX_REST_MAX;
    if (stem.len < COGNATE_MIN || word.len + 1 < stem.len) return false;
    if (word.len > stem.len + COGNATE_REST_MAX || stem.len > WORD_BYTES_MAX) return false;
    for (size_t len = stem.len - 1; len <= MIN(stem.len + 1, word.len); len++)
        if (within_one_edit(stem, (struct slice){word.ptr, len})) return true;
    return false;
}

static void match(struct word_table *table, struct word_entry *entry)
{
    for (size_t i = 0; i < table->question->count; i++) {
        const struct term *term = &table->question->terms[i];
        if (slice_equal(term_word(term), entry->word) || same_stem(table, term, entry->word))
            entry->strong |= 1u << i;
        else if (is_cognate(term, entry->word))
            entry->weak |= 1u << i;
    }
}

/* --- the table --- */

static struct word_entry *fill(struct word_table *table, struct word_entry *entry,
                               struct slice word, uint32_t hash)
{
    *entry = (struct word_entry){.stamp = table->stamp, .hash = hash, .word = word};
    match(table, entry);
    return entry;
}

uint32_t word_hash(struct slice word)
{
    return hash_fnv32(word);
}

const struct word_entry *word_table_find(struct word_table *table, struct slice word)
{
    uint32_t hash = word_hash(word);
    for (size_t at = hash ^ hash >> 15;; at++) {
        struct word_entry *entry = &table->slots[at & (SLOTS - 1)];
        if (entry->stamp != table->stamp) {
            if (table->count == WORDS_MAX) return fill(table, &table->full, word, hash);
            table->count++;
            return fill(table, entry, word, hash);
        }
        if (entry->hash == hash && slice_equal(entry->word, word)) return entry;
    }
}

/* --- typos --- */

static bool is_swap(struct slice a, struct slice b)
{
    size_t i = 0;
    if (a.len != b.len) return false;
    while (i < a.len && a.ptr[i] == b.ptr[i]) i++;
    return i + 1 < a.len && a.ptr[i] == b.ptr[i + 1] && a.ptr[i + 1] == b.ptr[i] &&
           !memcmp(a.ptr + i + 2, b.ptr + i + 2, a.len - i - 2);
}

/* How far the term is from a word that it may be a typo of; 0: it cannot be one. Short words have
 * too many neighbours ("Scala", "scale") for any edit to count. */
unsigned term_typo_distance(const struct term *term, struct slice word)
{
    struct slice typo = term_word(term);
    size_t difference = typo.len > word.len ? typo.len - word.len : word.len - typo.len;
    if (word.len > WORD_BYTES_MAX || word.len < MEND_MIN || difference > 2) return 0;
    if (is_swap(typo, word)) return 1;
    if (typo.len < MEND_LETTERS_MIN || typo.ptr[0] != word.ptr[0]) return 0;
    if (within_one_edit(typo, word))
        return (difference || typo.len >= MEND_OTHER_LETTER_MIN) && !slice_equal(typo, word);
    return typo.len >= MEND_TWICE_MIN && edits(typo, word) == 2 ? 2 : 0;
}

bool term_may_be_typo(const struct term *term)
{
    if (term->known || term->word_len < MEND_MIN || term->word_len > WORD_BYTES_MAX) return false;
    for (size_t i = 0; i < term->word_len; i++)
        if (!isalpha((unsigned char)term->word[i])) return false;
    return true;
}
