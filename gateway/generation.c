#include "gateway/generation.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "gateway/http_server.h"
#include "proto/codec.h"

enum { BUCKETS = 1024 };
/* How long a frame that came from Redis is remembered here: its own end is not known. */
#define FRAME_REMEMBERED_MS 60000

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
    bool by_words; /* retrieved without the vector that it should have had */
    const char *stages;
    struct body *body; /* until the job has it */
    uint64_t deadline_us;
    char trace[HTTP_REQUEST_ID_MAX + 1];
    unsigned looking; /* answers of Redis that are to come */
};

static void count_many(const char *kind, bool hit, size_t questions)
{
    metric_add(METRIC_CACHE_REQUESTS, (double)questions, kind, hit ? "hit" : "miss");
}

static void count(const char *kind, bool hit)
{
    count_many(kind, hit, 1);
}

/* --- life --- */

static struct generation *generation_new(struct generations *all)
{
    struct generation *generation = xcalloc(1, sizeof(*generation));
    generation->all = all;
    generation->references = 1;
    LIST_INIT(&generation->followers);
    return generation;
}

static void order_free(struct order **order)
{
    struct order *old = *order;
    *order = NULL;
    if (!old) return;
    body_unref(&old->body);
    free(old->embedder);
    free(old);
}

static void generation_unref(struct generation *generation)
{
    if (--generation->references) return;
    order_free(&generation->order);
    body_unref(&generation->staged);
    buffer_free(&generation->text);
    buffer_free(&generation->pieces);
    arena_free(&generation->arena);
    free(generation);
}

static void follow(struct generation *generation, struct follower *follower)
{
    generation->references++;
    follower->generation = generation;
    if (generation->state == GENERATION_OVER) return;
    follower->attached = true;
    generation->wanted++;
    LIST_INSERT_HEAD(&generation->followers, follower, link);
}

static void detach(struct follower *follower)
{
    if (!follower->attached) return;
    LIST_REMOVE(follower, link);
    follower->attached = false;
}

void follower_release(struct follower *follower)
{
    struct generation *generation = follower->generation;
    detach(follower);
    follower->generation = NULL;
    if (generation) generation_unref(generation);
}

/* --- the table of those that can be joined --- */

static size_t bucket_of(const struct digest *key)
{
    uint32_t front;
    memcpy(&front, key->bytes, sizeof(front));
    return front % BUCKETS;
}

static void list(struct generation *generation)
{
    const struct answer_place *place = &generation->order->place;
    LIST_INSERT_HEAD(&generation->all->buckets[bucket_of(&place->key)], generation, link);
}

static void unlist(struct generation *generation)
{
    if (!generation->link.le_prev) return;
    LIST_REMOVE(generation, link);
    generation->link.le_prev = NULL;
}

/* Before the job is submitted it can still become one that streams follow. */
static bool can_be_joined(const struct generation *generation, bool stream)
{
    return !stream || !generation->order->tentative || generation->state == GENERATION_LOOKING;
}

static struct generation *listed(struct generations *all, const struct answer_place *place,
                                 bool stream)
{
    struct generation *generation;
    LIST_FOREACH(generation, &all->buckets[bucket_of(&place->key)], link)
    if (!memcmp(&generation->order->place.key, &place->key, sizeof(place->key)) &&
        can_be_joined(generation, stream))
        return generation;
    return NULL;
}

/* --- the end --- */

/* Those that wait for it are told; a follower may be gone after its call. */
static void end(struct generation *generation, err_t error, bool retryable)
{
    struct follower *follower;
    unlist(generation);
    generation->state = GENERATION_OVER;
    generation->error = error;
    generation->retryable = retryable;
    while ((follower = LIST_FIRST(&generation->followers))) {
        detach(follower);
        follower->handler->on_end(follower->context);
    }
    order_free(&generation->order);
    body_unref(&generation->staged);
    generation_unref(generation);
}

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

/* Only what is whole, and was made from all that it should have been made from, under the version
 * that was searched. */
