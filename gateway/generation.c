#include "gateway/generation.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "gateway/generation_internal.h"
#include "proto/codec.h"

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

static void on_retrieved(struct generation *generation, const struct meta *meta, struct body *body)
{
    struct order *order = generation->order;
    generation->searched = meta->portfolio_version;
    order->by_words = *order->embedder && !body_frame(body, FRAME_EMBEDDING).len;
    metric_observe(METRIC_VECTOR_SEARCH, (double)meta->search_us / 1e6, NULL);
    if (order->semantic) count_lookups("semantic", false, 1);
    generation_keep_chunks(generation, body);
    body_unref(&generation->staged);
    generation->staged = body_ref(body);
    FOR_FOLLOWERS(generation, on_stage);
}

static void on_stage(void *context, enum pool pool, const struct meta *meta,
                     const struct body *body)
{
    struct generation *generation = context;
    if (!flags_now(generation->all->flags)->cache) generation->order->kept = false;
    if (pool == POOL_EMBED) generation_keep_embedding(generation, body);
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
    if (generation->source == ANSWER_SEMANTIC) count_lookups("semantic", true, 1);
    if (!error && !told->answered) generation_keep_answer(generation);
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
        count_lookups("answer", false, 1);
        count_lookups("shared", true, generation->wanted - 1);
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

void generation_looked(struct generation *generation)
{
    if (generation->source == ANSWER_EXACT) {
        count_lookups("answer", true, generation->wanted);
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
    order->sources = given->sources;
    order->stages = given->stages;
    order->body = given->body;
    order->deadline_us = clock_us() + given->timeout_ms * 1000;
    memcpy(order->trace, given->trace, MIN(strlen(given->trace), sizeof(order->trace) - 1));
    order->kept = given->place != NULL;
    if (given->place) order->place = *given->place;
    if (order->kept && order->portfolio_id) order_name_frames(order, question);
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
    generation_look(generation);
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

bool generation_find(struct generations *all, const struct answer_place *place, bool stream,
                     uint64_t timeout_ms, struct follower *follower)
{
    if (generation_fill(all, place, follower)) return true;
    struct generation *generation = listed(all, place, stream);
    if (!generation) return false;
    struct order *order = generation->order;
    if (stream) order->tentative = false;
    order->deadline_us = MAX(order->deadline_us, clock_us() + timeout_ms * 1000);
    if (generation->job) job_extend(all->lanes, generation->job, timeout_ms);
    if (generation->state == GENERATION_MAKING) count_lookups("shared", true, 1);
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
