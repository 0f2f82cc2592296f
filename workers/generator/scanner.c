#include "workers/generator/scanner.h"

#include <ctype.h>
#include <endian.h>
#include <stdlib.h>

enum {
    SHORT_WORD = 4,
    SAMPLE_WORDS = 16, /* short words that tell a sentence's language */
    CONTENT_WORD_MIN = 4,
    SHORT_NAME = 3,
};

void scanner_start(struct scanner *scanner, const struct question *question,
                   struct stemmer *stemmer)
{
    if (!scanner->words) scanner->words = word_table_new();
    if (!scanner->function_words)
        scanner->function_words = xcalloc(1, sizeof *scanner->function_words);
    scanner->question = question;
    word_table_start(scanner->words, question, stemmer);
    memset(scanner->found, 0, sizeof scanner->found);
    scanner->capitals = scanner->small = scanner->names_only = 0;
    scanner->revised = false;
}

void scanner_rewind(struct scanner *scanner, size_t bytes)
{
    scanner->folded.len = scanner->place_count = 0;
    buffer_reserve(&scanner->folded, 2 * bytes + 64);
}

void scanner_free(struct scanner *scanner)
{
    word_table_destroy(&scanner->words);
    free(scanner->function_words);
    buffer_free(&scanner->folded);
    free(scanner->places);
}

/* What a byte of folded text begins. Folding has left no accented Latin letter, so that beyond
 * ASCII a few lead bytes tell punctuation and symbols, with their length; other bytes are letters.
 */
enum { LETTER = 0, UNDERSCORE = 0x80, ASCII_OTHER = 1, LENGTH = 7 };
static const unsigned char byte_classes[256] = {
    ['\0' ... '/'] = ASCII_OTHER, [':' ... '@'] = ASCII_OTHER,
    ['[' ... '^'] = ASCII_OTHER,  ['_'] = UNDERSCORE,
    ['`'] = ASCII_OTHER,          ['{' ... 0x7F] = ASCII_OTHER,
    [0xC2] = 2 /* « ¿ ¡ */,       [0xE2] = 3 /* dashes, quotes */,
    [0xF0] = 4 /* emoji */,
};

