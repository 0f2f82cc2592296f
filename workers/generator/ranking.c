#include "workers/generator/ranking.h"

#include <ctype.h>

/* How much a term counts by where it is met. */
static const float in_strong = 1.0f, in_weak = 0.7f, in_section = 0.6f, in_title = 0.5f,
                   in_own_title = 0.75f, in_body = 0.1f, in_denied = 0.3f;

/* How much a term counts by what it is. */
static const float of_document = 0.4f, of_frequent = 0.6f, of_earlier = 0.5f;

/* The share of the question that a document must hold, by the number of its own specific terms: a
 * long question may be worded unlike the text, a short one may not. */
static const float share_needed[] = {0, 0.5f, 0.4f, 0.34f, 0.22f};

enum {
    LONG_WORDS = 28,
    SHORT_WORDS = 5,
    LEAD_SENTENCES = 2,
    SYNOPSIS_BRACKETS = 5,
    BEGINNING_BYTES = 64
};

static const float repeats_at = 0.75f; /* likeness of two sentences that say the same */
static const float gain_most = 0.25f;  /* for all terms, none of which was there before */

/* --- terms --- */

static void weigh(struct ranking *ranking, const struct candidates *candidates)
{
    const struct question *question = ranking->question;
    for (size_t i = 0; i < question->count; i++) {
        const struct term *term = &question->terms[i];
        term_set bit = (term_set)1 << i;
        if (term->earlier) continue;
        ranking->own |= bit;
        if (!term->thing) ranking->specific |= bit;
        if (term->document) ranking->documents |= bit;
    }
    if (question->shape == QUESTION_LIST || ranking->own & ~ranking->documents)
        ranking->own &= ~ranking->documents;
    for (size_t i = 0; i < question->count; i++) {
        const struct term *term = &question->terms[i];
        float weight = candidates_weight(candidates, i);
        if (term->frequent && !term->name) weight *= of_frequent;
        if (term->document || term->relating) weight *= of_document;
        if (term->earlier) weight *= of_earlier;
        ranking->weights[i] = weight;
    }
}

static float weight_of(const struct ranking *ranking, term_set terms)
{
    float sum = 0;
    for (; terms; terms &= terms - 1) sum += ranking->weights[__builtin_ctz(terms)];
    return sum;
}

/* --- scores --- */

static float score_terms(const struct ranking *ranking, const struct candidate *candidate)
{
    const struct passage_view *view = &ranking->views[candidate->passage];
    const struct {
        term_set terms;
        float counts;
    } places[] = {
        {candidate->denied, in_denied},
        {candidate->strong, in_strong},
        {candidate->weak, in_weak},
        {candidate->section, in_section},
        {view->title, view->about ? in_own_title : in_title},
        {view->body, in_body},
    };
    term_set left = ranking->counted;
    float sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        sum += places[i].counts * weight_of(ranking, places[i].terms & left);
        left &= ~places[i].terms;
    }
    return sum / ranking->total;
}

static bool starts_with(struct slice text, struct slice prefix)
{
    if (!prefix.len || text.len < prefix.len) return false;
    bool may = ((text.ptr[0] ^ prefix.ptr[0]) & ~('a' ^ 'A')) == 0; /* mostly false */
    return may && !strncasecmp(text.ptr, prefix.ptr, prefix.len);
}

/* True for what the question names, and for the documents' own names. */
static bool is_known(const struct ranking *ranking, struct slice rest)
{
    for (size_t i = 0; i < ranking->question->count; i++)
        if (starts_with(rest, term_word(&ranking->question->terms[i]))) return true;
    for (size_t i = 0; i < ranking->view_count; i++)
        if (starts_with(rest, ranking->views[i].passage->title)) return true;
    return false;
}

/* The length of a word like "Ana" that is news; 0 for "MIT", "TypeScript". */
static size_t name_length(const struct ranking *ranking, struct slice rest)
{
    size_t len = 1;
    if (!rest.len || !isupper((unsigned char)rest.ptr[0]) || is_known(ranking, rest)) return 0;
    while (len < rest.len && (islower((unsigned char)rest.ptr[len]) || rest.ptr[len] & 0x80)) len++;
    bool whole = len == rest.len || !isalnum((unsigned char)rest.ptr[len]);
    return len > 1 && whole ? len : 0;
}

