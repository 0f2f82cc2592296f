/* Which sentences answer best: a score for each, and a choice of few that do not repeat each other.
 * Pure.
 *
 * A score is the share of the question's weight that a sentence holds (a term in its own words
 * counts more than one in the headings above or in the title), times what its form tells: length,
 * kind, place, language, and the person, time or number that was asked for. */
#ifndef MILLRACE_GENERATOR_RANKING_H
#define MILLRACE_GENERATOR_RANKING_H

#include "workers/generator/candidates.h"

enum { CHOICE_MAX = 64 };

struct ranking {
    const struct question *question;
    const struct candidates *candidates;
    struct candidate *items;
    size_t count;
    const struct passage_view *views;
    size_t view_count;
    float weights[TERMS_MAX]; /* as they count for this question */
    float total;              /* of the question's own terms */
    float score_most;         /* the best passage's, from retrieval */
    term_set own;             /* the question's own terms, by which sentences are scored */
    term_set counted;         /* those that add to a score */
    term_set specific;        /* those that say which, not what kind */
    term_set documents;       /* "projects" */
};

/* A choice of candidates, by their index. */
struct choice {
    size_t items[CHOICE_MAX];
    size_t count;
};

/* What may be chosen. */
struct wanted {
    size_t most;       /* sentences */
    float least_share; /* of the best one's score, for all but the first */
    float least_terms; /* of the weight of the terms that the first has */
    term_set terms;    /* each must have one of these, in itself, its headings or title; 0: any */
    unsigned document; /* only of this one; or ANY_DOCUMENT */
    bool spread;       /* rather of several documents than of one */
};
enum { ANY_DOCUMENT = ~0u };

/* Scores all candidates. */
void ranking_start(struct ranking *ranking, const struct question *question,
                   const struct candidates *candidates);
/* Scores them anew, as if only these of the terms had been asked for. */
void ranking_focus(struct ranking *ranking, term_set terms);
/* The share of the weight of `terms` that a document holds, from 0 to 1. */
float ranking_share(const struct ranking *ranking, term_set terms, unsigned document);
/* Whether the passages say anything about the question. */
bool ranking_answers(const struct ranking *ranking);
/* Adds to `choice`, best first. */
void ranking_choose(const struct ranking *ranking, const struct wanted *wanted,
                    struct choice *choice);
/* True when the candidate says nothing that the chosen ones do not. */
bool ranking_repeats(const struct ranking *ranking, const struct choice *choice, size_t item);

/* The document whose title is made of these terms and hardly more, or ANY_DOCUMENT. */
unsigned ranking_document_about(const struct ranking *ranking, term_set terms);

/* True for passages that a document begins with (its first mark-up may be left out). */
bool passage_begins_document(const struct passage *passage);

static inline const struct passage_view *ranking_view(const struct ranking *ranking, size_t item)
{
    return &ranking->views[ranking->items[item].passage];
}

#endif
