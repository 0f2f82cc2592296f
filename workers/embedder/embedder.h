/* What an embedder is to those who use its vectors: one table, shared by the embedder pool and the
 * retriever. Vectors of two embedders are never compared. */
#ifndef MILLRACE_EMBEDDER_EMBEDDER_H
#define MILLRACE_EMBEDDER_EMBEDDER_H

#include "common/base.h"

struct embedder_info {
    const char *name;    /* "hashing-1": what a portfolio remembers */
    const char *setting; /* "hashing": what EMBEDDER says */
    size_t dimensions;
    double vector_weight; /* in fusion; measured, see embedder_info.c */
};

/* By name or by setting; NULL if unknown. */
const struct embedder_info *embedder_find(struct slice name);

#endif
