/* Answers of earlier questions, for questions that mean the same. In memory by place: tenant, agent
 * and portfolio with their versions, language; nothing outside of its place is ever compared. A
 * place is read when it is first asked for, and what was added since, by any process, with every
 * question.
 *
 * A hit is near enough by its vector, has the level, the reading (semantic_guard.h) and the best
 * passages of the question. */
#ifndef MILLRACE_RETRIEVER_SEMANTIC_H
#define MILLRACE_RETRIEVER_SEMANTIC_H

#include "common/complexity.h"
#include "workers/retriever/store.h"

struct semantic;

/* A question that looks for an answer: the caller's, must stay until `done`. */
struct semantic_question {
    struct answer_select place; /* `after` is not read */
    const struct language *language;
    struct slice text;
    struct slice complexity;
    uint64_t top_k, max_tokens;
    struct slice embedder; /* that made the vector */
    const float *vector;   /* of length 1 */
    size_t dimensions;
    double threshold;         /* the least similarity */
    const uint64_t *passages; /* chunk ids, best first */
    size_t passage_count;
    struct arena *arena;
    void (*done)(struct semantic_question *question);
    void *context;

    /* Set before `done`, valid during it. */
    bool found;
    double similarity;
    struct slice original; /* the question that was answered */
    struct slice ready;    /* a ready_answer record */

    struct semantic_question *next; /* the list's */
};

/* `store` stays the caller's and must be closed first. */
struct semantic *semantic_new(struct store *store, size_t bytes_max, uint64_t ttl_ms) MUST_USE;
void semantic_destroy(struct semantic **semantic);
/* Calls `done`, perhaps at once. A store that fails is a question without an answer. */
void semantic_find(struct semantic *semantic, struct semantic_question *question);
/* What is in memory. */
size_t semantic_count(const struct semantic *semantic);
size_t semantic_bytes(const struct semantic *semantic);

#endif
