/* How long the local model takes for a text, its cutting into pieces included: the median of many
 * rounds, a line a text. floor_model.py does the same with the program the model comes from.
 *
 *     bench_model MODEL_DIR ROUNDS TEXT...        "tokens <tab> microseconds"
 *     bench_model MODEL_DIR ROUNDS --batch TEXT   the same text eight times side by side, for one
 *     bench_model MODEL_DIR < texts               texts a second, of those in texts.h's frames
 *
 * MATRIX_KERNEL in the environment names the kernel (matrix.h), the best unless it is set. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/bench/samples.h"
#include "tests/oracle/texts.h"

enum { BATCH = 8 };

static void embed(struct model *model, struct slice text, size_t times, size_t *tokens)
{
    int32_t pieces[BATCH][MODEL_TOKENS_MAX];
    float vectors[BATCH][MODEL_DIMENSIONS];
    struct model_text texts[BATCH];
    for (size_t i = 0; i < times; i++)
        texts[i] = (struct model_text){pieces[i], model_cut(model, text, pieces[i]), vectors[i]};
    model_run(model, texts, times);
    *tokens = texts[0].count;
}

static void measure(struct model *model, const char *text, size_t rounds, size_t times)
{
    struct samples samples = {0};
    size_t tokens;
    for (size_t i = 0; i < rounds; i++) {
        uint64_t start = clock_ns();
        embed(model, slice_of(text), times, &tokens);
        samples_add(&samples, (clock_ns() - start) / times);
    }
    printf("%zu\t%.1f\n", tokens, (double)samples_quantile(&samples, 0.5) / 1000);
    samples_free(&samples);
}

static void measure_rate(struct model *model)
{
    int32_t tokens[MODEL_TOKENS_MAX];
    float vector[MODEL_DIMENSIONS];
    struct buffer text = {0};
    uint64_t spent_ns = 0, texts = 0;
    for (; read_text(&text); texts++) {
        uint64_t start = clock_ns();
        embed_text(model, buffer_slice(&text), tokens, vector);
        spent_ns += clock_ns() - start;
    }
    printf("%.2f\n", spent_ns ? (double)texts * 1e9 / (double)spent_ns : 0);
    buffer_free(&text);
}

int main(int argc, char **argv)
{
    struct model *model;
    if (argc < 2 || argc == 3)
        return fputs("usage: bench_model MODEL_DIR [ROUNDS TEXT...]\n", stderr), 2;
    if (!matrix_use(getenv("MATRIX_KERNEL")) || model_open(argv[1], &model)) return 1;
    bool batch = argc > 3 && !strcmp(argv[3], "--batch");
    if (argc == 2) measure_rate(model);
    for (int i = 3 + batch; i < argc; i++)
        measure(model, argv[i], (size_t)atoi(argv[2]), batch ? BATCH : 1);
    model_close(&model);
    return 0;
}
