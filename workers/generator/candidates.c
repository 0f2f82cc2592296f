#include "workers/generator/candidates.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "workers/generator/word_table.h"

enum {
    LEVELS = 7,         /* of headings; the last is for bare lines */
    NEGATION_REACH = 4, /* words between "no" and what it denies */
    SAMPLE_WORDS = 16,  /* short words that tell a passage's language */
    SHORT_WORD = 4,
    LANGUAGES_SEEN = 8,
    CONTENT_WORD_MIN = 4,
    SHORT_NAME = 3,
    OPENING_WORDS = 3,
};

#define HASH_START 2166136261u /* FNV-1a */

struct candidates {
    const struct question *question;
    struct word_table *words;
    struct buffer folded;
    struct candidate *items;
    size_t count, capacity;
    struct passage_view views[PASSAGES_MAX];
    size_t view_count;
    unsigned documents;
    float weights[TERMS_MAX];
    struct slice found[TERMS_MAX];
    uint64_t leaning, pointing; /* the sets' bits */
    term_set capitals, small;   /* short terms met as names ("Go") and as words ("go") */
    term_set names_only;        /* of which only the names count */
};

/* What a scan of one stretch of text saw. */
struct scan {
    term_set strong, weak, denied;
    uint64_t words_seen[4];
    uint64_t hash;
    unsigned words, content; /* content: long words, which say something */
    bool number, year;
    unsigned term_at; /* words before the first term */
    struct slice text, folded;
    struct slice first;
    struct slice recent[NEGATION_REACH];
    unsigned *stops; /* short words of each language, or NULL: not counted */
    unsigned sampled;
};

struct candidates *candidates_new(void)
{
    struct candidates *candidates = xcalloc(1, sizeof *candidates);
    candidates->words = word_table_new();
    return candidates;
}

void candidates_destroy(struct candidates **candidates)
{
    if (!*candidates) return;
    word_table_destroy(&(*candidates)->words);
    buffer_free(&(*candidates)->folded);
    free((*candidates)->items);
    free(*candidates);
    *candidates = NULL;
}

/* --- words --- */

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
    for (size_t i = 0; i < LANGUAGES_SEEN; i++) scan->stops[i] += stop_in >> i & 1;
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
static term_set without_namesakes(struct candidates *candidates, const struct scan *scan,
                                  struct slice raw, term_set terms)
{
    if (raw.len > SHORT_NAME) return terms;
    bool capital = isupper((unsigned char)raw.ptr[0]);
    if (capital && scan->words) candidates->capitals |= terms;
    if (!capital) candidates->small |= terms;
    return capital ? terms : terms & ~candidates->names_only;
}

static void note_term(struct candidates *candidates, struct scan *scan, struct slice word,
                      const struct word_entry *entry)
{
    struct slice raw = raw_word(scan, word);
    term_set strong = without_namesakes(candidates, scan, raw, entry->strong);
    if (!(scan->strong | scan->weak)) scan->term_at = scan->words;
    scan->strong |= strong;
    scan->weak |= entry->weak;
    if (is_denied(scan)) scan->denied |= strong | entry->weak;
    for (term_set set = strong; set; set &= set - 1) {
        struct slice *found = &candidates->found[__builtin_ctz(set)];
        if (!found->len) *found = raw;
    }
}

