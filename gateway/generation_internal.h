/* What generation.c (life, table, job) and generation_cache.c (what is kept) share. */
#ifndef MILLRACE_GATEWAY_GENERATION_INTERNAL_H
#define MILLRACE_GATEWAY_GENERATION_INTERNAL_H

#include "gateway/generation.h"
#include "gateway/http_server.h"

enum { BUCKETS = 1024 };

struct generations {
    struct lane_io *lanes;
    struct cache *cache;
    const struct flags_store *flags;
    char served[128]; /* the generators' default, as they last said */
    LIST_HEAD(, generation) buckets[BUCKETS];
};

/* What a generation is to do; gone once it is done. */
struct order {
    bool kept; /* the four below are set */
    struct answer_place place;
    struct digest chunks_base;
    struct cache_key chunks, embedding;
    uint64_t agent_id, agent_version, portfolio_id;
    char *embedder;
    bool semantic, tentative;
    bool sources;  /* a follower tells the passages, also of an answer that was kept */
    bool by_words; /* retrieved without the vector that it should have had */
    const char *stages;
    struct body *body; /* until the job has it */
    uint64_t deadline_us;
    char trace[HTTP_REQUEST_ID_MAX + 1];
    unsigned looking; /* answers of Redis that are to come */
};

/* Counts look-ups of a kind. */
void count_lookups(const char *kind, bool hit, size_t questions);

/* Sets the keys that the order's frames are kept under. */
void order_name_frames(struct order *order, const struct answer_question *question);
/* Looks for all that is kept, in one go; generation_looked() is called exactly once, perhaps before
 * it returns. */
void generation_look(struct generation *generation);
/* All that was asked is answered, or nothing was. */
void generation_looked(struct generation *generation);
/* Fills one that is OVER with the answer that memory has. */
bool generation_fill(struct generations *all, const struct answer_place *place,
                     struct follower *follower);

/* Keep what has been made, where it may be. */
void generation_keep_answer(const struct generation *generation);
void generation_keep_embedding(const struct generation *generation, const struct body *body);
void generation_keep_chunks(const struct generation *generation, const struct body *body);

#endif
