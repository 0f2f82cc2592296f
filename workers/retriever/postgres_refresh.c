/* Portfolios into memory. A thread of the crew plans and reads, in one snapshot; the loop tells the
 * sink, in steps of a millisecond or two so that it keeps serving.
 *
 *     crew: same version ─▶ end; else a snapshot: plan, every part's rows
 *           too large, and its tables are there ─▶ these are brought up to date, end
 *     loop: begin, rows ... (a step) ... rows, end */
#include <stdlib.h>

#include "common/clock.h"
#include "workers/embedder/embedder.h"
#include "workers/retriever/postgres_index.h"

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
    if (!error) return db_commit(db);
    return db_rollback(db) ? ERR_STORE_UNAVAILABLE : error;
}

static void load_run(struct task *task, struct db *db)
{
    struct load *load = (struct load *)task;
    const struct index_options *index = &load->store->sql.options.index;
    load->error = refresh_plan_read(db, load->refresh, &load->plan);
    if (!load->error && index->chunks_max)
        load->error = postgres_index_state(db, index, load->refresh, &load->plan, &load->index);
    if (!load->error && load->plan.changed && load->index != INDEX_CURRENT)
        load->error = read_snapshot(load, db);
}

/* --- the loop --- */

static void load_free(struct load *load)
{
    for (size_t i = 0; load->parts && i < refresh_parts(&load->plan); i++)
        (void)!rows_end(&load->parts[i]);
    free(load->parts);
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

/* The load has gone before the caller hears: he may ask again at once. */
static void finish(struct load *load, err_t error)
{
    struct store_refresh *refresh = load->refresh;
    uint64_t version = error ? refresh->since : load->plan.version;
    unlink_load(load);
    load_free(load);
    refresh->sink->end(refresh->context, error, version);
}

static bool complete(const struct load *load)
{
    return load->at == refresh_parts(&load->plan);
}

/* One row, or the end of a part. */
static void advance(struct load *load)
{
    struct rows *rows = &load->parts[load->at];
    if (!load->in_part) refresh_feed_part(&load->feed, load->at);
    load->in_part = rows_next(rows);
    if (load->in_part)
        refresh_feed_row(&load->feed, rows);
    else
        refresh_feed_part_end(&load->feed, load->at++);
}

static void step(struct load *load)
{
    static const struct timeval at_once = {0};
    uint64_t until = clock_us() + STEP_US;
    while (!complete(load)) {
        for (int i = 0; i < STEP_ROWS && !complete(load); i++) advance(load);
        if (clock_us() < until || complete(load)) continue;
        event_add(load->turn, &at_once);
        return;
    }
    finish(load, OK);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    step(context);
}

static void tell(struct load *load)
{
    struct load **head = &load->store->loads;
    load->next = *head;
    load->link = head;
    if (load->next) load->next->link = &load->next;
    *head = load;
    load->turn = evtimer_new(load->store->sql.loop, on_turn, load);
    refresh_feed_begin(&load->feed, &load->plan, load->refresh);
    step(load);
}

/* Nothing is put: whoever asks hears of the embedder and is sent elsewhere. */
static void send_elsewhere(struct load *load)
{
    struct store_refresh *refresh = load->refresh;
    refresh->in_store = true;
    refresh->sink->begin(refresh->context, true, slice_of(load->plan.embedder->name));
    finish(load, OK);
}

static void load_done(struct task *task)
{
    struct load *load = (struct load *)task;
    load->refresh->in_store = false;
    if (!load->error && load->index == INDEX_WANTED)
        postgres_settle(load->store, load->refresh->tenant, load->refresh->portfolio_id);
    if (!load->error && load->index == INDEX_CURRENT)
        send_elsewhere(load);
    else if (load->error || !load->plan.changed)
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
