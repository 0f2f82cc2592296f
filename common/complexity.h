/* How much context a question needs: five levels, judged by the question's own words. Comprehensive
 * beats complex beats simple; a greeting before a real question does not make it trivial. */
#ifndef MILLRACE_COMMON_COMPLEXITY_H
#define MILLRACE_COMMON_COMPLEXITY_H

#include "common/language.h"

enum complexity {
    COMPLEXITY_TRIVIAL,
    COMPLEXITY_SIMPLE,
    COMPLEXITY_MEDIUM,
    COMPLEXITY_COMPLEX,
    COMPLEXITY_COMPREHENSIVE,
    COMPLEXITY_COUNT
};

struct complexity_profile {
    const char *name;    /* "medium" */
    unsigned top_k;      /* passages; 0 is no retrieval */
    unsigned max_tokens; /* the context budget */
};

/* The level of a question written in `language`. */
enum complexity complexity_classify(const struct language *language, struct slice text);
/* For a trivial message the key of the phrase that answers it: "greeting", "thanks", "goodbye" or
 * "small_talk" (see language_phrase()). NULL for any other message. */
const char *complexity_small_talk(const struct language *language, struct slice text);
const struct complexity_profile *complexity_profile(enum complexity level);

#endif
