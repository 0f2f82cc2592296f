/* One answer, kept or in the making, and the questions that follow it.
 *
 *     generation_find ─┬─ kept in memory ───────────────────────────────────────▶ OVER
 *                      └─ the same question's, under way: joined
 *     generation_begin ─ LOOKING (Redis) ─┬─ kept there ────────────────────────▶ OVER
 *                                         └─ MAKING (job admitted) ─ on_end ────▶ OVER
 *                                            └ refused ─────────────────────────▶ OVER
 *
 * A question that comes late reads the text from its beginning and then as it grows, once and in
 * order. The window of the generator follows the fastest follower; the job ends with the last. What
 * is kept, and what keeps stages from being gone through again, is looked up and stored here. */
#ifndef MILLRACE_GATEWAY_GENERATION_H
#define MILLRACE_GATEWAY_GENERATION_H

#include <sys/queue.h>

#include "gateway/answer_cache.h"
#include "gateway/flags.h"
#include "gateway/lane_io.h"

struct generations; /* those of one gateway that are under way */

enum generation_state { GENERATION_LOOKING, GENERATION_MAKING, GENERATION_OVER };
enum answer_source {
    ANSWER_MADE,
    ANSWER_EXACT,    /* kept for the same question */
    ANSWER_SEMANTIC, /* kept for one that means the same */
};

/* Where an answer is kept; also what two questions have to have in common to share one. */
struct answer_place {
    struct digest base; /* answer_base() */
    struct digest key;  /* of it, at the portfolio's newest version */
    uint64_t version;   /* that version; 0: nothing is retrieved */
};

/* What is asked for. Everything is copied. */
struct generation_order {
    const struct answer_place *place; /* NULL: neither kept nor shared */
    const struct answer_question *question;
    bool semantic;      /* the request says that an answer to a similar question will do */
    bool tentative;     /* job_spec's: nobody sees the text before its end */
    bool sources;       /* the passages are told too, also of an answer that was kept */
    const char *stages; /* the itinerary where nothing is kept; NULL: the whole one */
    struct body *body;  /* request and history; given away */
    uint64_t timeout_ms;
    const char *trace;
};

struct follower;
LIST_HEAD(followers, follower);

/* For its followers to read. */
struct generation {
    LIST_ENTRY(generation) link; /* while it can be joined */
    struct generations *all;
    unsigned references;
    enum generation_state state;
    struct followers followers;
    size_t wanted;       /* followers that still want it */
    struct order *order; /* until it is over */

    enum answer_source source;
    uint64_t job; /* 0: none was admitted */
    struct buffer text;
    struct buffer pieces; /* uint32_t each: where in `text` a piece that came alone ends */
    struct body *staged;  /* after retrieval, with its frames, until the followers know the end */
    uint64_t searched;    /* version of the portfolio that it was made from; 0: none */
    uint64_t taken;

    /* once it is over */
    err_t error;
    bool retryable;
    struct meta meta;
    struct arena arena; /* of meta */
    uint64_t queue_us, stage_us[POOL_COUNT];
};

/* A question. None of the callbacks comes from inside a call of these functions. */
struct follower_handler {
    void (*on_start)(void *context); /* no more LOOKING, and not refused */
    void (*on_text)(void *context);  /* `text` has grown */
    void (*on_stage)(void *context); /* `staged` is there */
    void (*on_end)(void *context);   /* OVER; the last one */
};
struct follower {
    LIST_ENTRY(follower) link;
    struct generation *generation;
    const struct follower_handler *handler;
    void *context;
    bool joined;    /* one that was under way */
    bool attached;  /* will be called */
    size_t written; /* bytes of the text that the client has been given */
    size_t pieces_written;
};

struct generations *generations_new(struct lane_io *lanes, struct cache *cache,
                                    const struct flags_store *flags);
/* After the lanes. */
void generations_destroy(struct generations **generations);

/* Makes `follower` follow an answer that is there or under way. A stream's client can't follow a
 * tentative one. False: begin one. */
bool generation_find(struct generations *all, const struct answer_place *place, bool stream,
                     uint64_t timeout_ms, struct follower *follower);
/* Fills `staged` of a kept answer with the passages that it was made from, if memory has them. */
void generation_recall(struct generation *generation, const struct answer_question *question);

/* Makes `follower` follow a new one. It may be OVER at once, refused. */
void generation_begin(struct generations *all, const struct generation_order *order,
                      struct follower *follower);
/* Makes `follower` follow one that is OVER, for the caller to fill. */
void generation_filled(struct generations *all, struct follower *follower);

/* What the generators answer with by default, as they last said; "" before they did. */
const char *generations_default(struct generations *all);

/* The follower's client has `bytes` of the text. */
void generation_taken(struct follower *follower, size_t bytes);
/* The follower's client has gone. True: no callback comes any more. False: it was the last, the job
 * is cancelled, and on_end tells what it has cost. */
bool generation_leave(struct follower *follower) MUST_USE;
/* Gives the generation back; the follower is not attached. */
void follower_release(struct follower *follower);

#endif