static void keep(struct generation *generation)
{
    const struct order *order = generation->order;
    struct meta *meta = &generation->meta;
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

/* Of an answer that some stage had ready. */
static err_t take_ready(struct generation *generation, struct slice result)
{
    struct ready_answer ready;
    struct slice copy = arena_slice(&generation->arena, result);
    err_t error = record_decode(ready_answer_type(), copy, &generation->arena, &ready);
    if (error) return error;
    if (generation->meta.similarity > 0) generation->source = ANSWER_SEMANTIC;
    buffer_append_slice(&generation->text, ready.answer);
    generation->meta.citations = ready.citations;
    return OK;
}

static void take_end(struct generation *generation, const struct job_end *told)
{
    struct meta *meta = &generation->meta;
    record_copy(meta_type(), told->meta, &generation->arena, meta);
    if (!meta->finish_reason.len) meta->finish_reason = SLICE("stop");
    for (size_t i = 0; i < POOL_COUNT; i++) {
        generation->queue_us += told->queue_us[i];
        generation->stage_us[i] = told->stage_us[i];
    }
    metric_add(METRIC_CHAT_TOKENS, (double)meta->usage.prompt_tokens, "prompt", NULL);
    metric_add(METRIC_CHAT_TOKENS, (double)meta->usage.completion_tokens, "completion", NULL);
}

/* --- the job --- */

#define FOR_FOLLOWERS(generation, callback)               \
    do {                                                  \
        struct follower *at_;                             \
        LIST_FOREACH(at_, &(generation)->followers, link) \
        at_->handler->callback(at_->context);             \
    } while (0)

static void on_text(void *context, size_t at, struct slice text)
{
    struct generation *generation = context;
    generation->text.len = at;
    buffer_append_slice(&generation->text, text);
    if (!generation->order->tentative) {
        uint32_t piece = (uint32_t)generation->text.len;
        buffer_append(&generation->pieces, &piece, sizeof(piece));
    }
    FOR_FOLLOWERS(generation, on_text);
}

static void keep_embedding(const struct generation *generation, const struct body *body)
{
    const struct order *order = generation->order;
    struct slice frame = body_frame(body, FRAME_EMBEDDING);
    if (order->kept && frame.len) cache_keep(generation->all->cache, &order->embedding, frame);
}

static void keep_chunks(const struct generation *generation, const struct body *body)
{
    const struct order *order = generation->order;
    struct cache_key key = order->chunks;
    struct slice frame = body_frame(body, FRAME_CONTEXT);
    if (!order->kept || order->by_words || !frame.len || !generation->searched) return;
    key.digest = digest_at_version(&order->chunks_base, generation->searched);
    cache_keep(generation->all->cache, &key, frame);
}

static void on_retrieved(struct generation *generation, const struct meta *meta, struct body *body)
{
    struct order *order = generation->order;
    generation->searched = meta->portfolio_version;
    order->by_words = *order->embedder && !body_frame(body, FRAME_EMBEDDING).len;
    metric_observe(METRIC_VECTOR_SEARCH, (double)meta->search_us / 1e6, NULL);
    if (order->semantic) count("semantic", false);
    keep_chunks(generation, body);
    body_unref(&generation->staged);
    generation->staged = body_ref(body);
    FOR_FOLLOWERS(generation, on_stage);
}

static void on_stage(void *context, enum pool pool, const struct meta *meta,
                     const struct body *body)
{
    struct generation *generation = context;
    if (!flags_now(generation->all->flags)->cache) generation->order->kept = false;
    if (pool == POOL_EMBED) keep_embedding(generation, body);
    if (pool == POOL_RETRIEVE) on_retrieved(generation, meta, (struct body *)body);
}

static void on_end(void *context, const struct job_end *told)
{
    struct generation *generation = context;
    err_t error = told->error;
    take_end(generation, told);
    if (told->answered)
        metric_observe(METRIC_VECTOR_SEARCH, (double)told->meta->search_us / 1e6, NULL);
    if (!error && told->answered) error = take_ready(generation, told->result);
    if (generation->source == ANSWER_SEMANTIC) count("semantic", true);
    if (!error && !told->answered) keep(generation);
    end(generation, error, told->retryable);
}

static const struct job_handler job_handler = {on_text, on_stage, on_end};

static uint64_t time_left_ms(const struct order *order)
{
    uint64_t now_us = clock_us();
    return now_us < order->deadline_us ? (order->deadline_us - now_us + 999) / 1000 : 1;
}

/* Frames that are there already take the place of the stages that make them. */
static const char *stages_left(const struct order *order)
{
    bool embeds = !order->stages || strchr(order->stages, 'E');
    if (body_frame(order->body, FRAME_CONTEXT).len) return "G";
    if (embeds && body_frame(order->body, FRAME_EMBEDDING).len) return "RG";
    return order->stages;
}

static void skip_retrieval(struct generation *generation)
{
    generation->searched = generation->order->place.version;
    generation->staged = body_ref(generation->order->body);
}

static err_t submit(struct generation *generation)
{
    struct order *order = generation->order;
    bool retrieves = order->portfolio_id && !body_frame(order->body, FRAME_CONTEXT).len;
    struct job_spec spec = {
        .kind = KIND_CHAT,
        .stages = stages_left(order),
        .body = order->body,
        .timeout_ms = time_left_ms(order),
        .affinity = retrieves ? order->portfolio_id : 0,
        .trace = order->trace,
        .tentative = order->tentative,
        .versions = {{.kind = SLICE("agent"),
                      .id = order->agent_id,
                      .version = order->agent_version}},
    };
    if (retrieves)
        spec.versions[1] = (struct version_of){
            .kind = SLICE("portfolio"), .id = order->portfolio_id, .version = order->place.version};
    if (order->portfolio_id && !retrieves) skip_retrieval(generation);
    order->body = NULL;
    return job_submit(generation->all->lanes, &spec, &job_handler, generation, &generation->job);
}

static void make(struct generation *generation)
{
    if (generation->order->kept) {
        count("answer", false);
        count_many("shared", true, generation->wanted - 1);
    }
    err_t error = submit(generation);
    if (error) {
        generation->job = 0;
        end(generation, error, error_retryable(error));
        return;
    }
    generation->state = GENERATION_MAKING;
    FOR_FOLLOWERS(generation, on_start);
}

/* --- what is kept --- */

/* All that was asked is answered, or nothing was. */
static void looked(struct generation *generation)
{
    if (--generation->order->looking) return;
    if (generation->source == ANSWER_EXACT) {
        count_many("answer", true, generation->wanted);
        if (body_frame(generation->order->body, FRAME_CONTEXT).len)
            generation->staged = body_ref(generation->order->body);
        FOR_FOLLOWERS(generation, on_start);
        end(generation, OK, false);
    } else if (!generation->wanted) {
        end(generation, ERR_CANCELLED, false);
    } else {
        make(generation);
    }
}

static void on_cached_answer(void *context, struct slice value)
{
    struct generation *generation = context;
    struct cached_answer kept;
    bool found = answer_take(generation->all->cache, &generation->order->place.key, value,
                             &generation->arena, &kept);
    count("answer_redis", found);
    if (found) take_kept(generation, &kept);
    looked(generation);
}

/* The answer is there: its passages are for those who tell their sources, the vector for nobody. */
static bool comes_late(struct generation *generation, struct slice frame, enum frame at)
{
    if (generation->source != ANSWER_EXACT) return false;
    if (at == FRAME_CONTEXT && frame.len) body_set(generation->order->body, at, frame);
    looked(generation);
    return true;
}

/* A frame from Redis, or from memory. */
static void use_frame(struct generation *generation, const struct cache_key *key,
                      struct slice value, bool sound, enum frame frame)
{
    if (value.ptr && !sound) cache_drop_garbage(generation->all->cache, key);
    count(cache_kind_name(key->kind), sound);
    if (sound) body_set(generation->order->body, frame, value);
}

static void on_kept_chunks(void *context, struct slice value)
{
    struct generation *generation = context;
    const struct order *order = generation->order;
    if (comes_late(generation, value, FRAME_CONTEXT)) return;
    bool sound = context_is_sound(value, order->portfolio_id, order->place.version);
    if (sound) cache_remember(generation->all->cache, &order->chunks, value, FRAME_REMEMBERED_MS);
    use_frame(generation, &order->chunks, value, sound, FRAME_CONTEXT);
    looked(generation);
}

static void on_kept_embedding(void *context, struct slice value)
{
    struct generation *generation = context;
    const struct order *order = generation->order;
    if (comes_late(generation, value, FRAME_EMBEDDING)) return;
    bool sound = embedding_is_sound(value, order->embedding.embedder);
    if (sound)
        cache_remember(generation->all->cache, &order->embedding, value, FRAME_REMEMBERED_MS);
    use_frame(generation, &order->embedding, value, sound, FRAME_EMBEDDING);
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
        count(cache_kind_name(key->kind), false);
    }
}

