/* A portfolio's work, from PENDING until a lease finds nothing:
 *
 *     idle ── pending ──▶ [index job]* ── embedded something ──▶ another
 *                              ├── found nothing ──▶ this one is not repeated
 *                              └── failed ──▶ not repeated; what was leased is released
 *
 * PENDING is repeated by the retrievers every heartbeat, so that nothing here needs to last. What
 * is released tells the store why: it stops PENDING for a portfolio whose embedder fails, for
 * longer with each failure, and counts against the texts only what may be their fault. */
#include "gateway/ingest_pump.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/gateway.h"
#include "proto/codec.h"

#define EMBEDDERS_MAX      64
#define INDEX_JOBS_SPARE   1     /* of a portfolio: leases or stores while all others embed */
#define INDEX_JOBS_OTHERS  2     /* when other portfolios have work too */
#define INDEX_TIMEOUT_MS   30000 /* no longer than a lease, lest a batch be embedded twice */
#define RELEASE_TIMEOUT_MS 10000
#define PORTFOLIOS_MAX     4096
#define YIELD_MS           5
#define YIELDS_MAX         20 /* then it goes on: a busy day must not keep documents out */

struct pumped {
    TAILQ_ENTRY(pumped) link;
    struct ingest_pump *pump;
    uint64_t portfolio_id;
    unsigned running;
    unsigned wanted; /* jobs to start when there is room */
};

TAILQ_HEAD(pumped_list, pumped);

struct ingest_pump {
    struct lane_io *lanes;
    struct pumped_list portfolios; /* served in turn */
    size_t count;
    unsigned running;
    unsigned yields;
    bool stopped;
    struct event *again;
    struct index_troubles *troubles;
};

struct index_job {
    struct pumped *portfolio;
    struct buffer lease; /* the batch's request frame, once there is one */
    bool embedded;
};

struct release_job {
    struct ingest_pump *pump;
    uint64_t portfolio_id;
    err_t error; /* what the batch failed with */
};

static void pump_run(struct ingest_pump *pump);

static void portfolio_drop_if_idle(struct pumped *portfolio)
{
    if (portfolio->running || portfolio->wanted) return;
    TAILQ_REMOVE(&portfolio->pump->portfolios, portfolio, link);
    portfolio->pump->count--;
    free(portfolio);
}

/* --- a batch that came to nothing --- */

static void show_troubles(const struct ingest_pump *pump)
{
    metric_set(METRIC_INDEX_FAILING, (double)index_troubles_count(pump->troubles, clock_ms()), NULL,
               NULL);
}

static void on_released(void *context, const struct job_end *end)
{
    struct release_job *job = context;
    struct arena arena = {0};
    struct released released;
    if (!end->error && !record_decode(released_type(), end->result, &arena, &released) &&
        released.retry_ms)
        index_troubles_put(job->pump->troubles, job->portfolio_id, released.embedder, job->error,
                           clock_ms() + released.retry_ms);
    show_troubles(job->pump);
    arena_free(&arena);
    free(job);
}

static const struct job_handler release_handler = {.on_end = on_released};

/* Not delivered, the lease runs out by itself. */
static void release_batch(const struct index_job *failed, err_t error)
{
    struct ingest_pump *pump = failed->portfolio->pump;
    struct release release = {.error = slice_of(error_code(error)),
                              .lease = buffer_slice(&failed->lease)};
    struct buffer frame = {0};
    char op[ID_SIZE];
    uint64_t id;
    struct job_spec spec = {.kind = KIND_INDEX_RELEASE,
                            .body = body_new(),
                            .timeout_ms = RELEASE_TIMEOUT_MS,
                            .trace = "index",
                            .op = op};
    struct release_job *job = xcalloc(1, sizeof(*job));
    *job = (struct release_job){pump, failed->portfolio->portfolio_id, error};
    id_random(op, ID_SIZE - 1);
    record_encode(release_type(), &release, &frame);
    body_set(spec.body, FRAME_REQUEST, buffer_slice(&frame));
    buffer_free(&frame);
    if (job_submit(pump->lanes, &spec, &release_handler, job, &id)) free(job);
}

