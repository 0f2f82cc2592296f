/* What generations find and leave in the cache: the answer itself, and the frames of the stages
 * before it, which save those stages where only the answer is to be made anew. */
#include "common/metrics.h"
#include "gateway/generation_internal.h"

/* How long a frame that came from Redis is remembered here: its own end is not known. */
#define FRAME_REMEMBERED_MS 60000

void count_lookups(const char *kind, bool hit, size_t questions)
{
    metric_add(METRIC_CACHE_REQUESTS, (double)questions, kind, hit ? "hit" : "miss");
}

/* --- keeping --- */

/* Only what is whole, and was made from all that it should have been made from, under the version
 * that was searched. */
void generation_keep_answer(const struct generation *generation)
{
    const struct order *order = generation->order;
    const struct meta *meta = &generation->meta;
    struct cached_answer answer = {
        .answer = buffer_slice(&generation->text),
        .finish_reason = meta->finish_reason,
        .written_by = meta->written_by,
        .portfolio_version = generation->searched,
        .usage = meta->usage,
        .citations = meta->citations,
    };
    if (!order->kept || order->by_words || !flags_now(generation->all->flags)->cache) return;
    if (!answer.answer.len || !slice_equal(answer.finish_reason, SLICE("stop"))) return;
    if (order->portfolio_id && !generation->searched) return;
    struct digest key = digest_at_version(&order->place.base, generation->searched);
    answer_keep(generation->all->cache, &key, &answer);
}

void generation_keep_embedding(const struct generation *generation, const struct body *body)
{
    const struct order *order = generation->order;
    struct slice frame = body_frame(body, FRAME_EMBEDDING);
    if (order->kept && frame.len) cache_keep(generation->all->cache, &order->embedding, frame);
}

void generation_keep_chunks(const struct generation *generation, const struct body *body)
{
    const struct order *order = generation->order;
    struct cache_key key = order->chunks;
    struct slice frame = body_frame(body, FRAME_CONTEXT);
    if (!order->kept || order->by_words || !frame.len || !generation->searched) return;
    key.digest = digest_at_version(&order->chunks_base, generation->searched);
    cache_keep(generation->all->cache, &key, frame);
}

/* --- finding --- */

static void take_kept(struct generation *generation, const struct cached_answer *kept)
{
    generation->source = ANSWER_EXACT;
    generation->searched = kept->portfolio_version;
    buffer_append_slice(&generation->text, kept->answer);
    generation->meta = (struct meta){.finish_reason = kept->finish_reason,
                                     .written_by = kept->written_by,
                                     .usage = kept->usage,
                                     .citations = kept->citations};
}

bool generation_fill(struct generations *all, const struct answer_place *place,
                     struct follower *follower)
{
    struct cached_answer kept;
    struct arena arena = {0};
    bool found = answer_peek(all->cache, &place->key, &arena, &kept);
    count_lookups("answer_memory", found, 1);
    if (!found) {
        arena_free(&arena);
        return false;
    }
    count_lookups("answer", true, 1);
    generation_filled(all, follower);
    follower->generation->arena = arena;
    take_kept(follower->generation, &kept);
    return true;
}

void generation_recall(struct generation *generation, const struct answer_question *question)
{
    struct digest base = chunks_base(question);
    struct cache_key key = {.kind = CACHE_CHUNKS,
                            .digest = digest_at_version(&base, generation->searched)};
    struct slice frame = cache_peek(generation->all->cache, &key);
    if (!frame.ptr || generation->staged) return;
    generation->staged = body_new();
    body_set(generation->staged, FRAME_CONTEXT, frame);
}

/* One of those that look() waits for. */
static void looked(struct generation *generation)
{
    if (!--generation->order->looking) generation_looked(generation);
}