/* All in one go. An answer to a similar question comes from the retriever, which has to be asked.
 */
static void look(struct generation *generation)
{
    struct order *order = generation->order;
    struct cache *cache = generation->all->cache;
    struct cache_key answer = {.kind = CACHE_ANSWER, .digest = order->place.key};
    order->looking = 1;
    if (order->kept && cache_is_shared(cache)) {
        order->looking++;
        cache_fetch(cache, &answer, on_cached_answer, generation);
    }
    if (order->kept && order->portfolio_id && !order->semantic)
        look_for_frame(generation, &order->chunks, FRAME_CONTEXT, on_kept_chunks);
    if (order->kept && order->portfolio_id && *order->embedder)
        look_for_frame(generation, &order->embedding, FRAME_EMBEDDING, on_kept_embedding);
    looked(generation);
}

static void name_frames(struct order *order, const struct answer_question *question)
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

static struct order *order_new(const struct generation_order *given)
{
    const struct answer_question *question = given->question;
    struct order *order = xcalloc(1, sizeof(*order));
    order->agent_id = question->agent_id;
    order->agent_version = question->agent_version;
    order->portfolio_id = question->portfolio_id;
    order->embedder =
        xstrndup(question->embedder.ptr ? question->embedder.ptr : "", question->embedder.len);
    order->semantic = given->semantic;
    order->tentative = given->tentative;
    order->stages = given->stages;
    order->body = given->body;
    order->deadline_us = clock_us() + given->timeout_ms * 1000;
    memcpy(order->trace, given->trace, MIN(strlen(given->trace), sizeof(order->trace) - 1));
    order->kept = given->place != NULL;
    if (given->place) order->place = *given->place;
    if (order->kept && order->portfolio_id) name_frames(order, question);
    return order;
}

