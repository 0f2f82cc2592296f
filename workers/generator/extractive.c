#include "workers/generator/extractive.h"

#include <ctype.h>
#include <stdlib.h>

#include "workers/generator/answer_text.h"

enum {
    LANGUAGES_MAX = 32,
    QUOTE_BYTES_MAX = 420,
    BULLET_BYTES_MAX = 320,
    JOINED_BYTES_MAX = 360, /* of a list that is quoted as one */
    FOLLOWERS_MAX = 6,      /* items or lines behind "as follows:" */
    DOCUMENTS_MAX = PASSAGES_MAX,
    FULL_BULLETS_MAX = 4, /* so few documents get two sentences each */
    GROUP_SENTENCES = 3,
};

struct extractive {
    struct candidates *candidates;
    struct stemmer *stemmers[LANGUAGES_MAX]; /* by the language's position, made when needed */
    struct slice message;
    struct question question;
    struct ranking ranking;
    struct answer_text answer;
};

/* How many sentences a level's plain answer has, and how good they must be beside the best. */
static const struct {
    size_t most, least;
    float least_share, least_terms;
    size_t list_bytes; /* of a list that is quoted item by item */
} levels[COMPLEXITY_COUNT] = {
    [COMPLEXITY_TRIVIAL] = {1, 1, 0.8f, 0.8f, 400},
    [COMPLEXITY_SIMPLE] = {2, 1, 0.72f, 0.75f, 400},
    [COMPLEXITY_MEDIUM] = {6, 3, 0.5f, 0.55f, 800},
    [COMPLEXITY_COMPLEX] = {8, 4, 0.45f, 0.55f, 800},
    [COMPLEXITY_COMPREHENSIVE] = {12, 4, 0.4f, 0.5f, 1200},
};

struct extractive *extractive_new(void)
{
    struct extractive *extractive = xcalloc(1, sizeof *extractive);
    extractive->candidates = candidates_new();
    return extractive;
}

void extractive_destroy(struct extractive **extractive)
{
    if (!*extractive) return;
    candidates_destroy(&(*extractive)->candidates);
    for (size_t i = 0; i < LANGUAGES_MAX; i++) stemmer_destroy(&(*extractive)->stemmers[i]);
    answer_free(&(*extractive)->answer);
    free(*extractive);
    *extractive = NULL;
}

static struct stemmer *stemmer_of(struct extractive *extractive, const struct language *language)
{
    size_t i = 0;
    while (i < LANGUAGES_MAX && language_at(i) && language_at(i) != language) i++;
    if (i == LANGUAGES_MAX || !language_at(i)) return NULL;
    if (!extractive->stemmers[i]) extractive->stemmers[i] = stemmer_new(language_stemmer(language));
    return extractive->stemmers[i];
}

static void say(struct extractive *extractive, const char *key)
{
    answer_append(&extractive->answer,
                  slice_of(language_phrase(extractive->question.language, key)));
}

static void introduce(struct extractive *extractive)
{
    say(extractive, "found_intro");
    answer_append(&extractive->answer, SLICE("\n\n"));
    answer_end_piece(&extractive->answer);
}

/* --- choosing: what a sentence brings along --- */

static bool is_chosen(const struct choice *choice, size_t item)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->items[i] == item) return true;
    return false;
}

static void choose_also(const struct ranking *ranking, struct choice *choice, size_t item)
{
    if (choice->count == CHOICE_MAX || is_chosen(choice, item)) return;
    if (!ranking_repeats(ranking, choice, item)) choice->items[choice->count++] = item;
}

static bool is_neighbour(const struct ranking *ranking, size_t item, size_t other)
{
    return other < ranking->count && ranking->items[item].passage == ranking->items[other].passage;
}

static bool ends_with_colon(const struct candidate *candidate)
{
    struct slice text = candidate->sentence.text;
    return text.len && text.ptr[text.len - 1] == ':';
}

