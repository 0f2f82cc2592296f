/* The texts of a batch, or parts of them, lie under each other, a row a token, with GAP rows of
 * zeros before, between and after them: no window of tokens reaches from one text into the next,
 * and outside a text there is nothing. A part brings the tokens beside it that its windows see.
 *
 *     pieces ─▶ rows of the table ─┬─▶ branch of 2 ─┐
 *                                  ├─▶ branch of 3 ─┼─▶ features ─▶ a row a text ─▶ vectors
 *                                  └─▶ branch of 5 ─┘
 *
 * model_read() and model_finish() are that, a step a line. */
#include "workers/embedder/model.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/text.h"
#include "workers/embedder/model_tokens.h"
#include "workers/embedder/row_math.h"

enum {
    EMPTY_TOKENS = 3,      /* a beginning, an unknown piece, an end */
    GAP = 2,               /* the widest window looks so far to either side */
    REACH = 2 * GAP,       /* and so far the second window through the first */
    TEXT_BYTES_MAX = 8192, /* that are cut: of ordinary text a quarter fills MODEL_TOKENS_MAX */
};

struct model {
    struct model_weights weights;
    struct model_tokens *pieces;
    int32_t empty[EMPTY_TOKENS]; /* the tokens of an empty text */
    float *panel;                /* matrix_multiply's */
    float *features;             /* [rows][MODEL_FEATURES] */
    float *projected;            /* [rows][MODEL_PROJECTED] */
    float *x, *h, *y;            /* [rows][MODEL_BRANCH] */
    size_t rows_max;             /* that there is room for */
    struct head {                /* a row a text */
        float *sums;             /* [texts][MODEL_FEATURES], of model_run */
        float *mean, *y2, *z;    /* [texts][MODEL_DIMENSIONS] */
        float *y0, *y1;          /* [texts][MODEL_HIDDEN] */
        size_t texts_max;
    } head;
};

struct batch {
    const struct model_part *parts;
    size_t count, rows; /* of all parts and gaps */
};

/* The tokens that a part lays out: its own, and those that its windows see. */
static size_t part_begin(const struct model_part *part)
{
    return part->first > REACH ? part->first - REACH : 0;
}

static size_t part_rows(const struct model_part *part)
{
    return MIN(part->end + REACH, part->count) - part_begin(part);
}

/* --- rows --- */

static void free_rows(struct model *model)
{
    free(model->features);
    free(model->projected);
    free(model->x);
    free(model->h);
    free(model->y);
}

static void free_head(struct head *head)
{
    free(head->sums);
    free(head->mean);
    free(head->y2);
    free(head->z);
    free(head->y0);
    free(head->y1);
}

static float *floats(size_t rows, size_t columns)
{
    return xaligned(rows * columns * sizeof(float));
}

static void reserve_rows(struct model *model, size_t rows)
{
    if (rows <= model->rows_max) return;
    free_rows(model);
    model->features = floats(rows, MODEL_FEATURES);
    model->projected = floats(rows, MODEL_PROJECTED);
    model->x = floats(rows, MODEL_BRANCH);
    model->h = floats(rows, MODEL_BRANCH);
    model->y = floats(rows, MODEL_BRANCH);
    model->rows_max = rows;
}

static void reserve_head(struct head *head, size_t texts)
{
    if (texts <= head->texts_max) return;
    free_head(head);
    head->sums = floats(texts, MODEL_FEATURES);
    head->mean = floats(texts, MODEL_DIMENSIONS);
    head->y2 = floats(texts, MODEL_DIMENSIONS);
    head->z = floats(texts, MODEL_DIMENSIONS);
    head->y0 = floats(texts, MODEL_HIDDEN);
    head->y1 = floats(texts, MODEL_HIDDEN);
    head->texts_max = texts;
}

static struct rows branch_rows(const struct batch *batch, float *values)
{
    return (struct rows){values, batch->rows, MODEL_BRANCH};
}

/* Zeros the rows that belong to no text. */
static void clear_gaps(const struct batch *batch, struct rows rows, size_t columns)
{
    float *at = rows.values;
    for (size_t i = 0; i <= batch->count; i++) {
        for (size_t gap = 0; gap < GAP; gap++, at += rows.stride)
            memset(at, 0, columns * sizeof *at);
        if (i < batch->count) at += part_rows(&batch->parts[i]) * rows.stride;
    }
}

