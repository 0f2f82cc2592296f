/* Texts on standard input: each its length (uint32, little-endian) and its bytes. */
#ifndef MILLRACE_TESTS_ORACLE_TEXTS_H
#define MILLRACE_TESTS_ORACLE_TEXTS_H

#include "common/buffer.h"
#include "workers/embedder/model.h"

/* The next text, in `text`; false at the end. Ends the process at one that is cut or too long. */
bool read_text(struct buffer *text);
/* Embeds it; `tokens` has room for MODEL_TOKENS_MAX. Returns how many it has. */
uint32_t embed_text(struct model *model, struct slice text, int32_t *tokens, float *vector);

#endif
