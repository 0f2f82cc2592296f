/* Language and level of questions, remembered: the same question is judged once, which costs more
 * than finding its kept answer. A table of fixed size; a question takes the place of the one before
 * it. */
#ifndef MILLRACE_GATEWAY_CLASSIFIED_H
#define MILLRACE_GATEWAY_CLASSIFIED_H

#include "common/complexity.h"
#include "common/language.h"

struct classified;

struct classified *classified_new(void);
void classified_destroy(struct classified **classified);

struct classification {
    const struct language *language;
    enum complexity level;
};

/* `asked` is the language that the question was asked for in, NULL for the message's own, which is
 * `fallback` (may be NULL) where nothing tells it. */
struct classification classified_find(struct classified *classified, struct slice message,
                                      const struct language *asked,
                                      const struct language *fallback);

#endif