static bool in_same_list(const struct ranking *ranking, size_t item, size_t other)
{
    const struct candidate *a = &ranking->items[item], *b = &ranking->items[other];
    return is_neighbour(ranking, item, other) && b->sentence.kind == SENTENCE_ITEM &&
           a->section == b->section;
}

/* The items around one that was chosen for the heading above it and not for its own words: the
 * whole list is the answer, as far as `bytes_max` go. */
static void spread_list(const struct ranking *ranking, size_t item, size_t bytes_max, size_t *first,
                        size_t *last)
{
    const struct candidate *candidate = &ranking->items[item];
    size_t bytes = candidate->sentence.text.len;
    *first = *last = item;
    if (candidate->sentence.kind != SENTENCE_ITEM || !(candidate->section & ranking->own)) return;
    if ((candidate->strong | candidate->weak) & ranking->own) return;
    while (*first > 0 && in_same_list(ranking, item, *first - 1)) {
        bytes += ranking->items[*first - 1].sentence.text.len;
        if (bytes > bytes_max) return;
        --*first;
    }
    while (in_same_list(ranking, item, *last + 1)) {
        bytes += ranking->items[*last + 1].sentence.text.len;
        if (bytes > bytes_max) return;
        ++*last;
    }
}

static void bring_predecessor(const struct ranking *ranking, struct choice *choice, size_t item)
{
    const struct candidate *items = ranking->items;
    if (items[item].leans && item > 0 && is_neighbour(ranking, item, item - 1) &&
        items[item - 1].sentence.block == items[item].sentence.block)
        choose_also(ranking, choice, item - 1);
}

static void bring_followers(const struct ranking *ranking, struct choice *choice, size_t item)
{
    if (!ends_with_colon(&ranking->items[item])) return;
    for (size_t next = item + 1; next <= item + FOLLOWERS_MAX; next++) {
        if (!is_neighbour(ranking, item, next)) return;
        if (ranking->items[next].sentence.kind == SENTENCE_PROSE) return;
        choose_also(ranking, choice, next);
    }
}

/* "It …" brings the sentence that says what; "as follows:" brings what follows; an item brings its
 * list. */
static void bring_neighbours(const struct ranking *ranking, struct choice *choice)
{
    size_t chosen = choice->count;
    for (size_t i = 0; i < chosen; i++) {
        size_t item = choice->items[i], first, last;
        bring_predecessor(ranking, choice, item);
        bring_followers(ranking, choice, item);
        spread_list(ranking, item, levels[ranking->question->level].list_bytes, &first, &last);
        for (; first <= last; first++) choose_also(ranking, choice, first);
    }
}

/* Goes on reading behind the best sentence, where few others were good enough. */
static void read_on(const struct ranking *ranking, struct choice *choice, size_t least)
{
    size_t item = choice->items[0];
    while (choice->count < least && is_neighbour(ranking, item, item + 1)) {
        item++;
        if (ranking->items[item].section != ranking->items[choice->items[0]].section) return;
        if (!ranking->items[item].overlaps) choose_also(ranking, choice, item);
    }
}

/* Where a candidate goes: first its document, then its passage, each by its best sentence. */
static uint64_t place_of(const struct ranking *ranking, const struct choice *by, size_t item)
{
    uint64_t document = by->count, passage = by->count;
    for (size_t i = by->count; i-- > 0;) {
        size_t other = by->items[i];
        if (ranking_view(ranking, other)->document == ranking_view(ranking, item)->document)
            document = i;
        if (ranking->items[other].passage == ranking->items[item].passage) passage = i;
    }
    return document << 48 | passage << 40 | item;
}

/* The document with the best sentence first, and in it the passage; there as it reads. */
static void put_in_order(const struct ranking *ranking, struct choice *choice)
{
    const struct choice by = *choice;
    for (size_t i = 1; i < choice->count; i++) {
        size_t item = choice->items[i], to = i;
        uint64_t place = place_of(ranking, &by, item);
        for (; to > 0 && place_of(ranking, &by, choice->items[to - 1]) > place; to--)
            choice->items[to] = choice->items[to - 1];
        choice->items[to] = item;
    }
}

