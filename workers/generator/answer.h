/* An answer in the making, as its three writers see it: one for each shape of question. A writer
 * returns false, with nothing written, when it finds nothing to say. */
#ifndef MILLRACE_GENERATOR_ANSWER_H
#define MILLRACE_GENERATOR_ANSWER_H

#include "workers/generator/answer_text.h"
#include "workers/generator/choice.h"

enum {
    QUOTE_BYTES_MAX = 420,
    BULLET_BYTES_MAX = 320,
};

struct answering {
    struct question question;
    struct candidates *candidates;
    struct ranking ranking;
    struct answer_text text;
};

/* The best few sentences, as paragraphs. */
bool answer_plain(struct answering *answering);
/* A bullet for each document that matches, with the sentence that shows it. */
bool answer_list(struct answering *answering);
/* A paragraph for each thing compared. */
bool answer_comparison(struct answering *answering);

/* A phrase of the question's language. */
void answer_say(struct answering *answering, const char *key);
/* "This is what I found …", a piece of its own. */
void answer_introduce(struct answering *answering);

#endif
