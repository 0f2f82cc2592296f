#include "workers/generator/scanner.h"

#include <ctype.h>

enum {
    SAMPLE_WORDS = 16, /* short words that tell a passage's language */
    SHORT_WORD = 4,
    CONTENT_WORD_MIN = 4,
    SHORT_NAME = 3,
};

#define HASH_START 2166136261u /* FNV-1a */

void scanner_start(struct scanner *scanner, const struct question *question,
                   struct stemmer *stemmer)
{
    if (!scanner->words) scanner->words = word_table_new();
    word_table_start(scanner->words, question, stemmer);
    memset(scanner->found, 0, sizeof scanner->found);
    scanner->capitals = scanner->small = scanner->names_only = 0;
}

void scanner_rewind(struct scanner *scanner, size_t bytes)
{
    scanner->folded.len = 0;
    buffer_reserve(&scanner->folded, 2 * bytes + 64);
}

bool scanner_revise(struct scanner *scanner, term_set missing)
{
    term_set mended = missing ? word_table_mend(scanner->words, missing) : 0;
    scanner->names_only = scanner->capitals & scanner->small;
    return mended || scanner->names_only;
}

void scanner_free(struct scanner *scanner)
{
    word_table_destroy(&scanner->words);
    buffer_free(&scanner->folded);
}

/* What a byte of folded text begins. Folding has left no accented Latin letter, so that beyond
 * ASCII a few lead bytes tell punctuation and symbols, with their length; other bytes are letters.
 */
enum { LETTER = 0, ASCII_OTHER = 1, UNDERSCORE = 5 };
static const unsigned char byte_classes[256] = {
    ['\0' ... '/'] = ASCII_OTHER, [':' ... '@'] = ASCII_OTHER,
    ['[' ... '^'] = ASCII_OTHER,  ['_'] = UNDERSCORE,
    ['`'] = ASCII_OTHER,          ['{' ... 0x7F] = ASCII_OTHER,
    [0xC2] = 2 /* « ¿ ¡ */,       [0xE2] = 3 /* dashes, quotes */,
    [0xF0] = 4 /* emoji */,
};

/* In any language: a passage need not be in the question's. */
static bool is_denied(const struct scan *scan)
{
    const struct language *language;
    for (size_t i = 0; i < MIN(scan->words, (unsigned)NEGATION_REACH); i++)
        for (size_t l = 0; (language = language_at(l)); l++)
            if (language_is_negation(language, scan->recent[i])) return true;
    return false;
}

static bool is_year(struct slice word)
{
    if (word.len != 4 || !isdigit((unsigned char)word.ptr[3])) return false;
    return !memcmp(word.ptr, "19", 2) || !memcmp(word.ptr, "20", 2);
}

static void sample_language(struct scan *scan, struct word_entry *entry)
{
    if (entry->word.len > SHORT_WORD || scan->sampled == SAMPLE_WORDS) return;
    uint32_t stop_in = word_entry_stop_in(entry);
    for (size_t i = 0; i < SCAN_LANGUAGES; i++) scan->stops[i] += stop_in >> i & 1;
    scan->sampled++;
}

/* A folded word as it is written, where folding changed no length. */
static struct slice raw_word(const struct scan *scan, struct slice word)
{
    if (scan->text.len != scan->folded.len) return word;
    return (struct slice){scan->text.ptr + (word.ptr - scan->folded.ptr), word.len};
}

/* A short term that stands among the passages as a name and as a word, "Go" and "go", is met by the
 * name alone. Returns what is left of `terms`. */
static term_set without_namesakes(struct scanner *scanner, const struct scan *scan,
                                  struct slice raw, term_set terms)
{
    if (raw.len > SHORT_NAME) return terms;
    bool capital = isupper((unsigned char)raw.ptr[0]);
    if (capital && scan->words) scanner->capitals |= terms;
    if (!capital) scanner->small |= terms;
    return capital ? terms : terms & ~scanner->names_only;
}

static void note_term(struct scanner *scanner, struct scan *scan, struct slice word,
                      const struct word_entry *entry)
{
    struct slice raw = raw_word(scan, word);
    term_set strong = without_namesakes(scanner, scan, raw, entry->strong);
    if (!(scan->strong | scan->weak)) scan->term_at = scan->words;
    scan->strong |= strong;
    scan->weak |= entry->weak;
    if (is_denied(scan)) scan->denied |= strong | entry->weak;
    for (term_set set = strong; set; set &= set - 1) {
        struct slice *found = &scanner->found[__builtin_ctz(set)];
        if (!found->len) *found = raw;
    }
}

static void scan_word(struct scanner *scanner, struct scan *scan, struct slice word, uint32_t hash)
{
    struct word_entry *entry = word_table_find(scanner->words, word, hash);
    if (!scan->words) scan->first = word;
    if (scan->stops) sample_language(scan, entry);
    if (entry->strong | entry->weak) note_term(scanner, scan, word, entry);
    scan->content += word.len >= CONTENT_WORD_MIN && !isdigit((unsigned char)word.ptr[0]);
    if (word.len >= CONTENT_WORD_MIN)
        scan->words_seen[hash >> 8 & 3] |= (uint64_t)1 << (hash >> 16 & 63);
    if (isdigit((unsigned char)word.ptr[0])) {
        scan->number = true;
        scan->year |= is_year(word);
    }
    scan->recent[scan->words % NEGATION_REACH] = word;
    scan->hash = (scan->hash ^ hash) * UINT64_C(1099511628211);
    scan->words++;
}

static uint32_t hash_more(uint32_t hash, char c)
{
    return (hash ^ (unsigned char)c) * 16777619u;
}

static uint32_t hash_word(struct slice word)
{
    uint32_t hash = HASH_START;
    for (size_t i = 0; i < word.len; i++) hash = hash_more(hash, word.ptr[i]);
    return hash;
}

/* Of "max_connections" the parts count too. */
static void scan_parts(struct scanner *scanner, struct scan *scan, struct slice word)
{
    struct slice part = {word.ptr, 0};
    for (size_t i = 0; i <= word.len; i++) {
        if (i < word.len && word.ptr[i] != '_') continue;
        part.len = (size_t)(word.ptr + i - part.ptr);
        if (part.len) scan_word(scanner, scan, part, hash_word(part));
        part.ptr = word.ptr + i + 1;
    }
}

/* Takes the word at `at`, and returns where it ends. */
static const char *take_word(struct scanner *scanner, struct scan *scan, const char *at,
                             const char *end)
{
    struct slice word = {at, 0};
    uint32_t hash = HASH_START;
    bool parts = false;
    for (; at < end; at++) {
        unsigned char class = byte_classes[(unsigned char)*at];
        if (class != LETTER && class != UNDERSCORE) break;
        parts |= class == UNDERSCORE;
        hash = hash_more(hash, *at);
    }
    word.len = (size_t)(at - word.ptr);
    scan_word(scanner, scan, word, hash);
    if (parts) scan_parts(scanner, scan, word);
    return at;
}

void scanner_read(struct scanner *scanner, struct slice text, struct scan *scan)
{
    size_t from = scanner->folded.len;
    text_fold(text, &scanner->folded);
    scan->text = text;
    scan->folded = (struct slice){scanner->folded.data + from, scanner->folded.len - from};
    const char *at = scan->folded.ptr, *end = at + scan->folded.len;
    while (at < end) {
        unsigned char class = byte_classes[(unsigned char)*at];
        if (class == LETTER || class == UNDERSCORE)
            at = take_word(scanner, scan, at, end);
        else
            at += MIN((size_t) class, (size_t)(end - at));
    }
}