/* --- the steps --- */

static void widen_pieces(struct model *model, const struct batch *batch)
{
    const struct model_weights *weights = &model->weights;
    float *row = model->features + GAP * MODEL_FEATURES;
    for (size_t i = 0; i < batch->count; i++, row += GAP * MODEL_FEATURES) {
        const int32_t *tokens = batch->parts[i].tokens + part_begin(&batch->parts[i]);
        for (size_t t = 0; t < part_rows(&batch->parts[i]); t++, row += MODEL_FEATURES) {
            size_t piece = (size_t)tokens[t], table = piece % MODEL_TABLES;
            const uint8_t *bytes = weights->tables[table].values;
            row_widen(bytes + piece / MODEL_TABLES * MODEL_DIMENSIONS, MODEL_DIMENSIONS,
                      weights->scale[table], weights->lo[table], row);
        }
    }
}

/* projected = layernorm(pieces . proj of each branch + proj_b), normalised over all branches */
static void project(struct model *model, const struct batch *batch)
{
    const struct model_weights *weights = &model->weights;
    struct rows pieces = {model->features, batch->rows, MODEL_FEATURES};
    struct rows projected = {model->projected, batch->rows, MODEL_PROJECTED};
    for (size_t at = 0; at < MODEL_BRANCHES; at++) {
        const struct model_branch *branch = &weights->branches[at];
        struct rows out = {projected.values + at * MODEL_BRANCH, batch->rows, MODEL_PROJECTED};
        matrix_multiply(&branch->proj, pieces, branch->proj_b, MATRIX_SET, out, model->panel);
    }
    for (size_t row = 0; row < batch->rows; row++)
        row_normalise(projected.values + row * projected.stride, MODEL_PROJECTED,
                      weights->projected_g, weights->projected_b, (float)*weights->eps);
    clear_gaps(batch, projected, MODEL_PROJECTED);
}

/* A branch's columns of what was projected, tight, as windows need them. */
static void take_columns(const struct model *model, size_t at, struct rows x)
{
    for (size_t row = 0; row < x.count; row++)
        memcpy(x.values + row * x.stride,
               model->projected + row * MODEL_PROJECTED + at * MODEL_BRANCH,
               MODEL_BRANCH * sizeof(float));
}

/* out = in + relu(window(in) . weights + bias). A window is rows side by side, which in memory are
 * one long row: those of the next token overlap it. The first and last GAP rows have none. */
static void convolve(struct model *model, const struct batch *batch, const struct matrix *weights,
                     const float *bias, struct rows in, struct rows out)
{
    size_t left = (weights->depth / MODEL_BRANCH - 1) / 2; /* 0, 1, 2 tokens before this one */
    struct rows windows = {in.values + (GAP - left) * in.stride, batch->rows - 2 * GAP, in.stride};
    struct rows sums = {model->y, windows.count, MODEL_BRANCH};
    matrix_multiply(weights, windows, bias, MATRIX_SET, sums, model->panel);
    for (size_t row = 0; row < sums.count; row++)
        row_add_positive(in.values + (row + GAP) * in.stride, sums.values + row * sums.stride,
                         MODEL_BRANCH, out.values + (row + GAP) * out.stride);
    clear_gaps(batch, out, MODEL_BRANCH);
}

static void run_branch(struct model *model, const struct batch *batch, size_t at)
{
    const struct model_branch *branch = &model->weights.branches[at];
    struct rows x = branch_rows(batch, model->x), h = branch_rows(batch, model->h);
    struct rows c = {model->features + MODEL_DIMENSIONS + at * MODEL_BRANCH, batch->rows,
                     MODEL_FEATURES};
    take_columns(model, at, x);
    convolve(model, batch, &branch->w1, branch->b1, x, h);
    convolve(model, batch, &branch->w2, branch->b2, h, c);
}

static void sum_features(struct model *model, const struct batch *batch)
{
    const struct model_weights *weights = &model->weights;
    float *part_at = model->features + GAP * MODEL_FEATURES;
    for (size_t i = 0; i < batch->count; i++) {
        const struct model_part *part = &batch->parts[i];
        float *row = part_at + (part->first - part_begin(part)) * MODEL_FEATURES;
        for (size_t t = part->first; t < part->end; t++, row += MODEL_FEATURES) {
            row_normalise(row, MODEL_FEATURES, weights->ln_g, weights->ln_b, (float)*weights->eps);
            row_add(part->sums, row, MODEL_FEATURES);
        }
        part_at += (part_rows(part) + GAP) * MODEL_FEATURES;
    }
}

