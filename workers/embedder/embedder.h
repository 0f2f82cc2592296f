/* What an embedder is to those who use its vectors: one table, shared by the embedder pool and the
 * retriever. Vectors of two embedders are never compared.
 *
 * A portfolio remembers its embedder by name. The name of one at a provider says all there is to
 * know of it, "openai/text-embedding-3-small/1536": provider, model (which may hold '/'),
 * dimensions; so a portfolio keeps its embedder whatever the settings say later. */
#ifndef MILLRACE_EMBEDDER_EMBEDDER_H
#define MILLRACE_EMBEDDER_EMBEDDER_H

#include "common/errors.h"
#include "common/settings.h"

struct embedder_info {
    const char *name;    /* "hashing-1": what a portfolio remembers */
    const char *setting; /* "hashing": what EMBEDDER says; of a provider's, the provider */
    const char *model;   /* as the provider calls it; NULL: there is no provider */
    size_t dimensions;
    size_t native;        /* dimensions of the model unless it is asked for fewer; 0: unknown */
    double vector_weight; /* in fusion; measured, see embedder_info.c */
    /* How near two questions must be at least for one answer to serve both, where all else that
     * semantic_guard.h asks for is given; measured, see embedder_info.c. */
    double semantic_threshold;
};

/* By name, or by setting for the one that a setting means by itself ("openai": its default model);
 * NULL if unknown. Lives for ever. Any thread. */
const struct embedder_info *embedder_find(struct slice name);
/* The one that EMBEDDER, EMBEDDING_MODEL and EMBEDDING_DIMENSIONS mean. ERR_BAD_SETTING (logged).
 */
err_t embedder_configured(const struct settings *settings,
                          const struct embedder_info **info) MUST_USE;

#endif
