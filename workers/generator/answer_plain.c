#include "workers/generator/answer.h"

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
    if (apart || (last->passage != next->passage && !candidate_is_line(next))) return SLICE("\n\n");
    if (candidate_is_line(next)) return SLICE("\n");
    return candidate_is_line(last) ? SLICE("\n\n") : SLICE(" ");
}

static void write_choice(struct answering *answering, const struct choice *choice)
{
    const struct ranking *ranking = &answering->ranking;
    struct answer_text *answer = &answering->text;
    bool labelled = count_documents(ranking, choice) > 1;
    for (size_t i = 0; i < choice->count; i++) {
        size_t item = choice->items[i];
        bool first = i == 0 || ranking_view(ranking, item)->document !=
                                   ranking_view(ranking, choice->items[i - 1])->document;
        if (i > 0) answer_append(answer, separator(ranking, choice->items[i - 1], item));
        bool bullet = candidate_is_line(&ranking->items[item]) && choice->count > 1;
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

bool answer_plain(struct answering *answering)
{
    const struct ranking *ranking = &answering->ranking;
    enum complexity level = answering->question.level;
    struct choice choice = {.count = 0};
    struct wanted wanted = {levels[level].most, levels[level].least_share,
                            levels[level].least_terms, named_terms(ranking), ANY_DOCUMENT};
    ranking_choose(ranking, &wanted, &choice);
    if (!choice.count) return false;
    choice_bring_neighbours(ranking, &choice, levels[level].list_bytes);
    choice_read_on(ranking, &choice, levels[level].least);
    if (ranking_view(ranking, choice.items[0])->foreign) answer_introduce(answering);
    choice_put_in_order(ranking, &choice);
    write_choice(answering, &choice);
    return true;
}
