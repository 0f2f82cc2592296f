#include "gateway/answer_cache.h"

#include "common/clock.h"
#include "proto/codec.h"

RECORD_TYPE(cached_answer, CACHED_ANSWER_FIELDS)

static struct cache_key key_of(const struct digest *digest)
{
    return (struct cache_key){.kind = CACHE_ANSWER, .digest = *digest};
}

/* --- answers --- */

void answer_keep(struct cache *cache, const struct digest *digest, struct cached_answer *answer)
{
    struct cache_key key = key_of(digest);
    struct buffer value = {0};
    answer->until = (uint64_t)clock_wall_ms() + cache_ttl_ms(cache, CACHE_ANSWER);
    record_encode(cached_answer_type(), answer, &value);
    cache_keep(cache, &key, buffer_slice(&value));
    buffer_free(&value);
}

static bool is_whole(const struct cached_answer *answer)
{
    return answer->answer.len && slice_equal(answer->finish_reason, SLICE("stop"));
}

/* The slices of a decoded record point into `value`, so that is what is copied. */
static bool answer_read(struct slice value, struct arena *arena, struct cached_answer *answer)
{
    struct slice copy = arena_slice(arena, value);
    return record_decode(cached_answer_type(), copy, arena, answer) == OK && is_whole(answer);
}

bool answer_peek(struct cache *cache, const struct digest *digest, struct arena *arena,
                 struct cached_answer *answer)
{
    struct cache_key key = key_of(digest);
    struct slice value = cache_peek(cache, &key);
    return value.ptr && answer_read(value, arena, answer);
}

bool answer_take(struct cache *cache, const struct digest *digest, struct slice value,
                 struct arena *arena, struct cached_answer *answer)
{
    struct cache_key key = key_of(digest);
    uint64_t now_ms = (uint64_t)clock_wall_ms();
    if (!value.ptr) return false;
    if (!answer_read(value, arena, answer)) {
        cache_drop_garbage(cache, &key);
        return false;
    }
    if (answer->until <= now_ms) return false;
    cache_remember(cache, &key, value,
                   MIN(answer->until - now_ms, cache_ttl_ms(cache, CACHE_ANSWER)));
    return true;
}

/* --- frames --- */

bool context_is_sound(struct slice frame, uint64_t portfolio_id, uint64_t version)
{
    struct arena arena = {0};
    struct context context;
    bool sound = frame.len && record_decode(context_type(), frame, &arena, &context) == OK &&
                 context.portfolio_id == portfolio_id && context.portfolio_version == version;
    arena_free(&arena);
    return sound;
}

bool embedding_is_sound(struct slice frame, struct slice embedder)
{
    struct arena arena = {0};
    struct embedding embedding;
    bool sound = frame.len && record_decode(embedding_type(), frame, &arena, &embedding) == OK &&
                 slice_equal(embedding.embedder, embedder) && embedding.count == 1 &&
                 embedding.dimensions &&
                 embedding.vectors.len == embedding.dimensions * sizeof(float);
    arena_free(&arena);
    return sound;
}