/* The embedder of this batch works. */
static void clear_trouble(const struct index_job *done)
{
    struct ingest_pump *pump = done->portfolio->pump;
    struct arena arena = {0};
    struct index_request request;
    if (!index_troubles_count(pump->troubles, clock_ms())) return;
    if (!record_decode(index_request_type(), buffer_slice(&done->lease), &arena, &request))
        index_troubles_clear(pump->troubles, done->portfolio->portfolio_id, request.embedder);
    show_troubles(pump);
    arena_free(&arena);
}

/* --- one job --- */

static void on_stage(void *context, enum pool pool, const struct meta *meta,
                     const struct body *body)
{
    struct index_job *job = context;
    (void)meta;
    if (pool == POOL_EMBED)
        job->embedded = true;
    else if (!job->lease.len)
        buffer_append_slice(&job->lease, body_frame(body, FRAME_REQUEST));
}

static const char *result_of(const struct index_job *job, err_t error)
{
    return error ? error_code(error) : job->embedded ? "ok" : "empty";
}

static void on_end(void *context, const struct job_end *end)
{
    struct index_job *job = context;
    struct pumped *portfolio = job->portfolio;
    struct ingest_pump *pump = portfolio->pump;
    metric_add(METRIC_INDEX_JOBS, 1, result_of(job, end->error), NULL);
    if (end->error) {
        log_warn("index job failed portfolio=%ju status=%s", (uintmax_t)portfolio->portfolio_id,
                 error_code(end->error));
        if (job->lease.len && !pump->stopped) release_batch(job, end->error);
    } else if (job->embedded) {
        clear_trouble(job);
        portfolio->wanted = MAX(portfolio->wanted, 1u);
    } else {
        portfolio->wanted = 0;
    }
    portfolio->running--;
    metric_set(METRIC_INDEX_RUNNING, --pump->running, NULL, NULL);
    buffer_free(&job->lease);
    free(job);
    portfolio_drop_if_idle(portfolio);
    pump_run(pump);
}

static const struct job_handler index_handler = {.on_stage = on_stage, .on_end = on_end};

static err_t index_submit(struct pumped *portfolio, struct index_job *context)
{
    struct select select = {.portfolio_id = portfolio->portfolio_id}; /* whose, the store knows */
    struct buffer frame = {0};
    char op[ID_SIZE];
    uint64_t job;
    struct job_spec spec = {
        .kind = KIND_INDEX,
        .body = body_new(),
        .timeout_ms = INDEX_TIMEOUT_MS,
        .affinity = portfolio->portfolio_id,
        .trace = "index",
        .op = op,
    };
    id_ordered(op);
    record_encode(select_type(), &select, &frame);
    body_set(spec.body, FRAME_REQUEST, buffer_slice(&frame));
    buffer_free(&frame);
    return job_submit(portfolio->pump->lanes, &spec, &index_handler, context, &job);
}

/* A lane that does not take it now is asked again when PENDING is. */
static void start_job(struct pumped *portfolio)
{
    struct ingest_pump *pump = portfolio->pump;
    struct index_job *job = xcalloc(1, sizeof(*job));
    job->portfolio = portfolio;
    if (index_submit(portfolio, job)) {
        portfolio->wanted = 0;
        free(job);
        return;
    }
    portfolio->wanted--;
    portfolio->running++;
    metric_set(METRIC_INDEX_RUNNING, ++pump->running, NULL, NULL);
}

/* --- all of them --- */

static bool questions_wait(const struct lane_io *lanes)
{
    struct lane_view embed = {0}, retrieve = {0};
    lane_io_view(lanes, POOL_EMBED, &embed);
    lane_io_view(lanes, POOL_RETRIEVE, &retrieve);
    return embed.queued > 0 || retrieve.queued > 0;
}