void order_name_frames(struct order *order, const struct answer_question *question)
{
    struct slice embedder = slice_of(order->embedder);
    order->chunks_base = chunks_base(question);
    order->chunks =
        (struct cache_key){.kind = CACHE_CHUNKS,
                           .digest = digest_at_version(&order->chunks_base, order->place.version)};
    order->embedding = (struct cache_key){.kind = CACHE_EMBEDDING,
                                          .digest = embedding_digest(embedder, question->message),
                                          .embedder = embedder};
}

static void on_kept_answer(void *context, struct slice packed)
{
    struct generation *generation = context;
    struct cache *cache = generation->all->cache;
    struct cached_answer kept;
    struct buffer bytes = {0};
    bool found = answer_take(cache, &generation->order->place.key,
                             cache_unpack(cache, packed, &bytes), &generation->arena, &kept);
    count_lookups("answer_redis", found, 1);
    if (found) take_kept(generation, &kept);
    buffer_free(&bytes);
    looked(generation);
}

/* A frame from Redis, or from memory. */
static void use_frame(struct generation *generation, const struct cache_key *key,
                      struct slice value, bool sound, enum frame frame)
{
    if (value.ptr && !sound) cache_drop_garbage(generation->all->cache, key);
    count_lookups(cache_kind_name(key->kind), sound, 1);
    if (sound) body_set(generation->order->body, frame, value);
}

/* Once the answer is there, its passages are for those who tell their sources, and the vector is
 * for nobody. */
static void on_kept_chunks(void *context, struct slice packed)
{
    struct generation *generation = context;
    const struct order *order = generation->order;
    struct cache *cache = generation->all->cache;
    struct buffer bytes = {0};
    if (generation->source != ANSWER_EXACT || order->sources) {
        struct slice value = cache_unpack(cache, packed, &bytes);
        bool sound = context_is_sound(value, order->portfolio_id, order->place.version);
        if (sound) cache_remember(cache, &order->chunks, value, FRAME_REMEMBERED_MS);
        use_frame(generation, &order->chunks, value, sound, FRAME_CONTEXT);
    }
    buffer_free(&bytes);
    looked(generation);
}

static void on_kept_embedding(void *context, struct slice packed)
{
    struct generation *generation = context;
    const struct order *order = generation->order;
    struct cache *cache = generation->all->cache;
    struct buffer bytes = {0};
    if (generation->source != ANSWER_EXACT) {
        struct slice value = cache_unpack(cache, packed, &bytes);
        bool sound = embedding_is_sound(value, order->embedding.embedder);
        if (sound) cache_remember(cache, &order->embedding, value, FRAME_REMEMBERED_MS);
        use_frame(generation, &order->embedding, value, sound, FRAME_EMBEDDING);
    }
    buffer_free(&bytes);
    looked(generation);
}

static void look_for_frame(struct generation *generation, const struct cache_key *key,
                           enum frame frame, void (*on_value)(void *context, struct slice value))
{
    struct cache *cache = generation->all->cache;
    struct slice value = cache_peek(cache, key);
    if (value.ptr) {
        use_frame(generation, key, value, true, frame);
    } else if (cache_is_shared(cache)) {
        generation->order->looking++;
        cache_fetch(cache, key, on_value, generation);
    } else {
        count_lookups(cache_kind_name(key->kind), false, 1);
    }
}

/* All in one go. An answer to a similar question comes from the retriever, which has to be asked.
 */
void generation_look(struct generation *generation)
{
    struct order *order = generation->order;
    struct cache *cache = generation->all->cache;
    struct cache_key answer = {.kind = CACHE_ANSWER, .digest = order->place.key};
    order->looking = 1;
    if (order->kept && cache_is_shared(cache)) {
        order->looking++;
        cache_fetch(cache, &answer, on_kept_answer, generation);
    }
    if (order->kept && order->portfolio_id && !order->semantic)
        look_for_frame(generation, &order->chunks, FRAME_CONTEXT, on_kept_chunks);
    if (order->kept && order->portfolio_id && *order->embedder)
        look_for_frame(generation, &order->embedding, FRAME_EMBEDDING, on_kept_embedding);
    looked(generation);
}
