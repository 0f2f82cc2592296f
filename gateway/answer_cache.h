/* What the cache holds, as records: answers, and the frames of the stages before them. What does
 * not parse, or is not what its key says, is dropped as garbage. */
#ifndef MILLRACE_GATEWAY_ANSWER_CACHE_H
#define MILLRACE_GATEWAY_ANSWER_CACHE_H

#include "common/arena.h"
#include "gateway/cache.h"
#include "proto/records.h"

/* clang-format off */
#define CACHED_ANSWER_FIELDS(F, N, R, L) \
    F(U64,  until)               /* milliseconds since 1970 */ \
    F(TEXT, answer) \
    F(TEXT, finish_reason) \
    F(TEXT, written_by) \
    F(U64,  portfolio_version)   /* that was searched */ \
    R(usage, usage) \
    L(citation, citations)
/* clang-format on */
RECORD_STRUCT(cached_answer, CACHED_ANSWER_FIELDS)

/* Keeps a complete answer; its `until` is set here. */
void answer_keep(struct cache *cache, const struct digest *digest, struct cached_answer *answer);
/* From memory, copied into the arena. */
bool answer_peek(struct cache *cache, const struct digest *digest, struct arena *arena,
                 struct cached_answer *answer);
/* From what Redis had (ptr NULL: nothing), copied likewise; then it is in memory too. */
bool answer_take(struct cache *cache, const struct digest *digest, struct slice value,
                 struct arena *arena, struct cached_answer *answer);

/* True for a context frame of this portfolio's version. */
bool context_is_sound(struct slice frame, uint64_t portfolio_id, uint64_t version);
/* True for a frame with one vector of this embedder. */
bool embedding_is_sound(struct slice frame, struct slice embedder);

#endif