/* How many names a sentence has, where a person or a place is asked for; "Ana Ferreira" is one. A
 * single word at the sentence's start is none. */
static unsigned count_names(const struct ranking *ranking, struct slice text)
{
    unsigned names = 0;
    for (size_t at = 0; at < text.len; at++) {
        size_t start = at, words = 0, len;
        if (at > 0 && text.ptr[at - 1] != ' ') continue;
        while ((len = name_length(ranking, (struct slice){text.ptr + at, text.len - at}))) {
            words++;
            at += len;
            if (at == text.len || text.ptr[at] != ' ') break;
            at++;
        }
        names += words > 1 || (words == 1 && start > 0 && ranking->question->wants & WANTS_PLACE);
    }
    return names;
}

static float score_wants(const struct ranking *ranking, const struct candidate *candidate)
{
    unsigned names = ranking->question->wants & (WANTS_PERSON | WANTS_PLACE)
                         ? count_names(ranking, candidate->sentence.text)
                         : 0;
    const struct {
        unsigned want;
        bool met;
    } wants[] = {
        {WANTS_TIME, candidate->year},
        {WANTS_NUMBER, candidate->number},
        {WANTS_PERSON, names >= 1},
        {WANTS_PLACE, names >= 1},
    };
    float factor = 1;
    for (size_t i = 0; i < ARRAY_LEN(wants); i++)
        if (ranking->question->wants & wants[i].want) factor *= wants[i].met ? 1.4f : 0.7f;
    return factor;
}

static bool ends_with(struct slice text, char c)
{
    return text.len && text.ptr[text.len - 1] == c;
}

/* "TRUNCATE [ TABLE ] [ ONLY ] name": a grammar, not a sentence. */
static bool is_synopsis(struct slice text)
{
    static const bool is_bracket[256] = {['['] = true, [']'] = true, ['{'] = true, ['}'] = true,
                                         ['<'] = true, ['>'] = true, ['|'] = true};
    size_t brackets = 0;
    for (size_t i = 0; i < text.len && brackets < SYNOPSIS_BRACKETS; i++)
        brackets += is_bracket[(unsigned char)text.ptr[i]];
    return brackets == SYNOPSIS_BRACKETS;
}

static float score_form(const struct candidate *candidate)
{
    static const float kinds[] = {[SENTENCE_PROSE] = 1,
                                  [SENTENCE_ITEM] = 0.92f,
                                  [SENTENCE_ROW] = 0.65f,
                                  [SENTENCE_CODE] = 0.5f,
                                  [SENTENCE_HEADING] = 0};
    float factor = kinds[candidate->sentence.kind];
    if (candidate->words > LONG_WORDS)
        factor /= 1 + 0.3f * (float)(candidate->words - LONG_WORDS) / LONG_WORDS;
    if (candidate->words < SHORT_WORDS && candidate->sentence.kind == SENTENCE_PROSE)
        factor *= 0.7f;
    if (candidate->leans) factor *= 0.88f;
    if (candidate->fragment || candidate->points) factor *= 0.6f;
    if (candidate->header) factor *= 0.2f;
    if (candidate->sentence.text.ptr[0] == '(') factor *= 0.7f;
    if (is_synopsis(candidate->sentence.text)) factor *= 0.5f;
    if (ends_with(candidate->sentence.text, '?')) factor *= 0.5f;
    if (ends_with(candidate->sentence.text, ':')) factor *= 0.85f;
    return factor;
}

bool passage_begins_document(const struct passage *passage)
{
    return passage->start < BEGINNING_BYTES;
}

/* True for the sentences that a document begins with. */
static bool leads(const struct ranking *ranking, const struct candidate *candidate)
{
    const struct passage_view *view = &ranking->views[candidate->passage];
    return passage_begins_document(view->passage) && candidate->sentence.kind == SENTENCE_PROSE &&
           candidate < ranking->items + view->first + LEAD_SENTENCES;
}

