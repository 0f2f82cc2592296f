/* The embedders and what fusion does with their vectors.
 *
 * `vector_weight` is measured (tests/eval: 192 questions, three sets of real documentation, the
 * weight for each set chosen on the two others). hashing, passage among the first eight and mean
 * reciprocal rank: words alone .849, .673; weight .2 .849, .679; .5 .802, .644; vector alone .656,
 * .480; weights chosen with the set left out (.2, .05, .2) .844, .679. It matches wording as BM25
 * does, so it adds little: most where the question is worded unlike the text (.564 to .600). */
#include "workers/embedder/embedder.h"

static const struct embedder_info embedders[] = {
    {"hashing-1", "hashing", 384, 0.2},
};

const struct embedder_info *embedder_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(embedders); i++)
        if (slice_equal(slice_of(embedders[i].name), name) ||
            slice_equal(slice_of(embedders[i].setting), name))
            return &embedders[i];
    return NULL;
}
