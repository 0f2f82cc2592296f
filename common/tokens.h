/* A chat message as a list of words, with what their writing tells: where sentences and clauses
 * start, which are questions, and which words are probably parts of a name ("All Hands",
 * "Compare.io", "Lista Verde") and so mean nothing by themselves. Knows no language. */
#ifndef MILLRACE_COMMON_TOKENS_H
#define MILLRACE_COMMON_TOKENS_H

#include "common/base.h"
#include "common/buffer.h"

/* A message is judged by its first and its last words: behind a long paste stands the question. */
enum { TOKENS_MAX = 256, TOKENS_TAIL = 96 };

struct token {
    struct slice raw;  /* as written */
    struct slice word; /* folded */
    bool sentence;     /* a sentence starts here */
    bool clause;       /* a clause starts here: a sentence, or after a comma, bracket or '¿' */
    bool question;     /* a question mark follows */
    bool capital;      /* written with a capital letter first */
    bool attached;     /* to the word before by an apostrophe: the "s" of "what's" */
    bool name;         /* part of a name */
};

struct tokens {
    struct token items[TOKENS_MAX];
    size_t count;
    struct buffer folded; /* what the items' `word` points into */
};

/* Fills *tokens, whose `raw` slices point into `text`. End with tokens_free(). */
void tokens_scan(struct slice text, struct tokens *tokens);
void tokens_free(struct tokens *tokens);

#endif
