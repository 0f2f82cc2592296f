#include "workers/generator/extractive.h"

#include <stdlib.h>

#include "workers/generator/answer.h"

enum { LANGUAGES_MAX = 32 };

struct extractive {
    struct answering answering;
    struct stemmer *stemmers[LANGUAGES_MAX]; /* by the language's position, made when needed */
};

struct extractive *extractive_new(void)
{
    struct extractive *extractive = xcalloc(1, sizeof *extractive);
    extractive->answering.candidates = candidates_new();
    return extractive;
}

void extractive_destroy(struct extractive **extractive)
{
    if (!*extractive) return;
    candidates_destroy(&(*extractive)->answering.candidates);
    for (size_t i = 0; i < LANGUAGES_MAX; i++) stemmer_destroy(&(*extractive)->stemmers[i]);
    answer_free(&(*extractive)->answering.text);
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

void answer_say(struct answering *answering, const char *key)
{
    answer_append(&answering->text, slice_of(language_phrase(answering->question.answer_in, key)));
}

void answer_introduce(struct answering *answering)
{
    answer_say(answering, "found_intro");
    answer_append(&answering->text, SLICE("\n\n"));
    answer_end_piece(&answering->text);
}

static bool write_answer(struct answering *answering)
{
    static bool (*const writers[])(struct answering *) = {
        [QUESTION_PLAIN] = answer_plain,
        [QUESTION_LIST] = answer_list,
        [QUESTION_COMPARISON] = answer_comparison,
    };
    /* One side of a comparison is worth an answer. */
    bool compares = answering->question.shape == QUESTION_COMPARISON;
    if (!compares && !ranking_answers(&answering->ranking)) return false;
    return writers[answering->question.shape](answering);
}

void extractive_answer(struct extractive *extractive, const struct asked *asked,
                       const struct list *passages, struct extract *extract)
{
    struct answering *answering = &extractive->answering;
    struct stemmer *stemmer = stemmer_of(extractive, asked->language);

    question_read(asked, stemmer, &answering->question);
    candidates_read(answering->candidates, &answering->question, passages, stemmer);
    ranking_start(&answering->ranking, &answering->question, answering->candidates);
    answer_start(&answering->text);
    bool found = write_answer(answering);
    if (!found) {
        answer_say(answering, "no_answer");
        answer_end_piece(&answering->text);
    }
    *extract = (struct extract){buffer_slice(&answering->text.text), answering->text.ends,
                                answering->text.count, found};
}