/* --- what questions call --- */

void generation_begin(struct generations *all, const struct generation_order *given,
                      struct follower *follower)
{
    struct generation *generation = generation_new(all);
    generation->order = order_new(given);
    generation->references++; /* it may be over before it is followed */
    generation->wanted = 1;
    if (given->place) list(generation);
    look(generation);
    generation->wanted--;
    follow(generation, follower);
    generation_unref(generation);
}

void generation_filled(struct generations *all, struct follower *follower)
{
    struct generation *generation = generation_new(all);
    generation->state = GENERATION_OVER;
    follow(generation, follower);
    generation_unref(generation);
}

static bool find_kept(struct generations *all, const struct answer_place *place,
                      struct follower *follower)
{
    struct cached_answer kept;
    struct arena arena = {0};
    bool found = answer_peek(all->cache, &place->key, &arena, &kept);
    count("answer_memory", found);
    if (!found) {
        arena_free(&arena);
        return false;
    }
    count("answer", true);
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

bool generation_find(struct generations *all, const struct answer_place *place, bool stream,
                     uint64_t timeout_ms, struct follower *follower)
{
    if (find_kept(all, place, follower)) return true;
    struct generation *generation = listed(all, place, stream);
    if (!generation) return false;
    struct order *order = generation->order;
    if (stream) order->tentative = false;
    order->deadline_us = MAX(order->deadline_us, clock_us() + timeout_ms * 1000);
    if (generation->job) job_extend(all->lanes, generation->job, timeout_ms);
    if (generation->state == GENERATION_MAKING) count("shared", true);
    follow(generation, follower);
    follower->joined = true;
    return true;
}

void generation_taken(struct follower *follower, size_t bytes)
{
    struct generation *generation = follower->generation;
    if (generation->state != GENERATION_MAKING || bytes <= generation->taken) return;
    generation->taken = bytes;
    job_taken(generation->all->lanes, generation->job, bytes);
}

bool generation_leave(struct follower *follower)
{
    struct generation *generation = follower->generation;
    if (!follower->attached) return true;
    if (--generation->wanted || generation->state == GENERATION_LOOKING) {
        detach(follower);
        return true;
    }
    unlist(generation);
    job_cancel(generation->all->lanes, generation->job);
    return false;
}

/* What is kept is found while no generator is there, too. */
const char *generations_default(struct generations *all)
{
    struct slice list = slice_of(lane_io_serves(all->lanes, POOL_GENERATE));
    size_t len = MIN(list.len, sizeof(all->served) - 1);
    if (len) {
        memcpy(all->served, list.ptr, len);
        all->served[len] = '\0';
    }
    return all->served;
}

struct generations *generations_new(struct lane_io *lanes, struct cache *cache,
                                    const struct flags_store *flags)
{
    struct generations *all = xcalloc(1, sizeof(*all));
    all->lanes = lanes;
    all->cache = cache;
    all->flags = flags;
    for (size_t i = 0; i < BUCKETS; i++) LIST_INIT(&all->buckets[i]);
    return all;
}

void generations_destroy(struct generations **generations)
{
    free(*generations);
    *generations = NULL;
}
