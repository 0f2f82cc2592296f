/* The embedders and what fusion does with their vectors.
 *
 * `vector_weight` is measured with tests/eval (see there), leaving one document set out at a time;
 * a weak leg gets a small weight, and one that does not help gets none. */
#include "workers/embedder/embedder.h"

static const struct embedder_info embedders[] = {
    {"hashing-1", "hashing", 384, 0.3},
};

const struct embedder_info *embedder_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(embedders); i++)
        if (slice_equal(slice_of(embedders[i].name), name) ||
            slice_equal(slice_of(embedders[i].setting), name))
            return &embedders[i];
    return NULL;
}