/* --- a plain answer --- */

static bool is_line(const struct candidate *candidate)
{
    return candidate->sentence.kind != SENTENCE_PROSE;
}

static unsigned count_documents(const struct ranking *ranking, const struct choice *choice)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < choice->count; i++)
        seen |= (uint64_t)1 << ranking_view(ranking, choice->items[i])->document;
    return (unsigned)__builtin_popcountll(seen);
}

/* True when "which project" is asked and the sentence does not say its name. */
static bool needs_name(const struct ranking *ranking, size_t item)
{
    struct slice title = ranking_view(ranking, item)->passage->title;
    struct slice text = ranking->items[item].sentence.text;
    const char *space = title.len ? memchr(title.ptr, ' ', title.len) : NULL;
    size_t word = space ? (size_t)(space - title.ptr) : title.len;
    if (ranking_view(ranking, item)->about) return false;
    return ranking->question->documents && word && !memmem(text.ptr, text.len, title.ptr, word);
}

/* What parts a sentence from the one before it. */
static struct slice separator(const struct ranking *ranking, size_t before, size_t item)
{
    const struct candidate *last = &ranking->items[before], *next = &ranking->items[item];
    bool apart = ranking_view(ranking, before)->document != ranking_view(ranking, item)->document;
    if (apart || (last->passage != next->passage && !is_line(next))) return SLICE("\n\n");
    if (is_line(next)) return SLICE("\n");
    return is_line(last) ? SLICE("\n\n") : SLICE(" ");
}

static void write_choice(struct extractive *extractive, const struct choice *choice)
{
    const struct ranking *ranking = &extractive->ranking;
    struct answer_text *answer = &extractive->answer;
    bool labelled = count_documents(ranking, choice) > 1;
    for (size_t i = 0; i < choice->count; i++) {
        size_t item = choice->items[i];
        bool first = i == 0 || ranking_view(ranking, item)->document !=
                                   ranking_view(ranking, choice->items[i - 1])->document;
        if (i > 0) answer_append(answer, separator(ranking, choice->items[i - 1], item));
        bool bullet = is_line(&ranking->items[item]) && choice->count > 1;
        if (first && (labelled || needs_name(ranking, item))) {
            answer_label(answer, ranking_view(ranking, item)->passage);
            answer_append(answer, bullet ? SLICE("\n") : SLICE(" "));
        }
        if (bullet) answer_append(answer, SLICE("- "));
        answer_quote(answer, ranking, item, item, QUOTE_BYTES_MAX);
        answer_end_piece(answer);
    }
}

/* The terms that name a document: what is asked about it is not answered from others. */
static term_set named_terms(const struct ranking *ranking)
{
    term_set named = 0;
    for (size_t i = 0; i < ranking->view_count; i++)
        if (ranking->views[i].about) named |= ranking->views[i].title;
    return named & ranking->specific ? named & ranking->specific : named;
}

static bool write_plain(struct extractive *extractive)
{
    const struct ranking *ranking = &extractive->ranking;
    enum complexity level = extractive->question.level;
    struct choice choice = {.count = 0};
    struct wanted wanted = {levels[level].most, levels[level].least_share,
                            levels[level].least_terms, named_terms(ranking), ANY_DOCUMENT};
    ranking_choose(ranking, &wanted, &choice);
    if (!choice.count) return false;
    bring_neighbours(ranking, &choice);
    read_on(ranking, &choice, levels[level].least);
    if (ranking_view(ranking, choice.items[0])->foreign) introduce(extractive);
    put_in_order(ranking, &choice);
    write_choice(extractive, &choice);
    return true;
}

/* --- a list --- */