static unsigned char class_of(char c)
{
    return byte_classes[(unsigned char)c];
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* --- cutting --- */

struct cutting {
    struct scanner *scanner;
    const struct word_starts *starts;
    struct stretch *stretch;
    unsigned sampled; /* short words */
};

static void sample_word(struct cutting *cutting, struct slice word)
{
    if (cutting->sampled == SAMPLE_WORDS) return;
    cutting->sampled++;
    cutting->stretch->votes += function_word_find(cutting->scanner->function_words, word)->votes;
}

static bool is_year(struct slice word)
{
    if (word.len != 4 || !is_digit(word.ptr[3])) return false;
    return !memcmp(word.ptr, "19", 2) || !memcmp(word.ptr, "20", 2);
}

static void note_number(struct cutting *cutting, struct slice word)
{
    cutting->stretch->number = true;
    cutting->stretch->year |= is_year(word);
}

static inline void take_word(struct cutting *cutting, struct slice word)
{
    struct scanner *scanner = cutting->scanner;
    struct place *place = &scanner->places[scanner->place_count++];
    *place = (struct place){(uint32_t)(word.ptr - scanner->folded.data), (uint32_t)word.len, 0, 0};
    if (word.len <= SHORT_WORD) sample_word(cutting, word);
    if (is_digit(word.ptr[0])) note_number(cutting, word);
    if (!word_starts_have(cutting->starts, word)) return;
    const struct word_entry *entry = word_table_find(scanner->words, word);
    place->strong = entry->strong;
    place->weak = entry->weak;
    cutting->stretch->hits |= entry->strong | entry->weak;
}

/* Of "max_connections" the parts count too. */
static void take_parts(struct cutting *cutting, struct slice word)
{
    struct slice part = {word.ptr, 0};
    for (size_t i = 0; i <= word.len; i++) {
        if (i < word.len && word.ptr[i] != '_') continue;
        part.len = (size_t)(word.ptr + i - part.ptr);
        if (part.len) take_word(cutting, part);
        part.ptr = word.ptr + i + 1;
    }
}

/* How many of the next eight bytes, up to the first that is none, are the letters a to z. */
static size_t letters_at(const char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = 0x80 * ones;
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    bytes = le64toh(bytes);
    uint64_t low = bytes & ~high;
    uint64_t from_a = low + (0x80 - 'a') * ones, beyond_z = low + (0x7F - 'z') * ones;
    uint64_t others = ~(from_a & ~beyond_z & ~bytes) & high;
    return others ? (size_t)__builtin_ctzll(others) / 8 : sizeof bytes;
}

/* NULs stand at the end. */
static void cut_words(struct cutting *cutting, const char *at, const char *end)
{
    while (at < end) {
        const char *start = at;
        at += letters_at(at); /* most words are no more */
        unsigned char class = class_of(*at), seen = 0;
        for (; !(class & LENGTH); class = class_of(*++at)) seen |= class;
        struct slice word = {start, (size_t)(at - start)};
        if (word.len) take_word(cutting, word);
        if (seen) take_parts(cutting, word);
        at += class & LENGTH;
    }
}

void scanner_cut(struct scanner *scanner, struct slice text, struct stretch *stretch)
{
    size_t from = scanner->folded.len;
    text_fold(text, &scanner->folded);
    memset(buffer_reserve(&scanner->folded, 8), '\0', 8);
    *stretch = (struct stretch){
        .text = text,
        .folded = {scanner->folded.data + from, scanner->folded.len - from},
        .first = scanner->place_count,
    };
    scanner->places = xgrow(scanner->places, &scanner->place_capacity,
                            scanner->place_count + stretch->folded.len, sizeof *scanner->places);
    struct cutting cutting = {scanner, word_table_starts(scanner->words), stretch, 0};
    cut_words(&cutting, stretch->folded.ptr, stretch->folded.ptr + stretch->folded.len);
    stretch->count = scanner->place_count - stretch->first;
}

/* --- scanning --- */

static struct slice word_at(const struct scanner *scanner, const struct place *place)
{
    return (struct slice){scanner->folded.data + place->at, place->len};
}

/* A word as it is written, where folding changed no length. */
static struct slice raw_word(const struct scanner *scanner, const struct stretch *stretch,
                             const struct place *place)
{
    struct slice folded = word_at(scanner, place);
    if (stretch->text.len != stretch->folded.len) return folded;
    return (struct slice){stretch->text.ptr + (folded.ptr - stretch->folded.ptr), folded.len};
}

static bool is_denied(const struct scanner *scanner, const struct place *place, size_t before)
{
    for (size_t back = 1; back <= MIN(before, (size_t)NEGATION_REACH); back++)
        if (function_word_find(scanner->function_words, word_at(scanner, place - back))->denies)
            return true;
    return false;
}

/* A short term that stands among the passages as a name and as a word, "Go" and "go", is met by the
 * name alone. Returns what is left of `terms`. */
static term_set without_namesakes(struct scanner *scanner, struct slice raw, bool first,
                                  term_set terms)
{
    if (raw.len > SHORT_NAME) return terms;
    bool capital = isupper((unsigned char)raw.ptr[0]);
    if (capital && !first) scanner->capitals |= terms;
    if (!capital) scanner->small |= terms;
    return capital ? terms : terms & ~scanner->names_only;
}

static void note_term(struct scanner *scanner, const struct stretch *stretch, size_t word,
                      struct scan *scan)
{
    const struct place *place = &scanner->places[stretch->first + word];
    struct slice raw = raw_word(scanner, stretch, place);
    term_set strong = without_namesakes(scanner, raw, word == 0, place->strong);
    if (!(scan->strong | scan->weak)) scan->term_at = (unsigned)word;
    scan->strong |= strong;
    scan->weak |= place->weak;
    if (is_denied(scanner, place, word)) scan->denied |= strong | place->weak;
    for (term_set set = strong; set; set &= set - 1) {
        struct slice *found = &scanner->found[__builtin_ctz(set)];
        if (!found->len) *found = raw;
    }
}

struct scan scanner_scan(struct scanner *scanner, const struct stretch *stretch)
{
    const struct place *places = scanner->places + stretch->first;
    struct scan scan = {0};
    if (!stretch->hits && !scanner->revised) return scan;
    for (size_t word = 0; word < stretch->count; word++)
        if (places[word].strong | places[word].weak) note_term(scanner, stretch, word, &scan);
    return scan;
}

struct signature scanner_sign(const struct scanner *scanner, const struct stretch *stretch)
{
    const struct place *places = scanner->places + stretch->first;
    struct signature signature = {0};
    for (size_t word = 0; word < stretch->count; word++) {
        uint32_t hash = word_hash(word_at(scanner, &places[word]));
        if (places[word].len >= CONTENT_WORD_MIN)
            signature.words_seen[hash >> 8 & 3] |= (uint64_t)1 << (hash >> 16 & 63);
        signature.hash = (signature.hash ^ hash) * UINT64_C(1099511628211);
    }
    return signature;
}

unsigned scanner_content(const struct scanner *scanner, const struct stretch *stretch)
{
    const struct place *places = scanner->places + stretch->first;
    unsigned content = 0;
    for (size_t word = 0; word < stretch->count; word++)
        content += places[word].len >= CONTENT_WORD_MIN &&
                   !is_digit(scanner->folded.data[places[word].at]);
    return content;
}

struct slice scanner_first(const struct scanner *scanner, const struct stretch *stretch)
{
    const struct place *first = scanner->places + stretch->first;
    return stretch->count ? word_at(scanner, first) : (struct slice){0};
}

/* --- revising --- */

/* A typo's first letter is the word's, or its second where they were swapped. */
static unsigned distance_at(const struct scanner *scanner, const struct term *term,
                            const struct place *place)
{
    char first = scanner->folded.data[place->at];
    if (first != term->word[0] && first != term->word[1]) return 0;
    return term_typo_distance(term, word_at(scanner, place));
}

/* The nearest that a word comes to the term; 0 when none may be meant. */
static unsigned least_distance(const struct scanner *scanner, const struct term *term)
{
    unsigned least = 0;
    for (size_t i = 0; i < scanner->place_count && least != 1; i++) {
        unsigned distance = distance_at(scanner, term, &scanner->places[i]);
        if (distance && (!least || distance < least)) least = distance;
    }
    return least;
}

/* Takes a term that matched nothing for a typo of the words nearest to it. */
static bool mend_term(struct scanner *scanner, unsigned number)
{
    const struct term *term = &scanner->question->terms[number];
    unsigned least = term_may_be_typo(term) ? least_distance(scanner, term) : 0;
    for (size_t i = 0; least && i < scanner->place_count; i++) {
        struct place *place = &scanner->places[i];
        if (distance_at(scanner, term, place) == least) place->strong |= 1u << number;
    }
    return least;
}

bool scanner_revise(struct scanner *scanner, term_set missing)
{
    scanner->names_only = scanner->capitals & scanner->small;
    scanner->revised = scanner->names_only;
    for (; missing; missing &= missing - 1)
        scanner->revised |= mend_term(scanner, (unsigned)__builtin_ctz(missing));
    return scanner->revised;
}
