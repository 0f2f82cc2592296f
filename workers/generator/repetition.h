/* What a provider says again before it goes on with an answer that another worker began: all of the
 * prefix that it was given, or the white space at its end. Text that merely starts like it is an
 * answer of its own. Pure. */
#ifndef MILLRACE_GENERATOR_REPETITION_H
#define MILLRACE_GENERATOR_REPETITION_H

#include "common/base.h"

struct repetition {
    struct slice text; /* empty: nothing is expected */
    bool settled;
};

/* How much of the answer's text so far is repetition, told once: *len. False while more text is
 * needed to know, which is never so when the text is `whole`. */
bool repetition_settle(struct repetition *repetition, struct slice text, bool whole, size_t *len);

#endif
