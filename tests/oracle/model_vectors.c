/* The local model as a filter, for comparing it with the program it comes from.
 *
 *     model_vectors MODEL_DIR < texts > vectors
 *
 * A text is its length (uint32) and its bytes; what comes out for each is the number of its tokens
 * (uint32), the tokens (int32) and the vector (float32). Everything little-endian. */
#include <stdio.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "workers/embedder/model.h"

enum { TEXT_BYTES_MAX = 1 << 24 };

static bool read_text(struct buffer *text)
{
    uint32_t len;
    if (fread(&len, sizeof len, 1, stdin) != 1) return false;
    if (len > TEXT_BYTES_MAX) exit(1);
    text->len = 0;
    if (fread(buffer_reserve(text, len), 1, len, stdin) != len) exit(1);
    text->len = len;
    return true;
}

static void embed(struct model *model, struct slice text)
{
    int32_t tokens[MODEL_TOKENS_MAX];
    float vector[MODEL_DIMENSIONS];
    uint32_t count = (uint32_t)model_cut(model, text, tokens);
    model_run(model, &(struct model_text){tokens, count, vector}, 1);
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
    while (read_text(&text)) embed(model, buffer_slice(&text));
    model_close(&model);
    buffer_free(&text);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
