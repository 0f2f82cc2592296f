/* The local model as a filter, for comparing it with the program it comes from.
 *
 *     model_vectors MODEL_DIR < texts > vectors
 *
 * What comes out for each text (texts.h) is the number of its tokens (uint32), the tokens (int32)
 * and the vector (float32), little-endian. */
#include <stdio.h>

#include "tests/oracle/texts.h"

static void answer(struct model *model, struct slice text)
{
    int32_t tokens[MODEL_TOKENS_MAX];
    float vector[MODEL_DIMENSIONS];
    uint32_t count = embed_text(model, text, tokens, vector);
    fwrite(&count, sizeof count, 1, stdout);
    fwrite(tokens, sizeof *tokens, count, stdout);
    fwrite(vector, sizeof vector, 1, stdout);
}

int main(int argc, char **argv)
{
    struct model *model;
    struct buffer text = {0};
    if (argc != 2) return fputs("usage: model_vectors MODEL_DIR\n", stderr), 2;
    if (model_open(argv[1], &model)) return 1;
    while (read_text(&text)) answer(model, buffer_slice(&text));
    model_close(&model);
    buffer_free(&text);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
