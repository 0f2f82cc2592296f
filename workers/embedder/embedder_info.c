/* The embedders and what fusion does with their vectors.
 *
 * `vector_weight` is measured (tests/eval: 152 questions, three sets of real documentation, the
 * weight for each set chosen on the two others). hashing, passage among the first eight and mean
 * reciprocal rank: words alone .862, .693; weight .2 .868, .693; .5 .822, .665; vector alone .664,
 * .493. Left out in turn, the sets chose .2, .1 and .2. It matches wording as BM25 does, so it adds
 * little, most where the question is worded unlike the text (.595 to .643). */
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
