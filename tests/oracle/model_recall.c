/* What searching the model's vectors as int8 loses: for each question the first TOP passages by
 * int8, as the retriever finds them, beside those by float, on every kind of instructions that the
 * processor has.
 *
 *     model_recall MODEL_DIR PASSAGES < texts
 *
 * The first PASSAGES texts are passages, the others questions. Status 1 if the recall is below
 * RECALL_MIN, or if two kinds of instructions give another order. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/oracle/texts.h"
#include "workers/retriever/scan.h"

enum { TOP = 8 };

#define RECALL_MIN 0.99

struct passages {
    size_t count;
    float *vectors;
    int8_t *rows;
    float *scales;
    int32_t *sums, *dots;
    float *scores; /* of one question */
};

static struct passages read_passages(struct model *model, size_t count)
{
    struct passages passages = {
        count,
        xaligned(count * MODEL_DIMENSIONS * sizeof(float)),
        xaligned(count * MODEL_DIMENSIONS),
        xaligned(count * sizeof(float)),
        xaligned(count * sizeof(int32_t)),
        xaligned(count * sizeof(int32_t)),
        xaligned(count * sizeof(float)),
    };
    int32_t tokens[MODEL_TOKENS_MAX];
    struct buffer text = {0};
    for (size_t i = 0; i < count; i++) {
        float *vector = passages.vectors + i * MODEL_DIMENSIONS;
        if (!read_text(&text)) exit(1);
        embed_text(model, buffer_slice(&text), tokens, vector);
        passages.scales[i] = scan_quantise(vector, MODEL_DIMENSIONS,
                                           passages.rows + i * MODEL_DIMENSIONS, &passages.sums[i]);
    }
    buffer_free(&text);
    return passages;
}

/* The passages with the best scores, best first. */
static void best_of(const struct passages *passages, size_t best[TOP])
{
    size_t count = 0;
    for (size_t i = 0; i < passages->count; i++) {
        size_t at = count;
        while (at > 0 && passages->scores[best[at - 1]] < passages->scores[i]) at--;
        if (at == TOP) continue;
        count = MIN(count + 1, TOP);
        memmove(best + at + 1, best + at, (count - at - 1) * sizeof *best);
        best[at] = i;
    }
}

static void rank_by_float(const struct passages *passages, const float *question, size_t *best)
{
    for (size_t i = 0; i < passages->count; i++) {
        double sum = 0;
        for (size_t d = 0; d < MODEL_DIMENSIONS; d++)
            sum += (double)question[d] * passages->vectors[i * MODEL_DIMENSIONS + d];
        passages->scores[i] = (float)sum;
    }
    best_of(passages, best);
}

static void rank_by_int8(const struct passages *passages, const float *question, size_t *best)
{
    _Alignas(SCAN_LANE) int8_t query[MODEL_DIMENSIONS];
    int32_t sum;
    float scale = scan_quantise(question, MODEL_DIMENSIONS, query, &sum);
    scan_dots(query, passages->rows, passages->sums, passages->count, MODEL_DIMENSIONS,
              passages->dots);
    for (size_t i = 0; i < passages->count; i++)
        passages->scores[i] = (float)passages->dots[i] * passages->scales[i] * scale;
    best_of(passages, best);
}

static size_t common(const size_t *a, const size_t *b)
{
    size_t found = 0;
    for (size_t i = 0; i < TOP; i++)
        for (size_t j = 0; j < TOP; j++) found += a[i] == b[j];
    return found;
}

/* Every kind of instructions gives the order that the first one gave. */
static bool same_everywhere(const struct passages *passages, const float *question,
                            const size_t *best)
{
    size_t other[TOP];
    bool same = true;
    const char *name;
    for (size_t i = 0; (name = scan_variant(i)); i++) {
        scan_use(name);
        rank_by_int8(passages, question, other);
        same &= memcmp(other, best, sizeof other) == 0;
    }
    scan_use(NULL);
    return same;
}

int main(int argc, char **argv)
{
    struct model *model;
    struct buffer text = {0};
    int32_t tokens[MODEL_TOKENS_MAX];
    float question[MODEL_DIMENSIONS];
    size_t exact[TOP], quick[TOP], found = 0, questions = 0, differ = 0;
    if (argc != 3 || atoi(argv[2]) < TOP)
        return fputs("usage: model_recall MODEL_DIR PASSAGES\n", stderr), 2;
    if (model_open(argv[1], &model)) return 1;
    struct passages passages = read_passages(model, (size_t)atoi(argv[2]));
    for (; read_text(&text); questions++) {
        embed_text(model, buffer_slice(&text), tokens, question);
        rank_by_float(&passages, question, exact);
        rank_by_int8(&passages, question, quick);
        found += common(exact, quick);
        differ += !same_everywhere(&passages, question, quick);
    }
    double recall = questions ? (double)found / (double)(questions * TOP) : 0;
    printf("int8: recall at %d %.4f over %zu questions and %zu passages; %zu in another order on "
           "another kind of instructions\n",
           TOP, recall, questions, passages.count, differ);
    return recall < RECALL_MIN || differ ? 1 : 0;
}
