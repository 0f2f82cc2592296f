/* Portfolios into memory. A thread of the crew plans and reads, in one snapshot; the loop tells the
 * sink, in steps of a millisecond or two so that it keeps serving.
 *
 *     crew: same version ─▶ end; else a snapshot: plan, every part's rows
 *           too large, and its tables are there ─▶ these are brought up to date; its terms
 *     loop: begin, rows ... (a step) ... rows, end */
#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/embedder/embedder.h"
#include "workers/retriever/postgres_index.h"
#include "workers/retriever/postgres_terms.h"

#define STEP_US   2000
#define STEP_ROWS 16 /* between two looks at the clock */

struct load {
    struct task task; /* first */
    struct postgres_store *store;
    struct load *next, **link; /* of those that are being told */
    struct store_refresh *refresh;
    struct refresh_plan plan;
    struct rows *parts;
    enum index_state index;
    struct terms_change terms;
    err_t error;

    struct refresh_feed feed;
    size_t at;
    bool in_part;
    struct event *turn;
};

/* --- the crew --- */

static err_t read_parts(struct load *load, struct db *db)
{
    err_t error = OK;
    load->parts = xcalloc(refresh_parts(&load->plan), sizeof(*load->parts));
    for (size_t i = 0; !error && i < refresh_parts(&load->plan); i++) {
        load->parts[i] = refresh_select(db, load->refresh, &load->plan, i);
        error = load->parts[i].error;
    }
    return error;
}

static err_t read_snapshot(struct load *load, struct db *db)
{
    err_t error = postgres_db_snapshot((struct postgres_db *)db);
    if (error) return error;
    error = refresh_plan_read(db, load->refresh, &load->plan);
    if (!error) error = read_parts(load, db);
    return db_end(db, error);
}

/* Of a portfolio that is searched here: what its questions have to know and do not yet. */
static err_t read_terms(struct load *load, struct db *db)
{
    if (!load->refresh->terms) return OK;
    uint64_t known = portfolio_terms_version(load->refresh->terms);
    if (known == load->plan.version) return OK;
    err_t error = terms_read(db, load->refresh->portfolio_id, known, &load->terms);
    if (!load->terms.version) load->index = INDEX_WANTED; /* its tables went a moment ago */
    return error;
}

static void load_run(struct task *task, struct db *db)
{
    struct load *load = (struct load *)task;
    const struct index_options *index = &load->store->sql.options.index;
    load->error = refresh_plan_read(db, load->refresh, &load->plan);
    if (!load->error && index->chunks_max)
        load->error = postgres_index_state(db, index, load->refresh, &load->plan, &load->index);
    if (!load->error && load->index == INDEX_CURRENT) load->error = read_terms(load, db);
    if (!load->error && load->plan.changed && load->index != INDEX_CURRENT)
        load->error = read_snapshot(load, db);
}

/* --- the loop --- */

static void load_free(struct load *load)
{
    for (size_t i = 0; load->parts && i < refresh_parts(&load->plan); i++)
        (void)!rows_end(&load->parts[i]);
    free(load->parts);
    terms_change_free(&load->terms);
    refresh_plan_free(&load->plan);
    refresh_feed_free(&load->feed);
    if (load->turn) event_free(load->turn);
    free(load);
}

static void unlink_load(struct load *load)
{
    if (!load->link) return;
    *load->link = load->next;
    if (load->next) load->next->link = load->link;
}

static void end_terms(const struct load *load)
{
    const struct terms_change *change = &load->terms;
    if (portfolio_terms_end(load->refresh->terms, change->version, change->chunks, change->length))
        return;
    log_warn("portfolio=%" PRIu64 " has more than %d terms: its rarest are not found by words",
             load->refresh->portfolio_id, PORTFOLIO_TERMS_MAX);
}

/* The load has gone before the caller hears: he may ask again at once. */
static void finish(struct load *load, err_t error)
{
    struct store_refresh *refresh = load->refresh;
    uint64_t version = error ? refresh->since : load->plan.version;
    if (!error && load->terms.version) end_terms(load);
    unlink_load(load);
    load_free(load);
    refresh->sink->end(refresh->context, error, version);
}

/* One row, or the end of a part. False when nothing is left. */
static bool advance(struct load *load)
{
    if (load->index == INDEX_CURRENT) return terms_tell(&load->terms, load->refresh->terms);
    if (load->at == refresh_parts(&load->plan)) return false;
    struct rows *rows = &load->parts[load->at];
    if (!load->in_part) refresh_feed_part(&load->feed, load->at);
    load->in_part = rows_next(rows);
    if (load->in_part)
        refresh_feed_row(&load->feed, rows);
    else
        refresh_feed_part_end(&load->feed, load->at++);
    return true;
}

static void step(struct load *load)
{
    static const struct timeval at_once = {0};
    uint64_t until = clock_us() + STEP_US;
    do {
        for (int i = 0; i < STEP_ROWS; i++) {
            if (advance(load)) continue;
            finish(load, OK);
            return;
        }
    } while (clock_us() < until);
    event_add(load->turn, &at_once);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    step(context);
}

/* Nothing is put of a portfolio that is searched here: whoever asks hears of the embedder and of
 * the terms, and is sent elsewhere. */
static void begin(struct load *load)
{
    struct store_refresh *refresh = load->refresh;
    refresh->in_store = load->index == INDEX_CURRENT;
    if (!refresh->in_store) {
        refresh_feed_begin(&load->feed, &load->plan, refresh);
        return;
    }
    refresh->sink->begin(refresh->context, true, slice_of(load->plan.embedder->name));
    if (load->terms.version) portfolio_terms_begin(refresh->terms, load->terms.whole);
}

static void tell(struct load *load)
{
    struct load **head = &load->store->loads;
    load->next = *head;
    load->link = head;
    if (load->next) load->next->link = &load->next;
    *head = load;
    load->turn = evtimer_new(load->store->sql.loop, on_turn, load);
    begin(load);
    step(load);
}

static void load_done(struct task *task)
{
    struct load *load = (struct load *)task;
    load->refresh->in_store = false;
    if (!load->error && load->index == INDEX_WANTED)
        postgres_settle(load->store, load->refresh->tenant, load->refresh->portfolio_id);
    if (load->error || (!load->plan.changed && load->index != INDEX_CURRENT))
        finish(load, load->error);
    else
        tell(load);
}

void postgres_refresh(struct store *base, struct store_refresh *refresh)
{
    struct load *load = xcalloc(1, sizeof(*load));
    load->task = (struct task){.run = load_run, .done = load_done};
    load->store = (struct postgres_store *)base;
    load->refresh = refresh;
    crew_push(load->store->crew, &load->task);
}

void postgres_refresh_close(struct postgres_store *store)
{
    while (store->loads) finish(store->loads, ERR_STORE_UNAVAILABLE);
}