/* mean = (sum of features . cnn_W + tokens * cnn_b) / sqrt(tokens) */
static void pool_tokens(struct model *model, const struct model_text *texts, struct rows sums)
{
    const struct model_weights *weights = &model->weights;
    struct rows mean = {model->head.mean, sums.count, MODEL_DIMENSIONS};
    matrix_multiply(&weights->cnn_W, sums, NULL, MATRIX_SET, mean, model->panel);
    for (size_t i = 0; i < sums.count; i++) {
        float tokens = (float)texts[i].count, *values = mean.values + i * mean.stride;
        for (size_t d = 0; d < MODEL_DIMENSIONS; d++)
            values[d] = (values[d] + tokens * weights->cnn_b[d]) / sqrtf(tokens);
    }
}

/* The last layers; `p` skips where `d` goes through another layer. */
static void run_head(struct model *model, size_t texts)
{
    const struct model_weights *weights = &model->weights;
    const struct head *head = &model->head;
    struct rows mean = {head->mean, texts, MODEL_DIMENSIONS};
    struct rows y0 = {head->y0, texts, MODEL_HIDDEN};
    struct rows y1 = {head->y1, texts, MODEL_HIDDEN};
    struct rows y2 = {head->y2, texts, MODEL_DIMENSIONS};
    struct rows z = {head->z, texts, MODEL_DIMENSIONS};
    matrix_multiply(&weights->d0, mean, NULL, MATRIX_SET, y0, model->panel);
    row_positive(y0.values, y0.count * y0.stride);
    matrix_multiply(&weights->p1, mean, NULL, MATRIX_SET, y1, model->panel);
    matrix_multiply(&weights->d1, y0, NULL, MATRIX_ADD, y1, model->panel);
    row_positive(y1.values, y1.count * y1.stride);
    matrix_multiply(&weights->d2, y1, NULL, MATRIX_SET, y2, model->panel);
    row_positive(y2.values, y2.count * y2.stride);
    matrix_multiply(&weights->p3, y1, NULL, MATRIX_SET, z, model->panel);
    matrix_multiply(&weights->d3, y2, NULL, MATRIX_ADD, z, model->panel);
}

static void write_vectors(const struct model *model, const struct model_text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float *z = model->head.z + i * MODEL_DIMENSIONS;
        for (size_t d = 0; d < MODEL_DIMENSIONS; d++) z[d] = tanhf(z[d]);
        float length = sqrtf(fmaxf(row_dot(z, z, MODEL_DIMENSIONS), (float)*model->weights.eps));
        for (size_t d = 0; d < MODEL_DIMENSIONS; d++) texts[i].vector[d] = z[d] / length;
    }
}

void model_read(struct model *model, const struct model_part *parts, size_t count)
{
    struct batch batch = {parts, count, GAP};
    for (size_t i = 0; i < count; i++) batch.rows += part_rows(&parts[i]) + GAP;
    reserve_rows(model, batch.rows);
    clear_gaps(&batch, (struct rows){model->features, batch.rows, MODEL_FEATURES}, MODEL_FEATURES);
    widen_pieces(model, &batch);
    project(model, &batch);
    for (size_t at = 0; at < MODEL_BRANCHES; at++) run_branch(model, &batch, at);
    sum_features(model, &batch);
}

void model_finish(struct model *model, const struct model_text *texts, float *sums, size_t count)
{
    reserve_head(&model->head, count);
    pool_tokens(model, texts, (struct rows){sums, count, MODEL_FEATURES});
    run_head(model, count);
    write_vectors(model, texts, count);
}

void model_run(struct model *model, const struct model_text *texts, size_t count)
{
    struct model_part *parts = xcalloc(count, sizeof *parts);
    reserve_head(&model->head, count);
    memset(model->head.sums, 0, count * MODEL_FEATURES * sizeof(float));
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct model_part){.tokens = texts[i].tokens,
                                       .count = texts[i].count,
                                       .end = texts[i].count,
                                       .sums = model->head.sums + i * MODEL_FEATURES};
    model_read(model, parts, count);
    model_finish(model, texts, model->head.sums, count);
    free(parts);
}

