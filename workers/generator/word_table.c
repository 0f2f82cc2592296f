#include "workers/generator/word_table.h"

#include <ctype.h>
#include <stdlib.h>

enum {
    SLOTS = 4096, /* a power of two */
    WORDS_MAX = 3000,
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
    const struct question *question;
    struct stemmer *stemmer;
    uint64_t stamp;
    size_t count;
    uint64_t starts[16];    /* a bit for each pair of first letters that a term has */
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

static unsigned start_bit(const char *word)
{
    return ((unsigned char)word[0] * 31u + (unsigned char)word[1]) & 1023;
}

void word_table_start(struct word_table *table, const struct question *question,
                      struct stemmer *stemmer)
{
    table->question = question;
    table->stemmer = stemmer;
    table->stamp++;
    table->count = 0;
    memset(table->starts, 0, sizeof table->starts);
    for (size_t i = 0; i < question->count; i++) {
        unsigned bit = start_bit(question->terms[i].word); /* a word of one letter: and its NUL */
        table->starts[bit / 64] |= (uint64_t)1 << bit % 64;
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
        if (edits(stem, (struct slice){word.ptr, len}) <= 1) return true;
    return false;
}

static void match(struct word_table *table, struct word_entry *entry)
{
    char start[2] = {entry->word.ptr[0], entry->word.len > 1 ? entry->word.ptr[1] : '\0'};
    unsigned bit = start_bit(start);
    if (!(table->starts[bit / 64] >> bit % 64 & 1)) return;
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

struct word_entry *word_table_find(struct word_table *table, struct slice word, uint32_t hash)
{
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

uint32_t word_entry_stop_in(struct word_entry *entry)
{
    const struct language *language;
    if (entry->stop_known) return entry->stop_in;
    entry->stop_known = true;
    for (size_t i = 0; i < 32 && (language = language_at(i)); i++)
        if (language_is_stop_word(language, entry->word)) entry->stop_in |= 1u << i;
    return entry->stop_in;
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
static unsigned typo_distance(const struct term *term, struct slice word)
{
    struct slice typo = term_word(term);
    size_t difference = typo.len > word.len ? typo.len - word.len : word.len - typo.len;
    if (word.len > WORD_BYTES_MAX || word.len < MEND_MIN || difference > 2) return 0;
    if (is_swap(typo, word)) return 1;
    if (typo.len < MEND_LETTERS_MIN || typo.ptr[0] != word.ptr[0]) return 0;
    unsigned distance = edits(typo, word);
    if (distance == 1 && (difference || typo.len >= MEND_OTHER_LETTER_MIN)) return 1;
    return distance == 2 && typo.len >= MEND_TWICE_MIN ? 2 : 0;
}

static bool may_be_typo(const struct term *term)
{
    if (term->known || term->word_len < MEND_MIN || term->word_len > WORD_BYTES_MAX) return false;
    for (size_t i = 0; i < term->word_len; i++)
        if (!isalpha((unsigned char)term->word[i])) return false;
    return true;
}

static bool mend_term(struct word_table *table, size_t number)
{
    const struct term *term = &table->question->terms[number];
    unsigned least = 3;
    if (!may_be_typo(term)) return false;
    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < SLOTS; i++) {
            struct word_entry *entry = &table->slots[i];
            if (entry->stamp != table->stamp) continue;
            unsigned distance = typo_distance(term, entry->word);
            if (pass == 0 && distance) least = MIN(least, distance);
            if (pass == 1 && distance == least) entry->strong |= 1u << number;
        }
    return least < 3;
}

uint32_t word_table_mend(struct word_table *table, uint32_t missing)
{
    uint32_t mended = 0;
    for (; missing; missing &= missing - 1) {
        unsigned number = (unsigned)__builtin_ctz(missing);
        if (mend_term(table, number)) mended |= 1u << number;
    }
    return mended;
}
