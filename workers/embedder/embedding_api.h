/* The dialect of embedding providers, POST {base URL}/embeddings: OpenAI's, which Mistral and most
 * servers of models speak with small differences. Knows nothing of connections. Pure. */
#ifndef MILLRACE_EMBEDDER_EMBEDDING_API_H
#define MILLRACE_EMBEDDER_EMBEDDING_API_H

#include "common/buffer.h"
#include "workers/embedder/backend.h"

/* Appends the request's body. Of each text at most `text_bytes_max` bytes are sent. */
void embedding_request_write(const struct embedder_info *info, const struct embed_item *items,
                             size_t count, size_t text_bytes_max, struct buffer *body);
/* The most bytes that a good response to `count` texts can have. */
size_t embedding_response_bytes_max(const struct embedder_info *info, size_t count);
/* Reads a response into the items' vectors, normalised; one of zeros stays so.
 * ERR_PROVIDER_BAD_RESPONSE for what is no response at all, ERR_EMBEDDING_INVALID for vectors that
 * are too many or too few, have other dimensions or numbers that are none. */
err_t embedding_response_read(struct slice body, const struct embedder_info *info,
                              const struct embed_item *items, size_t count) MUST_USE;
/* All the text of an item, title and heading first, in bytes. */
size_t embedding_item_bytes(const struct embed_item *item);

#endif