/* --- texts --- */

size_t model_cut(const struct model *model, struct slice text, int32_t *tokens)
{
    text.len = text_cut(text, TEXT_BYTES_MAX);
    size_t count = model_tokens_cut(model->pieces, text.ptr ? text.ptr : "", text.len, tokens,
                                    MODEL_TOKENS_MAX);
    if (count) return count;
    memcpy(tokens, model->empty, sizeof model->empty);
    return EMPTY_TOKENS;
}

struct slice model_passage(struct slice title, struct slice heading, struct slice text,
                           struct buffer *out)
{
    const struct slice parts[] = {title, heading, text};
    out->len = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buffer_append_slice(out, parts[i]);
        buffer_append_char(out, '\n');
    }
    return buffer_slice(out);
}

/* --- opening --- */

/* What makes every number that comes out a row of the tables. */
static bool pieces_fit(const struct model_tokens *pieces, const int32_t *empty, size_t count)
{
    if (model_tokens_pieces(pieces) > MODEL_PIECES || count != EMPTY_TOKENS) return false;
    for (size_t i = 0; i < count; i++)
        if (empty[i] < 0 || empty[i] >= MODEL_PIECES) return false;
    return true;
}

static err_t open_pieces(struct model *model, const char *folder)
{
    char path[PATH_MAX], why[256] = "cannot be read";
    if (snprintf(path, sizeof path, "%s/sp.model", folder) >= (int)sizeof path)
        return ERR_MODEL_INVALID;
    model->pieces = model_tokens_new(path, why, sizeof why);
    if (!model->pieces) {
        log_error("%s: %s", path, why);
        return ERR_MODEL_INVALID;
    }
    size_t count = model_tokens_cut(model->pieces, "", 0, model->empty, EMPTY_TOKENS);
    if (pieces_fit(model->pieces, model->empty, count)) return OK;
    log_error(
        "%s has %zu pieces; wanted are at most %d, with a beginning, an end and an unknown one",
        path, model_tokens_pieces(model->pieces), MODEL_PIECES);
    return ERR_MODEL_INVALID;
}

/* An array may be another one of the same shape, or damaged within the rules: a text that has
 * pieces of every table tells. The beginning of its vector, from the model's own program. */
static const char check_text[] =
    "The quick brown fox jumps over the lazy dog; el veloz murciélago comía feliz cardillo y kiwi. "
    "Which port does the server listen on, and how are 1,024 connections configured? "
    "A manual of cheese, una carpeta de archivos.";
static const float check_vector[16] = {
    -0.019480f, -0.035559f, 0.055357f,  0.015860f,  0.039958f,  -0.080946f, 0.029063f,  -0.060853f,
    0.026676f,  0.021510f,  -0.016723f, -0.001834f, -0.001341f, 0.060556f,  -0.032151f, -0.030622f};

static err_t check(struct model *model, const char *folder)
{
    int32_t tokens[MODEL_TOKENS_MAX];
    float vector[MODEL_DIMENSIONS], worst = 0;
    struct model_text text = {tokens, model_cut(model, slice_of(check_text), tokens), vector};
    model_run(model, &text, 1);
    for (size_t i = 0; i < ARRAY_LEN(check_vector); i++)
        worst = fmaxf(worst, fabsf(vector[i] - check_vector[i]));
    if (worst < 2e-5f) return OK; /* rounding is a tenth of that */
    log_error("the model in %s computes something else than it should (off by %.6f)", folder,
              (double)worst);
    return ERR_MODEL_INVALID;
}

err_t model_open(const char *folder, struct model **out)
{
    struct model *model = xaligned(sizeof *model);
    model->panel = xaligned(MATRIX_DEPTH_MAX * MATRIX_PANEL * sizeof(float));
    err_t error = model_weights_open(&model->weights, folder);
    if (!error) error = open_pieces(model, folder);
    if (!error) error = check(model, folder);
    if (error)
        model_close(&model);
    else
        *out = model;
    return error;
}

void model_close(struct model **self)
{
    struct model *model = *self;
    if (!model) return;
    free_rows(model);
    free_head(&model->head);
    free(model->panel);
    if (model->pieces) model_tokens_destroy(&model->pieces);
    model_weights_close(&model->weights);
    free(model);
    *self = NULL;
}