/* The first sentence of a document, as far as it was retrieved; count when it has none. */
static size_t overview_of(const struct ranking *ranking, unsigned document)
{
    size_t best = ranking->count;
    for (size_t i = 0; i < ranking->count; i++) {
        const struct candidate *candidate = &ranking->items[i];
        if (ranking_view(ranking, i)->document != document || is_line(candidate)) continue;
        if (best == ranking->count || candidate->at < ranking->items[best].at) best = i;
    }
    return best;
}

/* A document belongs in the list when it holds most of what one group asks for: "React and Vue
 * projects" are those with either. */
static bool is_listed(const struct ranking *ranking, unsigned document)
{
    const struct question *question = ranking->question;
    if (!ranking->specific)
        return question->level == COMPLEXITY_COMPREHENSIVE || !ranking->own ||
               ranking_share(ranking, ranking->own, document) >= 0.5f;
    for (unsigned group = 0; group <= question->groups; group++) {
        term_set terms = 0;
        for (size_t i = 0; i < question->count; i++)
            if (question->terms[i].group == group) terms |= (term_set)1 << i;
        terms &= ranking->specific;
        if (terms && ranking_share(ranking, terms, document) >= 0.6f) return true;
    }
    return false;
}

/* The terms that a document has and the sentences chosen from it do not show. */
static term_set not_shown(const struct ranking *ranking, const struct choice *choice,
                          unsigned document)
{
    term_set left = 0;
    for (size_t i = 0; i < ranking->view_count; i++)
        if (ranking->views[i].document == document) left |= ranking->views[i].body;
    for (size_t i = 0; i < choice->count; i++)
        left &= ~(ranking->items[choice->items[i]].strong | ranking->items[choice->items[i]].weak);
    return left & ranking->specific;
}

/* The sentence that shows why the document is listed, a second one where that shows more, and what
 * the document is about where there is room. */
static void choose_for_bullet(const struct ranking *ranking, unsigned document, size_t most,
                              struct choice *choice)
{
    struct wanted wanted = {1, 0, 0, ranking->specific ? ranking->specific : ranking->own,
                            document};
    size_t overview = overview_of(ranking, document);
    choice->count = 0;
    ranking_choose(ranking, &wanted, choice);
    wanted.terms = choice->count ? not_shown(ranking, choice, document) : 0;
    if (wanted.terms) ranking_choose(ranking, &wanted, choice);
    if (overview == ranking->count || (!choice->count && ranking->specific)) return;
    bool leads = ranking_view(ranking, overview)->passage->start == 0;
    if (!choice->count || (leads && choice->count < most)) choose_also(ranking, choice, overview);
    put_in_order(ranking, choice);
}

static void write_bullet(struct extractive *extractive, size_t number, unsigned document,
                         size_t most)
{
    struct ranking *ranking = &extractive->ranking;
    struct answer_text *answer = &extractive->answer;
    struct choice choice;
    choose_for_bullet(ranking, document, most, &choice);
    for (size_t i = 0; i < choice.count; i++) {
        size_t first, last;
        spread_list(ranking, choice.items[i], JOINED_BYTES_MAX, &first, &last);
        if (i == 0) {
            answer_append(answer, number ? SLICE("\n- ") : SLICE("- "));
            answer_label(answer, ranking_view(ranking, choice.items[i])->passage);
        }
        answer_append(answer, SLICE(" "));
        answer_quote(answer, ranking, first, last, BULLET_BYTES_MAX);
        answer_end_piece(answer);
    }
}

/* True when something of the document that was retrieved can be shown. */
static bool has_evidence(const struct ranking *ranking, unsigned document)
{
    struct choice choice;
    choose_for_bullet(ranking, document, 1, &choice);
    return choice.count > 0;
}

