/* The local embedding model: texts to vectors of meaning, in sixteen languages, on the processor.
 *
 * One thread at a time: a model has scratch memory of its own. */
#ifndef MILLRACE_EMBEDDER_MODEL_H
#define MILLRACE_EMBEDDER_MODEL_H

#include "common/buffer.h"
#include "workers/embedder/model_weights.h"

enum {
    /* Of one text, with its beginning and end. A passage of 1,000 characters has 250 to 400; what
     * is longer counts by its beginning, as the forward pass of a batch must not take longer than
     * 20 ms. */
    MODEL_TOKENS_MAX = 512,
};

struct model;

struct model_text {
    const int32_t *tokens; /* of model_cut */
    size_t count;
    float *vector; /* MODEL_DIMENSIONS, of length 1 */
};

/* Opens MODEL_DIR's files and embeds a text whose vector is known, so that arrays that were swapped
 * or damaged within the rules are noticed. ERR_MODEL_INVALID, with the reason logged. */
err_t model_open(const char *folder, struct model **model) MUST_USE;
void model_close(struct model **model);

/* Cuts a text into at most MODEL_TOKENS_MAX tokens. Never 0: an empty text, or one that can't be
 * cut, has a beginning, an unknown piece and an end. */
size_t model_cut(const struct model *model, struct slice text, int32_t *tokens);
/* What of a passage is embedded, kept in `out`: all of it, each part on a line of its own. Measured
 * (tests/eval, the vector alone: passage among the first eight, mean reciprocal rank): the text
 * alone .641, .472; with its heading .646, .469; with heading and title .651, .487. */
struct slice model_passage(struct slice title, struct slice heading, struct slice text,
                           struct buffer *out);
/* The forward pass over some texts side by side. A text's vector is the same bits whatever texts
 * are beside it. Memory and time grow with all their tokens: the caller limits them. */
void model_run(struct model *model, const struct model_text *texts, size_t count);

/* The same in steps, where a text's pass would take too long: its parts are read in order, and what
 * they add up to makes the vector, the same bits. */
struct model_part {
    const int32_t *tokens; /* the whole text's */
    size_t count;
    size_t first, end; /* those that are read now */
    float *sums;       /* the text's, MODEL_FEATURES; zeros at first */
};
void model_read(struct model *model, const struct model_part *parts, size_t count);
/* `sums` has a row of MODEL_FEATURES for each text. */
void model_finish(struct model *model, const struct model_text *texts, float *sums, size_t count);

#endif