static void scan_word(struct candidates *candidates, struct scan *scan, struct slice word,
                      uint32_t hash)
{
    struct word_entry *entry = word_table_find(candidates->words, word, hash);
    if (!scan->words) scan->first = word;
    if (scan->stops) sample_language(scan, entry);
    if (entry->strong | entry->weak) note_term(candidates, scan, word, entry);
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
static void scan_parts(struct candidates *candidates, struct scan *scan, struct slice word)
{
    struct slice part = {word.ptr, 0};
    for (size_t i = 0; i <= word.len; i++) {
        if (i < word.len && word.ptr[i] != '_') continue;
        part.len = (size_t)(word.ptr + i - part.ptr);
        if (part.len) scan_word(candidates, scan, part, hash_word(part));
        part.ptr = word.ptr + i + 1;
    }
}

/* Takes the word at `at`, and returns where it ends. */
static const char *take_word(struct candidates *candidates, struct scan *scan, const char *at,
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
    scan_word(candidates, scan, word, hash);
    if (parts) scan_parts(candidates, scan, word);
    return at;
}

/* Folds `text` into the buffer, which has room and so does not move, and scans its words. */
static void scan_text(struct candidates *candidates, struct slice text, struct scan *scan)
{
    size_t from = candidates->folded.len;
    text_fold(text, &candidates->folded);
    scan->text = text;
    scan->folded = (struct slice){candidates->folded.data + from, candidates->folded.len - from};
    const char *at = scan->folded.ptr, *end = at + scan->folded.len;
    while (at < end) {
        unsigned char class = byte_classes[(unsigned char)*at];
        if (class == LETTER || class == UNDERSCORE)
            at = take_word(candidates, scan, at, end);
        else
            at += MIN((size_t) class, (size_t)(end - at));
    }
}

static struct scan scan_of(struct candidates *candidates, struct slice text)
{
    struct scan scan = {0};
    if (text.len) scan_text(candidates, text, &scan);
    return scan;
}

/* --- sentences --- */

/* The terms of the headings that a sentence stands under: one slot a level. */
struct sections {
    term_set levels[LEVELS];
    bool about; /* the last one says what is asked about, and hardly more */
};

static term_set sections_terms(const struct sections *sections)
{
    term_set terms = 0;
    for (size_t i = 0; i < LEVELS; i++) terms |= sections->levels[i];
    return terms;
}

static void sections_open(struct sections *sections, unsigned level, const struct scan *heading)
{
    term_set terms = heading->strong | heading->weak;
    unsigned count = (unsigned)__builtin_popcount(terms);
    size_t slot = level ? level - 1 : LEVELS - 1;
    for (size_t i = slot; i < LEVELS; i++) sections->levels[i] = 0;
    sections->levels[slot] = terms;
    sections->about = count && heading->content <= count + (count > 1);
}

/* "Install > Linux": the passage's own path, a level for each part. */
static void sections_start(struct candidates *candidates, struct sections *sections,
                           struct slice path)
{
    for (unsigned level = 1; path.len && level < LEVELS; level++) {
        const char *mark = memmem(path.ptr, path.len, " > ", 3);
        struct slice part = {path.ptr, mark ? (size_t)(mark - path.ptr) : path.len};
        struct scan scan = scan_of(candidates, part);
        sections_open(sections, level, &scan);
        size_t used = MIN(part.len + 3, path.len);
        path = (struct slice){path.ptr + used, path.len - used};
    }
}

static bool starts_lower(struct slice text)
{
    return text.len && islower((unsigned char)text.ptr[0]);
}

/* True when another passage of the document has given what stands there. */
static bool is_given(const struct candidates *candidates, const struct passage_view *view,
                     size_t at)
{
    for (const struct passage_view *other = candidates->views; other < view; other++) {
        const struct passage *passage = other->passage;
        if (other->document == view->document && at >= passage->start &&
            at < passage->start + passage->text.len && other->end > other->first)
            return true;
    }
    return false;
}

/* What the first word says; asked only of those that may be chosen. */
static void judge_first_word(const struct candidates *candidates, struct slice first,
                             struct candidate *candidate)
{
    uint64_t sets = language_word_sets(candidates->question->language, first);
    candidate->leans = sets & candidates->leaning;
    candidate->points = sets & candidates->pointing;
}

static void add_candidate(struct candidates *candidates, const struct passage_view *view,
                          const struct sentence *sentence, const struct scan *scan,
                          const struct sections *sections)
{
    term_set section = sections_terms(sections);
    const struct passage *passage = view->passage;
    size_t at = (size_t)(sentence->text.ptr - passage->text.ptr);
    candidates->items = xgrow(candidates->items, &candidates->capacity, candidates->count + 1,
                              sizeof *candidates->items);
    struct candidate *candidate = &candidates->items[candidates->count++];
    *candidate = (struct candidate){
        .sentence = *sentence,
        .passage = (unsigned)(view - candidates->views),
        .at = passage->start + at,
        .strong = scan->strong,
        .weak = scan->weak & ~scan->strong,
        .section = section,
        .headed = sections->about,
        .denied = scan->denied,
        .hash = scan->hash,
        .words = scan->words,
        .number = scan->number,
        .year = scan->year,

        .opens = (scan->strong | scan->weak) && scan->term_at < OPENING_WORDS,
        .overlaps = is_given(candidates, view, passage->start + at),
        .fragment = at == 0 && passage->start > 0 && starts_lower(sentence->text) &&
                    sentence->kind == SENTENCE_PROSE,
    };
    if (scan->strong | scan->weak | section | view->title)
        judge_first_word(candidates, scan->first, candidate);
    memcpy(candidate->words_seen, scan->words_seen, sizeof candidate->words_seen);
}

/* The first of several rows names the columns. */
static void mark_headers(struct candidates *candidates, const struct passage_view *view)
{
    for (size_t i = view->first; i + 1 < candidates->count; i++) {
        struct candidate *candidate = &candidates->items[i];
        candidate->header = candidate->sentence.kind == SENTENCE_ROW &&
                            candidate[1].sentence.kind == SENTENCE_ROW &&
                            (i == view->first || candidate[-1].sentence.kind != SENTENCE_ROW);
    }
}

static void read_sentences(struct candidates *candidates, struct passage_view *view,
                           unsigned *stops)
{
    struct slice text = view->passage->text;
    text.len = text_cut(text, PASSAGE_TEXT_MAX);
    struct sentence_reader reader = {.text = text};
    struct sentence sentence;
    struct sections sections = {0};
    sections_start(candidates, &sections, view->passage->heading);
    while (candidates->count < CANDIDATES_MAX && sentence_next(&reader, &sentence)) {
        struct scan scan = {.stops = stops};
        scan_text(candidates, sentence.text, &scan);
        view->body |= scan.strong | scan.weak;
        if (sentence.kind == SENTENCE_HEADING)
            sections_open(&sections, sentence.level, &scan);
        else if (scan.words)
            add_candidate(candidates, view, &sentence, &scan, &sections);
    }
}

/* True when another language's short words are clearly more. */
static bool is_foreign(const struct question *question, const unsigned *stops)
{
    const struct language *language;
    unsigned own = 0, other = 0;
    for (size_t i = 0; i < LANGUAGES_SEEN && (language = language_at(i)); i++)
        if (language == question->language)
            own = stops[i];
        else
            other = MAX(other, stops[i]);
    return other > own + 1;
}

/* True when the title is made of the question's terms and hardly more. */
static bool is_about(const struct passage_view *view)
{
    struct slice title = view->passage->title;
    unsigned words = 1;
    for (size_t i = 0; i < title.len; i++) words += title.ptr[i] == ' ';
    return view->title && words <= (unsigned)__builtin_popcount(view->title) + 1;
}

static unsigned document_of(struct candidates *candidates, const struct passage *passage)
{
    for (size_t i = 0; i < candidates->view_count; i++) {
        const struct passage_view *view = &candidates->views[i];
        if (view->passage->document_id == passage->document_id &&
            (passage->document_id || slice_equal(view->passage->title, passage->title)))
            return view->document;
    }
    return candidates->documents++;
}

static void read_passage(struct candidates *candidates, const struct passage *passage)
{
    unsigned stops[LANGUAGES_SEEN] = {0};
    unsigned document = document_of(candidates, passage);
    struct scan title = scan_of(candidates, passage->title);
    struct passage_view *view = &candidates->views[candidates->view_count++];
    *view =
        (struct passage_view){.passage = passage, .document = document, .first = candidates->count};
    view->title = title.strong | title.weak;
    read_sentences(candidates, view, stops);
    view->end = candidates->count;
    mark_headers(candidates, view);
    view->about = is_about(view);
    view->foreign = is_foreign(candidates->question, stops);
}

/* --- the whole context --- */

/* How many passages fit, and room to fold them without the buffer moving. */
static size_t make_room(struct candidates *candidates, const struct list *passages)
{
    const struct passage *items = passages->items;
    size_t count = 0, bytes = 0, surroundings = 0;
    while (count < MIN(passages->count, (size_t)PASSAGES_MAX) && bytes < CONTEXT_TEXT_MAX) {
        bytes += MIN(items[count].text.len, (size_t)PASSAGE_TEXT_MAX);
        surroundings += items[count].title.len + items[count].heading.len;
        count++;
    }
    candidates->folded.len = 0;
    buffer_reserve(&candidates->folded, 2 * (bytes + surroundings) + 64);
    return count;
}

static void read_passages(struct candidates *candidates, const struct list *passages)
{
    size_t count = make_room(candidates, passages);
    candidates->count = candidates->view_count = candidates->documents = 0;
    for (size_t i = 0; i < count; i++)
        read_passage(candidates, &((const struct passage *)passages->items)[i]);
}

static term_set terms_met(const struct candidates *candidates)
{
    term_set met = 0;
    for (size_t i = 0; i < candidates->view_count; i++)
        met |= candidates->views[i].title | candidates->views[i].body;
    for (size_t i = 0; i < candidates->count; i++) met |= candidates->items[i].section;
    return met;
}

/* The passages were brought for the question's words, so that what it is about is frequent in them:
 * rarity counts a little only. */
static const float rarity_counts = 0.25f, missing_weight = 2.6f;

static void weigh_terms(struct candidates *candidates)
{
    float all = (float)candidates->count;
    for (size_t term = 0; term < candidates->question->count; term++) {
        term_set bit = (term_set)1 << term;
        unsigned holders = 0;
        for (size_t i = 0; i < candidates->count; i++)
            holders += ((candidates->items[i].strong | candidates->items[i].weak) & bit) != 0;
        float with = (float)holders, rarity = logf(1 + (all - with + 0.5f) / (with + 0.5f));
        candidates->weights[term] = holders ? 1 + rarity_counts * rarity : missing_weight;
    }
}

void candidates_read(struct candidates *candidates, const struct question *question,
                     const struct list *passages, struct stemmer *stemmer)
{
    term_set all = question->count ? (term_set)-1 >> (32 - question->count) : 0;
    candidates->question = question;
    candidates->leaning = language_set(question->language, "leaning");
    candidates->pointing = language_set(question->language, "pointing");
    candidates->capitals = candidates->small = candidates->names_only = 0;
    memset(candidates->found, 0, sizeof candidates->found);
    word_table_start(candidates->words, question, stemmer);
    read_passages(candidates, passages);
    term_set missing = all & ~terms_met(candidates);
    candidates->names_only = candidates->capitals & candidates->small;
    if (candidates->names_only || (missing && word_table_mend(candidates->words, missing)))
        read_passages(candidates, passages);
    weigh_terms(candidates);
}

struct candidate *candidates_items(const struct candidates *candidates, size_t *count)
{
    *count = candidates->count;
    return candidates->items;
}

const struct passage_view *candidates_views(const struct candidates *candidates, size_t *count)
{
    *count = candidates->view_count;
    return candidates->views;
}

unsigned candidates_documents(const struct candidates *candidates)
{
    return candidates->documents;
}

float candidates_weight(const struct candidates *candidates, size_t term)
{
    return candidates->weights[term];
}

struct slice candidates_found(const struct candidates *candidates, size_t term)
{
    return candidates->found[term];
}
