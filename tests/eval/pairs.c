/* How near two questions are, and whether the guard lets one have the other's answer.
 *
 *     pairs PAIRS MODEL_DIR
 *
 * PAIRS: a line a pair, "label <tab> language <tab> question <tab> question"; of MODEL_DIR "" the
 * vectors are those of hashing. Prints "label <tab> cosine <tab> agrees <tab> question <tab>
 * question"; agrees is 1 or 0. Figures are made of it by semantic.py. The time that guarding takes
 * goes to standard error. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/complexity.h"
#include "workers/embedder/hashing.h"
#include "workers/embedder/model.h"
#include "workers/retriever/semantic_guard.h"

enum { DIMENSIONS_MAX = MAX((int)HASHING_DIMENSIONS, (int)MODEL_DIMENSIONS), FIELDS = 4 };

static struct hashing *hashing;
static struct model *model; /* NULL: hashing it is */
static uint64_t guard_ns, guarded;

static void embed(struct slice text, float *vector)
{
    int32_t tokens[MODEL_TOKENS_MAX];
    if (model)
        model_run(model, &(struct model_text){tokens, model_cut(model, text, tokens), vector}, 1);
    else
        hashing_embed(hashing, text, vector);
}

static double cosine(struct slice a, struct slice b)
{
    float x[DIMENSIONS_MAX], y[DIMENSIONS_MAX];
    double sum = 0;
    embed(a, x);
    embed(b, y);
    for (size_t i = 0; i < (model ? (size_t)MODEL_DIMENSIONS : (size_t)HASHING_DIMENSIONS); i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

static bool agree(const struct language *language, struct slice a, struct slice b)
{
    struct arena arena = {0};
    uint64_t start = clock_ns();
    const struct reading *x = reading_new(language, a, &arena);
    const struct reading *y = reading_new(language, b, &arena);
    bool agrees = x && y && readings_agree(x, y) &&
                  complexity_classify(language, a) == complexity_classify(language, b);
    guard_ns += clock_ns() - start;
    guarded++;
    arena_free(&arena);
    return agrees;
}

static bool split(char *line, struct slice fields[FIELDS])
{
    char *rest = line, *field;
    size_t count = 0;
    line[strcspn(line, "\n")] = '\0';
    while (count < FIELDS && (field = strsep(&rest, "\t"))) fields[count++] = slice_of(field);
    return count == FIELDS && !rest;
}

static void print_pair(const struct slice fields[FIELDS])
{
    const struct language *language = language_find(fields[1]);
    if (!language) exit(1);
    printf("%s\t%.4f\t%d\t%s\t%s\n", fields[0].ptr, cosine(fields[2], fields[3]),
           agree(language, fields[2], fields[3]), fields[2].ptr, fields[3].ptr);
}

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[1], "r") : NULL;
    struct slice fields[FIELDS];
    char *line = NULL;
    size_t capacity = 0;
    if (!file) return fprintf(stderr, "usage: pairs PAIRS MODEL_DIR\n"), 2;
    if (*argv[2] && model_open(argv[2], &model)) return 1;
    hashing = hashing_new();
    while (getline(&line, &capacity, file) > 0)
        if (split(line, fields)) print_pair(fields);
    fprintf(stderr, "guard: %.1f us a pair\n",
            guarded ? (double)guard_ns / (double)guarded / 1e3 : 0);
    free(line);
    fclose(file);
    hashing_destroy(&hashing);
    model_close(&model);
    return 0;
}
