/* The store: everything that outlives a process, behind one interface. Agents, portfolios,
 * documents with their chunks and vectors, conversations, and the results of operations that must
 * happen once.
 *
 *     store_call       one job of the store: request frame in, result frame out (every kind of
 *                      proto/kinds.h that names an R, but chat and search)
 *     store_refresh    brings a portfolio in memory up to the store's newest version
 *     store_passages   the texts of what a search found
 *     listener         versions that any process changed, work that waits for an embedder
 *
 * Nothing here waits on the loop: a backend answers at once what it can and the rest later, always
 * on the loop and exactly once. A callback may come from inside the call that asked for it.
 *
 * Every object belongs to a tenant; another tenant's id is not found. A portfolio's version rises
 * in the same transaction as anything that a search could see, vectors included. */
#ifndef MILLRACE_RETRIEVER_STORE_H
#define MILLRACE_RETRIEVER_STORE_H

#include <event2/event.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/errors.h"
#include "proto/kinds.h"
#include "proto/records.h"
#include "workers/retriever/portfolio_terms.h"
#include "workers/retriever/resident.h"

struct store;

struct store_listener {
    /* Something has a new version, whoever wrote it: heard within 50 ms. A deleted object's version
     * rises once more. `kind` is "portfolio" or "agent". */
    void (*on_version)(void *context, const char *kind, uint64_t id, uint64_t version);
    /* Chunks of this portfolio wait for vectors; repeated while unleased or expired ones do. */
    void (*on_pending)(void *context, uint64_t portfolio_id);
    /* What keeps the store from its work, whenever that changes: its server is away or can't be
     * used as it is, or a write found no room of late. OK: nothing does. `why` is for the operator,
     * and says what to do. May be NULL. */
    void (*on_trouble)(void *context, err_t error, const char *why);
};

/* Portfolios of more than `chunks_max` are searched in the store, if it can; by HNSW graphs of
 * these parameters (Malkov and Yashunin, 2016). chunks_max 0: none are. */
struct index_options {
    uint64_t chunks_max, m, ef_construction, ef_search;
    uint64_t build_bytes_max; /* memory that one may take while it is made */
};

/* Texts and listener stay the caller's and must live on. */
struct store_options {
    const char *url;      /* "sqlite:PATH", "postgresql://..." */
    const char *embedder; /* of new portfolios: a name or a setting of the embedder table */
    size_t history_messages_max;
    size_t document_bytes_max;
    uint64_t answer_ttl_ms;                /* how long answers serve later questions */
    size_t connections_max;                /* to a server; at least 4 */
    struct index_options index;            /* of portfolios that the store searches */
    const struct store_listener *listener; /* NULL: nobody listens */
    void *listener_context;
};

/* Opens the store, creating or migrating it first. ERR_BAD_SETTING for a URL of no known backend,
 * ERR_STORE_SCHEMA for a schema newer than this program, ERR_STORE_UNAVAILABLE, ERR_STORE_FAILED
 * (not a database, or not ours to use); the reason is logged. A store that can only be read opens,
 * and refuses writes; one on a server that is away opens, and refuses everything until it is back.
 */
err_t store_open(struct event_base *base, const struct store_options *options,
                 struct store **store) MUST_USE;
/* Finishes the calls under way (their `done` comes), then closes. */
void store_close(struct store **store);
/* Brings the schema up to this program's, creating the store if need be. *from and *to are the
 * schema's versions before and after. Errors as store_open. */
err_t store_migrate(const char *url, unsigned *from, unsigned *to) MUST_USE;

/* --- sealed keys --- */

struct store_resealer {
    /* Appends what shall stand in place of a sealed key; false leaves the key as it is. */
    bool (*reseal)(void *context, struct slice tenant, struct slice sealed, struct buffer *fresh);
    void *context;
};

/* Hands every key of every agent and its fallbacks to `reseal`, a hundred agents a transaction,
 * beside whoever else uses the store. *agents counts those that were changed, each of which has a
 * new version. What was committed before an error stays. Errors as store_open. */
err_t store_reseal(const char *url, const struct store_resealer *resealer,
                   uint64_t *agents) MUST_USE;

/* --- jobs --- */

