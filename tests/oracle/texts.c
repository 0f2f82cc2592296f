#include "tests/oracle/texts.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES_MAX = 1 << 24 };

bool read_text(struct buffer *text)
{
    uint32_t len;
    if (fread(&len, sizeof len, 1, stdin) != 1) return false;
    if (len > TEXT_BYTES_MAX) exit(1);
    text->len = 0;
    if (fread(buffer_reserve(text, len), 1, len, stdin) != len) exit(1);
    text->len = len;
    return true;
}

uint32_t embed_text(struct model *model, struct slice text, int32_t *tokens, float *vector)
{
    size_t count = model_cut(model, text, tokens);
    model_run(model, &(struct model_text){tokens, count, vector}, 1);
    return (uint32_t)count;
}
