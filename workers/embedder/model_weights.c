/* One table says what arrays there are, what each has to be and where it goes. */
#include "workers/embedder/model_weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

enum kind {
    VECTOR, /* to memory of its own */
    PART,   /* into the struct */
    MATRIX,
    SCALAR
};

#define PLACE(member) offsetof(struct model_weights, member)
/* Those of the branch that looks at WINDOW tokens. */
#define BRANCH(at, window)                                                                    \
    {"proj" #window, MATRIX, MODEL_DIMENSIONS, MODEL_BRANCH, PLACE(branches[at].proj)},       \
        {"proj_b" #window, VECTOR, MODEL_BRANCH, 0, PLACE(branches[at].proj_b)},              \
        {"ln_g" #window, PART, MODEL_BRANCH, 0, PLACE(projected_g[at * MODEL_BRANCH])},       \
        {"ln_b" #window, PART, MODEL_BRANCH, 0, PLACE(projected_b[at * MODEL_BRANCH])},       \
        {"w1_" #window, MATRIX, window * MODEL_BRANCH, MODEL_BRANCH, PLACE(branches[at].w1)}, \
        {"b1_" #window, VECTOR, MODEL_BRANCH, 0, PLACE(branches[at].b1)},                     \
        {"w2_" #window, MATRIX, window * MODEL_BRANCH, MODEL_BRANCH, PLACE(branches[at].w2)}, \
    {                                                                                         \
        "b2_" #window, VECTOR, MODEL_BRANCH, 0, PLACE(branches[at].b2)                        \
    }

static const struct array {
    const char *name;
    enum kind kind;
    size_t rows, columns, place;
} arrays[] = {
    {"scale", VECTOR, MODEL_TABLES, 0, PLACE(scale)},
    {"lo", VECTOR, MODEL_TABLES, 0, PLACE(lo)},
    BRANCH(0, 2),
    BRANCH(1, 3),
    BRANCH(2, 5),
    {"ln_g", VECTOR, MODEL_FEATURES, 0, PLACE(ln_g)},
    {"ln_b", VECTOR, MODEL_FEATURES, 0, PLACE(ln_b)},
    {"cnn_W", MATRIX, MODEL_FEATURES, MODEL_DIMENSIONS, PLACE(cnn_W)},
    {"cnn_b", VECTOR, MODEL_DIMENSIONS, 0, PLACE(cnn_b)},
    {"d0", MATRIX, MODEL_DIMENSIONS, MODEL_HIDDEN, PLACE(d0)},
    {"d1", MATRIX, MODEL_HIDDEN, MODEL_HIDDEN, PLACE(d1)},
    {"d2", MATRIX, MODEL_HIDDEN, MODEL_DIMENSIONS, PLACE(d2)},
    {"d3", MATRIX, MODEL_DIMENSIONS, MODEL_DIMENSIONS, PLACE(d3)},
    {"p1", MATRIX, MODEL_DIMENSIONS, MODEL_HIDDEN, PLACE(p1)},
    {"p3", MATRIX, MODEL_HIDDEN, MODEL_DIMENSIONS, PLACE(p3)},
    {"eps", SCALAR, 0, 0, PLACE(eps)},
};

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static void *copy_of(const void *values, size_t bytes)
{
    return memcpy(xaligned(bytes), values, bytes);
}

/* Says what is wrong with an array's values, or NULL. */
static const char *take(const struct array *array, const void *values, size_t count, void *place)
{
    if (array->kind == SCALAR) {
        double value = *(const double *)values;
        if (!(value > 0 && value < 1)) return "is not between 0 and 1";
        *(double **)place = copy_of(values, sizeof(double));
        return NULL;
    }
    if (!all_finite(values, count)) return "has values that are not finite";
    if (array->kind == MATRIX)
        return matrix_pack(place, values, array->rows, array->columns) ? NULL
                                                                       : "is not of eight bits";
    if (array->kind == PART)
        memcpy(place, values, count * sizeof(float));
    else
        *(float **)place = copy_of(values, count * sizeof(float));
    return NULL;
}

static err_t read_array(const struct array *array, const char *folder,
                        struct model_weights *weights)
{
    struct npy npy;
    struct npy_shape shape = {array->kind == SCALAR ? NPY_FLOAT64 : NPY_FLOAT32, array->rows,
                              array->columns};
    err_t error = npy_open(&npy, folder, array->name, &shape);
    if (error) return error;
    const char *why = take(array, npy.values, npy_count(&shape), (char *)weights + array->place);
    npy_close(&npy);
    if (!why) return OK;
    log_error("%s/weights/%s.npy %s", folder, array->name, why);
    return ERR_MODEL_INVALID;
}

static err_t map_tables(const char *folder, struct model_weights *weights)
{
    static const struct npy_shape shape = {NPY_UINT8, MODEL_TABLE_ROWS, MODEL_DIMENSIONS};
    err_t error = OK;
    for (unsigned i = 0; i < MODEL_TABLES && !error; i++) {
        char name[8];
        snprintf(name, sizeof name, "q%u", i + 1);
        error = npy_open(&weights->tables[i], folder, name, &shape);
    }
    return error;
}

err_t model_weights_open(struct model_weights *weights, const char *folder)
{
    *weights = (struct model_weights){0};
    err_t error = map_tables(folder, weights);
    for (size_t i = 0; i < ARRAY_LEN(arrays) && !error; i++)
        error = read_array(&arrays[i], folder, weights);
    return error;
}

void model_weights_close(struct model_weights *weights)
{
    for (size_t i = 0; i < MODEL_TABLES; i++) npy_close(&weights->tables[i]);
    for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
        void *place = (char *)weights + arrays[i].place;
        if (arrays[i].kind == MATRIX)
            matrix_free(place);
        else if (arrays[i].kind != PART)
            free(*(void **)place);
    }
    *weights = (struct model_weights){0};
}