/* True when the pump steps back for a moment. */
static bool pump_yields(struct ingest_pump *pump)
{
    static const struct timeval moment = {0, YIELD_MS * 1000};
    if (pump->yields >= YIELDS_MAX || !questions_wait(pump->lanes)) {
        pump->yields = 0;
        return false;
    }
    pump->yields++;
    event_add(pump->again, &moment);
    return true;
}

/* Jobs at once for one portfolio. */
static unsigned jobs_max(const struct ingest_pump *pump)
{
    struct lane_view embed = {0};
    lane_io_view(pump->lanes, POOL_EMBED, &embed);
    return (unsigned)MIN(MAX(embed.workers, 1u), EMBEDDERS_MAX) + INDEX_JOBS_SPARE;
}

static struct pumped *next_wanted(struct ingest_pump *pump, unsigned max)
{
    struct pumped *portfolio = TAILQ_FIRST(&pump->portfolios);
    while (portfolio && (!portfolio->wanted || portfolio->running >= max))
        portfolio = TAILQ_NEXT(portfolio, link);
    return portfolio;
}

static void pump_run(struct ingest_pump *pump)
{
    struct pumped *portfolio;
    if (pump->stopped || evtimer_pending(pump->again, NULL)) return;
    unsigned max = jobs_max(pump);
    while (pump->running < max + INDEX_JOBS_OTHERS && (portfolio = next_wanted(pump, max))) {
        if (pump_yields(pump)) return;
        TAILQ_REMOVE(&pump->portfolios, portfolio, link);
        TAILQ_INSERT_TAIL(&pump->portfolios, portfolio, link);
        start_job(portfolio);
        portfolio_drop_if_idle(portfolio);
    }
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    pump_run(context);
}

static struct pumped *portfolio_of(struct ingest_pump *pump, uint64_t portfolio_id)
{
    struct pumped *portfolio = TAILQ_FIRST(&pump->portfolios);
    while (portfolio && portfolio->portfolio_id != portfolio_id)
        portfolio = TAILQ_NEXT(portfolio, link);
    if (portfolio) return portfolio;
    if (pump->count >= PORTFOLIOS_MAX) return NULL;
    portfolio = xcalloc(1, sizeof(*portfolio));
    portfolio->pump = pump;
    portfolio->portfolio_id = portfolio_id;
    TAILQ_INSERT_TAIL(&pump->portfolios, portfolio, link);
    pump->count++;
    return portfolio;
}

void ingest_pump_pending(struct ingest_pump *pump, uint64_t portfolio_id)
{
    struct pumped *portfolio = pump->stopped ? NULL : portfolio_of(pump, portfolio_id);
    if (!portfolio) return;
    if (portfolio->running + portfolio->wanted < jobs_max(pump)) portfolio->wanted++;
    pump_run(pump);
}

size_t ingest_pump_running(const struct ingest_pump *pump)
{
    return pump->running;
}

struct index_troubles *ingest_pump_troubles(struct ingest_pump *pump)
{
    return pump->troubles;
}

void ingest_pump_stop(struct ingest_pump *pump)
{
    pump->stopped = true;
}

struct ingest_pump *ingest_pump_new(struct event_base *base, struct lane_io *lanes)
{
    struct ingest_pump *pump = xcalloc(1, sizeof(*pump));
    pump->lanes = lanes;
    pump->again = event_new(base, -1, 0, on_again, pump);
    pump->troubles = index_troubles_new();
    TAILQ_INIT(&pump->portfolios);
    return pump;
}

void ingest_pump_destroy(struct ingest_pump **pump)
{
    struct ingest_pump *old = *pump;
    if (!old) return;
    *pump = NULL;
    while (!TAILQ_EMPTY(&old->portfolios)) {
        struct pumped *portfolio = TAILQ_FIRST(&old->portfolios);
        TAILQ_REMOVE(&old->portfolios, portfolio, link);
        free(portfolio);
    }
    index_troubles_destroy(&old->troubles);
    event_free(old->again);
    free(old);
}
