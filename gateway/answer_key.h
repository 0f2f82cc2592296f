/* What an answer depends on, as the keys that it is kept under. Pure.
 *
 *     agent:response:<SHA-256 of all below>            an answer
 *     rag:chunks:<SHA-256 of what retrieval reads>     the passages of a question, as a frame
 *     rag:embedding:<embedder>:<SHA-256 of the text>   a question's vector, as a frame
 *
 * Every field goes into the digest behind its length. The portfolio's version goes in last, so that
 * an answer can be kept under the version that was searched, whichever was expected. */
#ifndef MILLRACE_GATEWAY_ANSWER_KEY_H
#define MILLRACE_GATEWAY_ANSWER_KEY_H

#include "common/buffer.h"
#include "common/sha256.h"

struct answer_question {
    struct slice tenant;
    uint64_t agent_id, agent_version;
    struct slice
        served; /* what the generators answer with by default; "" where the agent names it */
    struct slice message;
    struct slice language;  /* the question's */
    struct slice answer_in; /* the answer's, where somebody has chosen it */
    uint64_t portfolio_id; /* 0: nothing is retrieved */
    struct slice embedder;
    uint64_t top_k, max_tokens;
    struct slice history; /* digest of the conversation before it; "" for none */
};

struct digest {
    uint8_t bytes[SHA256_BYTES];
};

/* What is surely the same question: white space at the ends dropped, runs of it one space, and the
 * first word's capital, which says nothing, small ("What is" is "what is"; "IT" stays). Any other
 * letter, accent and sign is kept: they tell "US" from "us" and 5 from 5%. */
void answer_query(struct slice message, struct buffer *out);

/* All but the portfolio's version. */
struct digest answer_base(const struct answer_question *question);
/* Likewise, of what the passages depend on; the agent is not among it. */
struct digest chunks_base(const struct answer_question *question);
struct digest digest_at_version(const struct digest *base, uint64_t version);
struct digest embedding_digest(struct slice embedder, struct slice text);

#endif
