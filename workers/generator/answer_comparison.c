#include <ctype.h>

#include "workers/generator/answer.h"

enum { SIDE_SENTENCES = 3 };

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
static struct slice name_in_question(const struct term *first, const struct term *last)
{
    struct slice message = first->message;
    if (last->message.ptr != message.ptr) last = first;
    const char *start = first->raw.ptr, *end = last->raw.ptr + last->raw.len;
    while (start > message.ptr && joins_words(start[-1])) start--;
    while (end < message.ptr + message.len && joins_words(*end)) end++;
    return (struct slice){start, (size_t)(end - start)};
}

/* As it was asked for; as the documents write it where that was a typo or carelessly written. */
static struct slice name_of_side(const struct answering *answering, term_set heads)
{
    const struct term *terms = answering->question.terms;
    unsigned first = (unsigned)__builtin_ctz(heads);
    unsigned last = 31 - (unsigned)__builtin_clz(heads);
    struct slice found = candidates_found(answering->candidates, first);
    struct slice asked = name_in_question(&terms[first], &terms[last]);
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
static size_t find_sides(const struct answering *answering, struct side *sides)
{
    const struct ranking *ranking = &answering->ranking;
    term_set shared = 0, names;
    size_t count = 0;
    for (unsigned group = 0; group <= answering->question.groups; group++) {
        term_set all = group_terms(ranking, group, &names);
        if (!all) continue;
        if (names) shared |= all & ~names;
        sides[count++].heads = names ? names : all;
    }
    for (size_t i = 0; i < count; i++) {
        sides[i].focus = sides[i].heads | shared;
        sides[i].name = name_of_side(answering, sides[i].heads);
        sides[i].document = ranking_document_about(ranking, sides[i].heads);
    }
    return count;
}

/* What was shown for another side is left to it, unless nothing else speaks of this one. */
static void choose_for_side(struct ranking *ranking, const struct side *side, struct choice *shown,
                            struct choice *choice)
{
    struct wanted wanted = {SIDE_SENTENCES, 0.35f, 0.5f, side->heads, side->document, true};
    size_t before = shown->count;
    choice->count = 0;
    ranking_focus(ranking, side->focus);
    if (side->document != ANY_DOCUMENT) {
        size_t overview = ranking_overview(ranking, side->document);
        if (overview < ranking->count) choice_add(ranking, shown, overview);
        wanted.most -= shown->count - before;
    }
    ranking_choose(ranking, &wanted, shown);
    for (; before < shown->count; before++) choice->items[choice->count++] = shown->items[before];
    if (!choice->count) ranking_choose(ranking, &wanted, choice);
    choice_put_in_order(ranking, choice);
}

static bool is_found(const struct ranking *ranking, const struct side *side)
{
    for (size_t i = 0; i < ranking->view_count; i++)
        if ((ranking->views[i].body | ranking->views[i].title) & side->heads) return true;
    return false;
}

static void write_side(struct answering *answering, const struct side *side, struct choice *shown)
{
    struct ranking *ranking = &answering->ranking;
    struct answer_text *answer = &answering->text;
    bool labelled =
        side->document == ANY_DOCUMENT && candidates_documents(answering->candidates) > 1;
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
    answer_say(answering, "no_answer");
    answer_end_piece(answer);
}

bool answer_comparison(struct answering *answering)
{
    struct side sides[GROUPS_MAX];
    struct choice shown = {.count = 0};
    size_t count = find_sides(answering, sides), found = 0;
    for (size_t i = 0; i < count; i++) found += is_found(&answering->ranking, &sides[i]);
    if (!found) return false;
    if (count < 2) return answer_plain(answering);
    answer_introduce(answering);
    for (size_t i = 0; i < count; i++) {
        if (i) answer_append(&answering->text, SLICE("\n\n"));
        write_side(answering, &sides[i], &shown);
    }
    return true;
}
