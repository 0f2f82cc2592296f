/* Text cut into the model's pieces, by SentencePiece. Its interface is C++ only; model_tokens.cc is
 * the one file of this project that isn't C, and lets no exception out. */
#ifndef MILLRACE_EMBEDDER_MODEL_TOKENS_H
#define MILLRACE_EMBEDDER_MODEL_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct model_tokens;

/* Reads a model's file. NULL if it can't be read; `why` then says what is wrong. */
struct model_tokens *model_tokens_new(const char *path, char *why, size_t why_bytes);
void model_tokens_destroy(struct model_tokens **tokens);
size_t model_tokens_pieces(const struct model_tokens *tokens); /* how many it knows */
/* Writes at most `max` numbers, each less than model_tokens_pieces(): a beginning, the text's
 * pieces, an end. What doesn't fit is left out. Returns how many; 0 if the text can't be cut at
 * all. */
size_t model_tokens_cut(const struct model_tokens *tokens, const char *text, size_t len,
                        int32_t *out, size_t max);

#ifdef __cplusplus
}
#endif

#endif
