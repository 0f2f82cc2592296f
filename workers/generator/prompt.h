/* What a language model is given for a question. Pure.
 *
 *     system    the agent's own words, what passages are and how to cite them, the language
 *     history   the conversation's latest turns, within a budget of their own
 *     user      the numbered passages, within the context budget, then the question, last
 *
 * Passages are data: each stands in a frame that its text cannot close. Budgets count tokens by an
 * estimate (prompt_tokens). */
#ifndef MILLRACE_GENERATOR_PROMPT_H
#define MILLRACE_GENERATOR_PROMPT_H

#include "common/arena.h"
#include "common/language.h"
#include "proto/records.h"

#define PROMPT_HISTORY_TOKENS_MAX 4000 /* of the conversation, in one prompt */

enum prompt_role { PROMPT_USER, PROMPT_ASSISTANT };

struct prompt_message {
    enum prompt_role role;
    struct slice text;
};

struct prompt {
    struct slice system;
    struct prompt_message *messages; /* roles alternate, the first and the last are the user's */
    size_t count;
    size_t passages; /* how many of the context's were given: [1] to [passages] may be cited */
    uint64_t tokens; /* estimated */
};

struct prompt_input {
    const struct chat_request *request;
    const struct history *history;
    const struct context *context;
    const struct language *language, *answer_in; /* of the question, of the answer */
};

/* Everything in *prompt lies in the arena or in the input. */
void prompt_build(const struct prompt_input *input, struct arena *arena, struct prompt *prompt);
/* An estimate: about four bytes of Latin script a token, fewer of others. */
uint64_t prompt_tokens(struct slice text);
/* The longest start of `text` that is at most so many tokens by that estimate. */
struct slice prompt_cut(struct slice text, uint64_t tokens);

#endif
