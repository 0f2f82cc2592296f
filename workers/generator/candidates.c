#include "workers/generator/candidates.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

enum {
    LEVELS = 7, /* of headings; the last is for bare lines */
    OPENING_WORDS = 3,
    SURROUNDING_MAX = 512, /* bytes of a title or a path of headings that are read */
};

struct candidates {
    const struct question *question;
    struct scanner scanner;
    struct candidate *items;
    size_t count, capacity;
    struct passage_view views[PASSAGES_MAX];
    size_t view_count;
    unsigned documents;
    float weights[TERMS_MAX];
    uint64_t leaning, pointing; /* the sets' bits */
};

struct candidates *candidates_new(void)
{
    return xcalloc(1, sizeof(struct candidates));
}

void candidates_destroy(struct candidates **candidates)
{
    if (!*candidates) return;
    scanner_free(&(*candidates)->scanner);
    free((*candidates)->items);
    free(*candidates);
    *candidates = NULL;
}

static struct scan scan_of(struct candidates *candidates, struct slice text)
{
    struct scan scan = {0};
    text.len = text_cut(text, SURROUNDING_MAX);
    if (text.len) scanner_read(&candidates->scanner, text, &scan);
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

/* What its first word and its place tell; asked only of those that may be chosen. */
static void judge(const struct candidates *candidates, const struct passage_view *view,
                  const struct scan *scan, struct candidate *candidate)
{
    const struct sentence *sentence = &candidate->sentence;
    uint64_t sets = language_word_sets(candidates->question->language, scan->first);
    bool cut = candidate->at == view->passage->start && candidate->at > 0;
    candidate->leans = sets & candidates->leaning;
    candidate->points = sets & candidates->pointing;
    candidate->opens = (scan->strong | scan->weak) && scan->term_at < OPENING_WORDS;
    candidate->overlaps = is_given(candidates, view, candidate->at);
    candidate->fragment = cut && starts_lower(sentence->text) && sentence->kind == SENTENCE_PROSE;
}

static struct candidate *next_candidate(struct candidates *candidates)
{
    candidates->items = xgrow(candidates->items, &candidates->capacity, candidates->count + 1,
                              sizeof *candidates->items);
    return &candidates->items[candidates->count++];
}

static void add_candidate(struct candidates *candidates, const struct passage_view *view,
                          const struct sentence *sentence, const struct scan *scan,
                          const struct sections *sections)
{
    struct candidate *candidate = next_candidate(candidates);
    *candidate = (struct candidate){
        .sentence = *sentence,
        .passage = (unsigned)(view - candidates->views),
        .at = view->passage->start + (size_t)(sentence->text.ptr - view->passage->text.ptr),
        .strong = scan->strong,
        .weak = scan->weak & ~scan->strong,
        .section = sections_terms(sections),
        .headed = sections->about,
        .denied = scan->denied,
        .hash = scan->hash,
        .words = scan->words,
        .number = scan->number,
        .year = scan->year,
    };
    memcpy(candidate->words_seen, scan->words_seen, sizeof candidate->words_seen);
    if (candidate->strong | candidate->weak | candidate->section | view->title)
        judge(candidates, view, scan, candidate);
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
        scanner_read(&candidates->scanner, sentence.text, &scan);
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
    for (size_t i = 0; i < SCAN_LANGUAGES && (language = language_at(i)); i++)
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
    unsigned stops[SCAN_LANGUAGES] = {0};
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

/* How many passages fit, with room to read them. */
static size_t make_room(struct candidates *candidates, const struct list *passages)
{
    const struct passage *items = passages->items;
    size_t count = 0, bytes = 0;
    for (; count < MIN(passages->count, (size_t)PASSAGES_MAX) && bytes < CONTEXT_TEXT_MAX; count++)
        bytes += MIN(items[count].text.len, (size_t)PASSAGE_TEXT_MAX) + 2 * SURROUNDING_MAX;
    scanner_rewind(&candidates->scanner, bytes);
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
    scanner_start(&candidates->scanner, question, stemmer);
    read_passages(candidates, passages);
    if (scanner_revise(&candidates->scanner, all & ~terms_met(candidates)))
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
    return candidates->scanner.found[term];
}
