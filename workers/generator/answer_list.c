#include "workers/generator/answer.h"

enum {
    JOINED_BYTES_MAX = 360, /* of a document's own list, quoted as one */
    DOCUMENTS_MAX = PASSAGES_MAX,
    FULL_BULLETS_MAX = 4, /* so few documents get two sentences each */
};

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
    size_t overview = ranking_overview(ranking, document);
    choice->count = 0;
    ranking_choose(ranking, &wanted, choice);
    wanted.terms = choice->count ? not_shown(ranking, choice, document) : 0;
    if (wanted.terms) ranking_choose(ranking, &wanted, choice);
    if (overview == ranking->count || (!choice->count && ranking->specific)) return;
    bool leads = passage_begins_document(ranking_view(ranking, overview)->passage);
    if (!choice->count || (leads && choice->count < most)) choice_add(ranking, choice, overview);
    choice_put_in_order(ranking, choice);
}

static void write_bullet(struct answering *answering, size_t number, unsigned document, size_t most)
{
    struct ranking *ranking = &answering->ranking;
    struct answer_text *answer = &answering->text;
    struct choice choice;
    choose_for_bullet(ranking, document, most, &choice);
    for (size_t i = 0; i < choice.count; i++) {
        size_t first, last;
        choice_spread_list(ranking, choice.items[i], JOINED_BYTES_MAX, &first, &last);
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
static size_t list_documents(const struct answering *answering, unsigned *documents)
{
    const struct ranking *ranking = &answering->ranking;
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

bool answer_list(struct answering *answering)
{
    unsigned documents[DOCUMENTS_MAX];
    size_t count = list_documents(answering, documents);
    if (count == 0) return false;
    if (count == 1 && candidates_documents(answering->candidates) == 1)
        return answer_plain(answering);
    answer_introduce(answering);
    for (size_t i = 0; i < count; i++)
        write_bullet(answering, i, documents[i], count <= FULL_BULLETS_MAX ? 2 : 1);
    return true;
}
