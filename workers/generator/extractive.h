/* Answers made of the documents' own sentences: chosen, ordered, quoted, each with the number of
 * its passage, [n]. Needs no model. Pure: the same question and passages give the same bytes.
 *
 *     question_read ─▶ candidates_read ─▶ ranking_start ─▶ one writer for each shape ─▶ pieces
 *
 * A plain question gets the best few sentences, a list one line for each document that matches, a
 * comparison a paragraph for each thing compared. Where no sentence speaks of what was asked for,
 * the answer says so. */
#ifndef MILLRACE_GENERATOR_EXTRACTIVE_H
#define MILLRACE_GENERATOR_EXTRACTIVE_H

#include "proto/records.h"
#include "workers/generator/question.h"

struct extractive;

/* An answer in pieces of at most a sentence; piece i ends at ends[i] of `text`. */
struct extract {
    struct slice text;
    const size_t *ends;
    size_t count;
    bool found; /* false: the answer is that there is none */
};

/* Keeps its memory from one answer to the next. */
struct extractive *extractive_new(void) MUST_USE;
void extractive_destroy(struct extractive **extractive);

/* Answers from `passages` (a list of struct passage, best first; passage i is cited as [i + 1]).
 * *extract is valid until the next call. */
void extractive_answer(struct extractive *extractive, const struct asked *asked,
                       const struct list *passages, struct extract *extract);

#endif