/* The documents to list, those in the question's language first. */
static size_t list_documents(const struct extractive *extractive, unsigned *documents)
{
    const struct ranking *ranking = &extractive->ranking;
    uint64_t seen = 0;
    size_t count = 0;
    for (int foreign = 0; foreign <= 1; foreign++)
        for (size_t i = 0; i < ranking->view_count; i++) {
            const struct passage_view *view = &ranking->views[i];
            uint64_t bit = (uint64_t)1 << view->document;
            if (view->foreign != foreign || seen & bit) continue;
            seen |= bit;
            if (is_listed(ranking, view->document) && has_evidence(ranking, view->document))
                documents[count++] = view->document;
        }
    return count;
}

static bool write_list(struct extractive *extractive)
{
    unsigned documents[DOCUMENTS_MAX];
    size_t count = list_documents(extractive, documents);
    if (count == 0) return false;
    if (count == 1 && candidates_documents(extractive->candidates) == 1)
        return write_plain(extractive);
    introduce(extractive);
    for (size_t i = 0; i < count; i++)
        write_bullet(extractive, i, documents[i], count <= FULL_BULLETS_MAX ? 2 : 1);
    return true;
}

/* --- a comparison --- */

struct side {
    term_set heads; /* the thing itself */
    term_set focus; /* and what is asked about it */
    struct slice name;
    unsigned document; /* the one that is about it, or ANY_DOCUMENT */
};

static bool is_capital(struct slice word)
{
    return word.len && isupper((unsigned char)word.ptr[0]);
}

static bool joins_words(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '+' || c == '#';
}

/* From the first term to the last as they stand in the question, with what hangs on them: the "b-"
 * of "b-tree", the "++" of "C++". */
static struct slice name_in_question(struct slice message, struct slice first, struct slice last)
{
    const char *start = first.ptr, *end = last.ptr + last.len;
    while (start > message.ptr && joins_words(start[-1])) start--;
    while (end < message.ptr + message.len && joins_words(*end)) end++;
    return (struct slice){start, (size_t)(end - start)};
}

/* As it was asked for; as the documents write it where that was a typo or carelessly written. */
static struct slice name_of_side(const struct extractive *extractive, term_set heads)
{
    const struct term *terms = extractive->question.terms;
    unsigned first = (unsigned)__builtin_ctz(heads);
    unsigned last = 31 - (unsigned)__builtin_clz(heads);
    struct slice found = candidates_found(extractive->candidates, first);
    struct slice asked = name_in_question(extractive->message, terms[first].raw, terms[last].raw);
    bool alone = first == last && found.len && asked.len == terms[first].raw.len;
    bool mended = !slice_equal(found, term_word(&terms[first]));
    return alone && (mended || !is_capital(asked)) ? found : asked;
}

/* The terms of a group, and those of them that are names. */
static term_set group_terms(const struct ranking *ranking, unsigned group, term_set *names)
{
    const struct question *question = ranking->question;
    term_set all = 0;
    *names = 0;
    for (size_t i = 0; i < question->count; i++) {
        term_set bit = (term_set)1 << i & ranking->specific;
        if (question->terms[i].group != group) continue;
        all |= bit;
        if (question->terms[i].name) *names |= bit;
    }
    return all;
}

/* One side for each group of terms. In "React and Vue performance" the names are what is compared;
 * the other word is asked of both. */
static size_t find_sides(const struct extractive *extractive, struct side *sides)
{
    const struct ranking *ranking = &extractive->ranking;
    term_set shared = 0, names;
    size_t count = 0;
    for (unsigned group = 0; group <= extractive->question.groups; group++) {
        term_set all = group_terms(ranking, group, &names);
        if (!all) continue;
        if (names) shared |= all & ~names;
        sides[count++].heads = names ? names : all;
    }
    for (size_t i = 0; i < count; i++) {
        sides[i].focus = sides[i].heads | shared;
        sides[i].name = name_of_side(extractive, sides[i].heads);
        sides[i].document = ranking_document_about(ranking, sides[i].heads);
    }
    return count;
}

