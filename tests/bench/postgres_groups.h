/* What the files of bench_postgres share: groups of portfolios in one database, and the questions
 * that each group is asked. Its output is told in bench_postgres.c. */
#ifndef MILLRACE_BENCH_POSTGRES_GROUPS_H
#define MILLRACE_BENCH_POSTGRES_GROUPS_H

#include <libpq-fe.h>

#include "tests/bench/exact.h"
#include "tests/bench/made_up.h"
#include "workers/retriever/store.h"

enum {
    QUESTIONS = 300, /* of a group */
    GROUPS_MAX = 8,
    EFS_MAX = 4,
};

struct question {
    float *vector;
    struct buffer text;
    uint64_t portfolio_id;
    struct nearest nearest;
};

struct group {
    size_t chunks, count; /* of each portfolio; portfolios */
    uint64_t first_id;
    struct portfolio_terms *terms[QUESTIONS]; /* of each portfolio: by these questions are read */
    struct question questions[QUESTIONS];
};

struct bench {
    const char *url, *questions_file; /* file: NULL, or where the questions are written */
    struct event_base *base;
    PGconn *db;
    struct made_up made;
    char embedder[64];
    size_t dimensions, rounds, group_count, ef_count;
    uint64_t efs[EFS_MAX], chunks_max;
    struct store *stores[EFS_MAX]; /* one for each */
    struct group groups[GROUPS_MAX];
};

/* Fills the empty database, and finds what an exact search of each question finds. */
void groups_make(struct bench *bench);
/* For whoever asks them by other ways. */
void groups_write_questions(const struct bench *bench);
/* Waits until every portfolio is searched in the database. */
void groups_build(struct bench *bench);
void groups_free(struct bench *bench);

/* Searches of every group by every leg and ef_search, beside a bare round trip. */
void searches_warm_up(struct bench *bench);
void searches_measure(struct bench *bench, size_t round);

#endif