struct store_call {
    /* Set by the caller. The slices must stay until `done`. */
    enum kind kind;
    unsigned stage;         /* of `index`: 0 leases a batch, 2 stores its vectors */
    struct slice op;        /* operation id of a kind that writes: with the same one the first
                             * result is answered again. Empty: not remembered */
    struct slice request;   /* the kind's request record; at stage 2 of `index` an index_request */
    struct slice embedding; /* at stage 2 of `index`; with a turn that is semantic */
    struct slice retrieved; /* with a turn that is semantic: its context */
    void (*done)(struct store_call *call);
    void *context;

    /* Set by the store, before `done`. */
    err_t error;
    const char *message;        /* for people, says which member was wrong; may be NULL */
    struct buffer result;       /* the kind's result record; at stage 0 of `index` an index_request,
                                 * or empty where nothing waits */
    struct buffer passages;     /* at stage 0 of `index` the texts, a context record */
    uint64_t portfolio_version; /* newest of the portfolio that was touched; 0: none was */
    uint64_t pending;           /* portfolio that chunks without vectors are left in; 0: none */

    void *work; /* the backend's */
};

/* Starts a call. A write is committed before its `done` says OK; one that fails has changed nothing
 * (but document.put of several documents stores the good ones and says of each how it went; and what
 * is more than a set of sql_sets.c is stored set by set, and goes on where it was under its `op`).
 * ERR_STORE_FULL: no room, or read-only. ERR_STORE_BUSY, ERR_STORE_UNAVAILABLE: may succeed later.
 */
void store_call(struct store *store, struct store_call *call);
/* Frees what the store has set. */
void store_call_free(struct store_call *call);

/* --- portfolios in memory --- */

/* Hears what has changed: `begin`, any number of `put` and `remove`, one `end`; `end` alone where
 * nothing has, or on an error. Between the calls the loop may have turned. */
struct store_sink {
    /* `whole`: everything follows, what was there is void. `embedder` made the vectors. */
    void (*begin)(void *context, bool whole, struct slice embedder);
    void (*put)(void *context, const struct resident_chunk *chunk);
    void (*remove)(void *context, uint64_t chunk_id);
    /* After an error what was put is void; else the portfolio is at `version`. */
    void (*end)(void *context, err_t error, uint64_t version);
};

struct store_refresh {
    /* Set by the caller; everything must stay until `end`. */
    struct slice tenant;
    uint64_t portfolio_id;
    uint64_t since;        /* version in memory; 0: none */
    struct slice embedder; /* of the vectors in memory */
    const struct store_sink *sink;
    void *context;
    uint64_t mark;                 /* the backend's, kept from refresh to refresh; 0 at first */
    struct portfolio_terms *terms; /* brought up to date of one that is `in_store`; or NULL */

    /* Set by the store before `end`: the portfolio is too large for memory and nothing was put; it
     * is to be searched by store_search, and asked for with `since` 0 again. */
    bool in_store;
};

/* Sees every commit that was answered before, by any process. ERR_PORTFOLIO_NOT_FOUND. */
void store_refresh(struct store *store, struct store_refresh *refresh);

/* --- portfolios that the store searches --- */

struct store_search {
    /* Set by the caller; must stay until `done`. */
    uint64_t portfolio_id; /* of which the last refresh said `in_store` */
    const struct resident_query *query;
    struct portfolio_terms *terms; /* as that refresh left them, used in the call; NULL: no words */
    size_t dimensions;             /* of the query's vector */
    struct resident_hit *hits;     /* room for the query's top_k */
    void (*done)(struct store_search *search);
    void *context;

    /* Set by the store, as resident_search does. */
    err_t error;
    size_t count;
};

/* Finds what resident_search would. */
void store_search(struct store *store, struct store_search *search);

/* --- what was found --- */

struct store_passages {
    /* Set by the caller; must stay until `done`. */
    struct slice tenant;
    const struct resident_hit *hits;
    size_t count;
    size_t characters_max; /* ends the list before the first passage that would exceed it; the best
                            * one is cut instead. 0: no bound */
    struct arena *arena;
    void (*done)(struct store_passages *passages);
    void *context;

    /* Set by the store. A hit whose chunk has gone meanwhile is left out, or told as it was: the
     * hits come from a refresh that still had it. */
    err_t error;
    struct list passages; /* struct passage, in the arena; their texts are valid during `done` */
};

void store_passages(struct store *store, struct store_passages *passages);

#endif
