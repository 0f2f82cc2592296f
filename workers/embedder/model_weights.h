/* What the model has learned: Universal Sentence Encoder multilingual v3, an n-gram convolution
 * (Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", 2019). */
#ifndef MILLRACE_EMBEDDER_MODEL_WEIGHTS_H
#define MILLRACE_EMBEDDER_MODEL_WEIGHTS_H

#include "workers/embedder/matrix.h"
#include "workers/embedder/npy.h"

enum {
    MODEL_TABLES = 17,       /* the table of pieces is cut into these, piece by piece in turn */
    MODEL_TABLE_ROWS = 7530, /* of each */
    MODEL_PIECES = MODEL_TABLES * MODEL_TABLE_ROWS,
    MODEL_DIMENSIONS = 512, /* of a piece's row, and of a text's vector */
    MODEL_BRANCH = 256,     /* values a token in each branch */
    MODEL_BRANCHES = 3,     /* they look at windows of 2, 3 and 5 tokens */
    MODEL_PROJECTED = MODEL_BRANCHES * MODEL_BRANCH,
    MODEL_FEATURES = MODEL_DIMENSIONS + MODEL_PROJECTED,
    MODEL_HIDDEN = 320,
};

struct model_branch {
    struct matrix proj, w1, w2;
    float *proj_b, *b1, *b2;
};

struct model_weights {
    struct npy tables[MODEL_TABLES]; /* stay mapped: shared between processes */
    float *scale, *lo;               /* of each table: value * scale + lo */
    struct model_branch branches[MODEL_BRANCHES];
    /* The projections are normalised together, so what each branch has for it lies side by side. */
    _Alignas(64) float projected_g[MODEL_PROJECTED], projected_b[MODEL_PROJECTED];
    float *ln_g, *ln_b, *cnn_b;
    struct matrix cnn_W, d0, d1, d2, d3, p1, p3;
    double *eps;
};

/* Reads the arrays below FOLDER. ERR_MODEL_INVALID, with the reason logged, if any is not what it
 * has to be. The caller closes it, also after an error. */
err_t model_weights_open(struct model_weights *weights, const char *folder) MUST_USE;
void model_weights_close(struct model_weights *weights);

#endif