/* The first sentence of a document or a section says what it is about. */
static float score_place(const struct ranking *ranking, const struct candidate *candidate)
{
    const struct passage_view *view = &ranking->views[candidate->passage];
    bool definition = ranking->question->definition;
    float factor = view->about ? 1.25f : 1;
    if (candidate->headed) factor *= 1.2f;
    if (leads(ranking, candidate)) factor *= definition && view->title ? 1.5f : 1.1f;
    if (definition && candidate->opens) factor *= 1.3f;
    return factor;
}

static float score_passage(const struct ranking *ranking, const struct candidate *candidate)
{
    const struct passage_view *view = &ranking->views[candidate->passage];
    double score = view->passage->score;
    float factor = view->foreign ? 0.75f : 1;
    if (ranking->score_most > 0 && score >= 0)
        return factor * (0.6f + 0.4f * (float)score / ranking->score_most);
    return factor * (1 - 0.4f * (float)candidate->passage / PASSAGES_MAX);
}

static float score(const struct ranking *ranking, const struct candidate *candidate)
{
    const struct passage_view *view = &ranking->views[candidate->passage];
    term_set here = candidate->strong | candidate->weak | candidate->section;
    if (!((here | view->title) & (ranking->own ? ranking->own : (term_set)-1))) return 0;
    return score_terms(ranking, candidate) * score_wants(ranking, candidate) *
           score_form(candidate) * score_place(ranking, candidate) *
           score_passage(ranking, candidate);
}

static void score_all(struct ranking *ranking, term_set own, term_set counted)
{
    ranking->own = own;
    ranking->counted = counted;
    ranking->total = weight_of(ranking, own);
    for (size_t i = 0; i < ranking->count; i++)
        ranking->items[i].score = ranking->total > 0 ? score(ranking, &ranking->items[i]) : 0;
}

void ranking_start(struct ranking *ranking, const struct question *question,
                   const struct candidates *candidates)
{
    *ranking = (struct ranking){.question = question, .candidates = candidates};
    ranking->items = candidates_items(candidates, &ranking->count);
    ranking->views = candidates_views(candidates, &ranking->view_count);
    for (size_t i = 0; i < ranking->view_count; i++)
        ranking->score_most = MAX(ranking->score_most, (float)ranking->views[i].passage->score);
    weigh(ranking, candidates);
    score_all(ranking, ranking->own, (term_set)-1);
}

void ranking_focus(struct ranking *ranking, term_set terms)
{
    score_all(ranking, terms, terms);
}

/* --- what is there at all --- */

float ranking_share(const struct ranking *ranking, term_set terms, unsigned document)
{
    term_set met = 0;
    float all = weight_of(ranking, terms);
    for (size_t i = 0; i < ranking->view_count; i++)
        if (ranking->views[i].document == document)
            met |= ranking->views[i].title | ranking->views[i].body;
    for (size_t i = 0; i < ranking->count; i++)
        if (ranking_view(ranking, i)->document == document) met |= ranking->items[i].section;
    return all > 0 ? weight_of(ranking, met & terms) / all : 0;
}

bool ranking_answers(const struct ranking *ranking)
{
    if (!ranking->own) return ranking->question->shape == QUESTION_LIST && ranking->count;
    size_t specific = (size_t)__builtin_popcount(ranking->specific);
    float needed = share_needed[MIN(specific, ARRAY_LEN(share_needed) - 1)], most = 0, named = 0;
    for (size_t i = 0; i < ranking->view_count; i++) {
        unsigned document = ranking->views[i].document;
        most = MAX(most, ranking_share(ranking, ranking->own, document));
        named = MAX(named, ranking_share(ranking, ranking->specific, document));
    }
    return most > 0 && most >= needed && (named > 0 || !ranking->specific);
}

/* --- the choice --- */

static float likeness(const struct signature *a, const struct signature *b)
{
    unsigned both = 0, either = 0;
    for (size_t i = 0; i < ARRAY_LEN(a->words_seen); i++) {
        both += (unsigned)__builtin_popcountll(a->words_seen[i] & b->words_seen[i]);
        either += (unsigned)__builtin_popcountll(a->words_seen[i] | b->words_seen[i]);
    }
    return either ? (float)both / (float)either : 0;
}

