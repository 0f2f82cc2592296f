#include "workers/generator/candidates.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

enum {
    LEVELS = 7, /* of headings; the last is for bare lines */
    OPENING_WORDS = 3,
    SURROUNDING_MAX = 512, /* bytes of a title or a path of headings that are read */
};

/* A sentence of a passage, or a heading in it. */
struct piece {
    struct sentence sentence;
    struct stretch stretch;
};

/* A passage cut up. */
struct cut {
    struct stretch title;
    struct stretch path[LEVELS - 1]; /* "Install > Linux": a level for each part */
    unsigned path_count;
    size_t piece_end; /* the next passage's first piece */
};

struct candidates {
    const struct question *question;
    struct scanner scanner;
    struct piece *pieces; /* of all passages; they do not move once all are cut */
    size_t piece_count, piece_capacity;
    struct cut cuts[PASSAGES_MAX];
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
    free((*candidates)->pieces);
    free((*candidates)->items);
    free(*candidates);
    *candidates = NULL;
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

static void sections_open(struct sections *sections, unsigned level, term_set terms,
                          unsigned content)
{
    unsigned count = (unsigned)__builtin_popcount(terms);
    size_t slot = level ? level - 1 : LEVELS - 1;
    for (size_t i = slot; i < LEVELS; i++) sections->levels[i] = 0;
    sections->levels[slot] = terms;
    sections->about = count && content <= count + (count > 1);
}

/* The passage's own path of headings. */
static void sections_start(struct candidates *candidates, struct sections *sections,
                           const struct cut *cut)
{
    for (unsigned i = 0; i < cut->path_count; i++) {
        struct scan scan = scanner_scan(&candidates->scanner, &cut->path[i]);
        sections_open(sections, i + 1, scan.strong | scan.weak,
                      scanner_content(&candidates->scanner, &cut->path[i]));
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
    struct slice first = scanner_first(&candidates->scanner, candidate->stretch);
    uint64_t sets = language_word_sets(candidates->question->language, first);
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
                          const struct piece *piece, const struct scan *scan,
                          const struct sections *sections)
{
    const struct sentence *sentence = &piece->sentence;
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
        .stretch = &piece->stretch,
        .words = (unsigned)piece->stretch.count,
        .number = piece->stretch.number,
        .year = piece->stretch.year,
    };
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

static void add_votes(unsigned *stops, uint64_t votes)
{
    for (size_t i = 0; votes; i++, votes >>= 8) stops[i] += votes & 0xFF;
}

static void read_pieces(struct candidates *candidates, struct passage_view *view, unsigned *stops)
{
    const struct cut *cut = &candidates->cuts[view - candidates->views];
    size_t at = cut > candidates->cuts ? cut[-1].piece_end : 0;
    struct sections sections = {0};
    sections_start(candidates, &sections, cut);
    for (; at < cut->piece_end && candidates->count < CANDIDATES_MAX; at++) {
        const struct piece *piece = &candidates->pieces[at];
        struct scan scan = scanner_scan(&candidates->scanner, &piece->stretch);
        add_votes(stops, piece->stretch.votes);
        view->body |= scan.strong | scan.weak;
        if (piece->sentence.kind == SENTENCE_HEADING)
            sections_open(&sections, piece->sentence.level, scan.strong | scan.weak,
                          scanner_content(&candidates->scanner, &piece->stretch));
        else if (piece->stretch.count)
            add_candidate(candidates, view, piece, &scan, &sections);
    }
}

/* True when another language's short words are clearly more. */
static bool is_foreign(const struct question *question, const unsigned *stops)
{
    const struct language *language;
    unsigned own = 0, other = 0;
    for (size_t i = 0; i < VOTE_LANGUAGES && (language = language_at(i)); i++)
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
    unsigned stops[VOTE_LANGUAGES] = {0};
    unsigned document = document_of(candidates, passage);
    const struct cut *cut = &candidates->cuts[candidates->view_count];
    struct scan title = scanner_scan(&candidates->scanner, &cut->title);
    struct passage_view *view = &candidates->views[candidates->view_count++];
    *view =
        (struct passage_view){.passage = passage, .document = document, .first = candidates->count};
    view->title = title.strong | title.weak;
    read_pieces(candidates, view, stops);
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
        bytes += MIN(items[count].text.len, (size_t)PASSAGE_TEXT_MAX) + 4 * SURROUNDING_MAX;
    scanner_rewind(&candidates->scanner, bytes);
    return count;
}

static void cut_surrounding(struct candidates *candidates, struct slice text,
                            struct stretch *stretch)
{
    text.len = text_cut(text, SURROUNDING_MAX);
    scanner_cut(&candidates->scanner, text, stretch);
}

static void cut_path(struct candidates *candidates, struct slice path, struct cut *cut)
{
    for (cut->path_count = 0; path.len && cut->path_count < LEVELS - 1; cut->path_count++) {
        const char *mark = memmem(path.ptr, path.len, " > ", 3);
        struct slice part = {path.ptr, mark ? (size_t)(mark - path.ptr) : path.len};
        cut_surrounding(candidates, part, &cut->path[cut->path_count]);
        size_t used = MIN(part.len + 3, path.len);
        path = (struct slice){path.ptr + used, path.len - used};
    }
}

static void cut_text(struct candidates *candidates, struct slice text)
{
    struct sentence_reader reader = {.text = {text.ptr, text_cut(text, PASSAGE_TEXT_MAX)}};
    struct sentence sentence;
    while (sentence_next(&reader, &sentence)) {
        candidates->pieces = xgrow(candidates->pieces, &candidates->piece_capacity,
                                   candidates->piece_count + 1, sizeof *candidates->pieces);
        struct piece *piece = &candidates->pieces[candidates->piece_count++];
        piece->sentence = sentence;
        scanner_cut(&candidates->scanner, sentence.text, &piece->stretch);
    }
}

static void cut_passage(struct candidates *candidates, const struct passage *passage,
                        struct cut *cut)
{
    cut_surrounding(candidates, passage->title, &cut->title);
    cut_path(candidates, passage->heading, cut);
    cut_text(candidates, passage->text);
    cut->piece_end = candidates->piece_count;
}

/* Returns how many there are. */
static size_t cut_passages(struct candidates *candidates, const struct list *passages)
{
    const struct passage *items = passages->items;
    size_t count = make_room(candidates, passages);
    candidates->piece_count = 0;
    for (size_t i = 0; i < count; i++) cut_passage(candidates, &items[i], &candidates->cuts[i]);
    return count;
}

static void read_passages(struct candidates *candidates, const struct passage *passages,
                          size_t count)
{
    candidates->count = candidates->view_count = candidates->documents = 0;
    for (size_t i = 0; i < count; i++) read_passage(candidates, &passages[i]);
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
    size_t count = cut_passages(candidates, passages);
    read_passages(candidates, passages->items, count);
    if (scanner_revise(&candidates->scanner, all & ~terms_met(candidates)))
        read_passages(candidates, passages->items, count);
    weigh_terms(candidates);
}

struct candidate *candidates_items(const struct candidates *candidates, size_t *count)
{
    *count = candidates->count;
    return candidates->items;
}

const struct candidate *candidates_sign(const struct candidates *candidates, size_t item)
{
    struct candidate *candidate = &candidates->items[item];
    if (!candidate->is_signed)
        candidate->signature = scanner_sign(&candidates->scanner, candidate->stretch);
    candidate->is_signed = true;
    return candidate;
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