/* What was shown for another side is left to it, unless nothing else speaks of this one. */
static void choose_for_side(struct ranking *ranking, const struct side *side, struct choice *shown,
                            struct choice *choice)
{
    struct wanted wanted = {GROUP_SENTENCES, 0.4f, 0.5f, side->heads, side->document};
    size_t before = shown->count;
    choice->count = 0;
    ranking_focus(ranking, side->focus);
    if (side->document != ANY_DOCUMENT) {
        size_t overview = overview_of(ranking, side->document);
        if (overview < ranking->count) choose_also(ranking, shown, overview);
        wanted.most -= shown->count - before;
    }
    ranking_choose(ranking, &wanted, shown);
    for (; before < shown->count; before++) choice->items[choice->count++] = shown->items[before];
    if (!choice->count) ranking_choose(ranking, &wanted, choice);
    put_in_order(ranking, choice);
}

static bool is_found(const struct ranking *ranking, const struct side *side)
{
    for (size_t i = 0; i < ranking->view_count; i++)
        if ((ranking->views[i].body | ranking->views[i].title) & side->heads) return true;
    return false;
}

static void write_side(struct extractive *extractive, const struct side *side, struct choice *shown)
{
    struct ranking *ranking = &extractive->ranking;
    struct answer_text *answer = &extractive->answer;
    bool labelled =
        side->document == ANY_DOCUMENT && candidates_documents(extractive->candidates) > 1;
    struct choice choice;
    choose_for_side(ranking, side, shown, &choice);
    answer_append(answer, SLICE("**"));
    answer_append(answer, side->name);
    answer_append(answer, SLICE("**"));
    for (size_t i = 0; i < choice.count; i++) {
        answer_append(answer, SLICE("\n- "));
        if (labelled) {
            answer_label(answer, ranking_view(ranking, choice.items[i])->passage);
            answer_append(answer, SLICE(" "));
        }
        answer_quote(answer, ranking, choice.items[i], choice.items[i], BULLET_BYTES_MAX);
        answer_end_piece(answer);
    }
    if (choice.count) return;
    answer_append(answer, SLICE(": "));
    say(extractive, "no_answer");
    answer_end_piece(answer);
}

static bool write_comparison(struct extractive *extractive)
{
    struct side sides[GROUPS_MAX];
    struct choice shown = {.count = 0};
    size_t count = find_sides(extractive, sides), found = 0;
    for (size_t i = 0; i < count; i++) found += is_found(&extractive->ranking, &sides[i]);
    if (!found) return false;
    if (count < 2) return write_plain(extractive);
    introduce(extractive);
    for (size_t i = 0; i < count; i++) {
        if (i) answer_append(&extractive->answer, SLICE("\n\n"));
        write_side(extractive, &sides[i], &shown);
    }
    return true;
}

/* --- the answer --- */

static bool write_answer(struct extractive *extractive)
{
    static bool (*const writers[])(struct extractive *) = {
        [QUESTION_PLAIN] = write_plain,
        [QUESTION_LIST] = write_list,
        [QUESTION_COMPARISON] = write_comparison,
    };
    bool compares = extractive->question.shape == QUESTION_COMPARISON;
    if (!compares && !ranking_answers(&extractive->ranking)) return false;
    return writers[extractive->question.shape](extractive);
}

void extractive_answer(struct extractive *extractive, const struct asked *asked,
                       const struct list *passages, struct extract *extract)
{
    struct stemmer *stemmer = stemmer_of(extractive, asked->language);
    struct answer_text *answer = &extractive->answer;
    extractive->message = asked->message;
    question_read(asked, stemmer, &extractive->question);
    candidates_read(extractive->candidates, &extractive->question, passages, stemmer);
    ranking_start(&extractive->ranking, &extractive->question, extractive->candidates);
    answer_start(answer);
    bool found = write_answer(extractive);
    if (!found) {
        say(extractive, "no_answer");
        answer_end_piece(answer);
    }
    *extract = (struct extract){buffer_slice(&answer->text), answer->ends, answer->count, found};
}