static float likeness_most(const struct ranking *ranking, const struct choice *choice, size_t item)
{
    if (!choice->count) return 0;
    const struct signature *own = &candidates_sign(ranking->candidates, item)->signature;
    float most = 0;
    for (size_t i = 0; i < choice->count; i++) {
        const struct signature *chosen =
            &candidates_sign(ranking->candidates, choice->items[i])->signature;
        if (chosen->hash == own->hash) return 1;
        most = MAX(most, likeness(chosen, own));
    }
    return most;
}

bool ranking_repeats(const struct ranking *ranking, const struct choice *choice, size_t item)
{
    return likeness_most(ranking, choice, item) >= repeats_at;
}

/* The terms that a candidate has in itself, its headings or its title. */
static term_set met_by(const struct ranking *ranking, size_t item)
{
    const struct candidate *candidate = &ranking->items[item];
    return ((candidate->strong | candidate->weak) & ~candidate->denied) | candidate->section |
           ranking_view(ranking, item)->title;
}

static bool is_wanted(const struct ranking *ranking, const struct wanted *wanted, size_t item)
{
    const struct candidate *candidate = &ranking->items[item];
    if (candidate->score <= 0 || candidate->overlaps) return false;
    if (wanted->document != ANY_DOCUMENT &&
        wanted->document != ranking_view(ranking, item)->document)
        return false;
    return !wanted->terms || met_by(ranking, item) & wanted->terms;
}

/* True when a candidate has much less of the question than the first one chosen: Brasa was asked
 * about, and this speaks of another project's licence. */
static bool is_beside_the_point(const struct ranking *ranking, float least_terms, size_t first,
                                size_t item)
{
    term_set asked = ranking->own;
    return weight_of(ranking, met_by(ranking, item) & asked) <
           least_terms * weight_of(ranking, met_by(ranking, first) & asked);
}

static term_set covered(const struct ranking *ranking, const struct choice *choice)
{
    term_set terms = 0;
    for (size_t i = 0; i < choice->count; i++)
        terms |= ranking->items[choice->items[i]].strong | ranking->items[choice->items[i]].weak;
    return terms;
}

/* A candidate's worth beside those chosen before: less what it repeats, more for terms that none of
 * them has. */
static float worth(const struct ranking *ranking, const struct choice *choice, term_set seen,
                   size_t item)
{
    const struct candidate *candidate = &ranking->items[item];
    float like = likeness_most(ranking, choice, item);
    term_set fresh =
        (candidate->strong | candidate->weak) & ~candidate->denied & ~seen & ranking->counted;
    if (like >= repeats_at) return 0;
    float gain = choice->count ? gain_most * weight_of(ranking, fresh) / ranking->total : 0;
    return candidate->score * (1 - 0.6f * like) + gain;
}

/* True when one of those chosen from `from` on is of the item's document. */
static bool has_document(const struct ranking *ranking, const struct choice *choice, size_t from,
                         size_t item)
{
    for (; from < choice->count; from++)
        if (ranking_view(ranking, choice->items[from])->document ==
            ranking_view(ranking, item)->document)
            return true;
    return false;
}

void ranking_choose(const struct ranking *ranking, const struct wanted *wanted,
                    struct choice *choice)
{
    size_t before = choice->count;
    float first = 0;
    while (choice->count - before < wanted->most && choice->count < CHOICE_MAX) {
        term_set seen = covered(ranking, choice);
        size_t best = ranking->count;
        float most = 0;
        for (size_t i = 0; i < ranking->count; i++) {
            if (ranking->items[i].score + gain_most <= most) continue; /* cannot be worth more */
            if (!is_wanted(ranking, wanted, i)) continue;
            if (choice->count > before &&
                is_beside_the_point(ranking, wanted->least_terms, choice->items[before], i))
                continue;
            float value = worth(ranking, choice, seen, i);
            if (wanted->spread && has_document(ranking, choice, before, i)) value *= 0.6f;
            if (value > most) most = value, best = i;
        }
        if (best == ranking->count || most < first * wanted->least_share) return;
        if (choice->count == before) first = most;
        choice->items[choice->count++] = best;
    }
}

unsigned ranking_document_about(const struct ranking *ranking, term_set terms)
{
    for (size_t i = 0; i < ranking->view_count; i++)
        if (ranking->views[i].about && (ranking->views[i].title & terms) == terms)
            return ranking->views[i].document;
    return ANY_DOCUMENT;
}
