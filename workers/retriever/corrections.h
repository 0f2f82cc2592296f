/* Spelling corrections remembered: finding one, or that there is none, looks through all terms
 * of the texts, and the same words come again. A text put or removed makes all of them outdated. */
#ifndef MILLRACE_RETRIEVER_CORRECTIONS_H
#define MILLRACE_RETRIEVER_CORRECTIONS_H

#include "workers/retriever/spelling.h"

/* Of one corpus; zeroed is empty. */
struct corrections {
    struct remembered *words; /* NULL until a word needs correction */
};

/* As spelling_correct. */
size_t corrections_find(struct corrections *corrections, const struct corpus *corpus,
                        struct slice word, struct correction found[SPELLING_MAX]);
size_t corrections_bytes(const struct corrections *corrections);
void corrections_free(struct corrections *corrections);

#endif
