#include <stdlib.h>

#include "gateway/lane_state.h"

#include "common/hash.h"

#define SHARE_US  2000  /* how often a queue's length is told while it waits */
#define SILENT_US 30000 /* a worker that owes an ACCEPT for so long may be standing still */

struct lane_session *session_find(const struct lane *lane, uint64_t id)
{
    for (size_t i = 0; i < lane->session_count; i++)
        if (lane->sessions[i]->id == id) return lane->sessions[i];
    return NULL;
}

uint64_t session_credits(const struct lane_session *session)
{
    return session->granted - session->used - session->returned;
}

static bool session_takes_jobs(const struct lane_session *session)
{
    return session->state == SESSION_READY && session_credits(session) > 0;
}

/* --- opening and ending --- */

static void job_acquit(struct lane_job *job, uint64_t boot, uint64_t now_us)
{
    bool condemned = job_is_condemned(job);
    for (size_t i = 0; i < KILLERS_MAX; i++) {
        if (job->killers[i] != boot) continue;
        job->killers[i] = 0;
        job->deaths -= job->deaths > 0;
        job->lone_deaths -= job->lone_deaths > 0;
    }
    if (condemned && !job_is_condemned(job)) job->until_us = now_us;
}

/* A worker that was counted dead is back: it was a cut or a pause, not a death. */
static void deaths_take_back(struct lanes *lanes, uint64_t boot, uint64_t now_us)
{
    for (struct lane_job *job = lanes->all; job; job = job->all_next) job_acquit(job, boot, now_us);
}

void session_open(struct lanes *lanes, enum pool pool, uint64_t id,
                  const struct hello_message *hello, uint64_t now_us)
{
    struct lane *lane = &lanes->lane[pool];
    struct lane_session *session = xcalloc(1, sizeof(*session));
    session->id = id;
    session->pool = pool;
    session->boot = hash_fnv64(hello->boot_id, 0);
    session->name = xstrndup(hello->name.ptr, hello->name.len);
    session->boot_id = xstrndup(hello->boot_id.ptr, hello->boot_id.len);
    session->build = xstrndup(hello->build.ptr, hello->build.len);
    session->serves = xstrndup(hello->serves.ptr, hello->serves.len);
    session->trouble = xstrdup("");
    session->slots = hello->slots;
    session->epoch = ++lanes->epoch;
    session->heard_us = session->pulse_us = now_us;
    lane->sessions = xgrow(lane->sessions, &lane->session_capacity, lane->session_count + 1,
                           sizeof(struct lane_session *));
    lane->sessions[lane->session_count++] = session;
    deaths_take_back(lanes, session->boot, now_us);
    struct welcome_message *welcome =
        &send_add(lanes, session, MESSAGE_WELCOME, NULL)->message.welcome;
    welcome->gateway = slice_of(lanes->limits.boot_id);
    welcome->epoch = session->epoch;
    welcome->heartbeat_ms = lanes->limits.heartbeat_ms;
    welcome->liveness = lanes->limits.liveness;
    welcome->takes_tails = true;
}

static void session_free(struct lane_session *session)
{
    free(session->name);
    free(session->boot_id);
    free(session->build);
    free(session->serves);
    free(session->trouble);
    free(session);
}

static void session_remove(struct lanes *lanes, struct lane_session *session, uint64_t now_us)
{
    struct lane *lane = &lanes->lane[session->pool];
    for (size_t i = 0; i < lane->session_count; i++)
        if (lane->sessions[i] == session) lane->sessions[i] = lane->sessions[--lane->session_count];
    if (!lane->session_count) lane->empty_since_us = now_us;
    struct lane_action *action = action_add(lanes, ACTION_FORGET);
    action->pool = session->pool;
    action->session = session->id;
    session_free(session);
}

/* Of a job whose worker is lost. One that was sent counts: a worker that dies of it at once takes
 * its ACCEPT with it. */
static bool may_have_begun(const struct lane_job *job)
{
    return job->state == JOB_SENT || job->state == JOB_RUNNING || job->state == JOB_COUNTED;
}

static size_t count_begun(const struct lane_session *session)
{
    size_t begun = 0;
    for (const struct lane_job *job = session->jobs.first; job; job = job->next)
        begun += may_have_begun(job);
    return begun;
}

static void count_death(struct lane_job *job, uint64_t boot, size_t together)
{
    job->killers[job->deaths % KILLERS_MAX] = boot;
    job->deaths++;
    job->lone_deaths += together == 1;
    job->lost_together = together;
}

/* Its workers may only have been cut off, all at once where this process stood still. */
static void job_await_verdict(struct lanes *lanes, struct lane_job *job, uint64_t now_us)
{
    job->avoid = job->session->boot;
    job->until_us = now_us + VERDICT_MS * 1000;
    job_move(lanes, job, JOB_BACKOFF, now_us);
}

/* What becomes of one job of a session that is over. */
static void job_lose(struct lanes *lanes, struct lane_job *job, bool death, size_t together,
                     uint64_t now_us)
{
    if (job->state == JOB_CANCELLING) {
        job_end(lanes, job, ERR_CANCELLED, false, now_us);
        return;
    }
    if (job->state == JOB_COUNTED && job->error) {
        job_end(lanes, job, job->error, job->retryable, now_us);
        return;
    }
    if (death && may_have_begun(job)) count_death(job, job->session->boot, together);
    if (job_is_condemned(job))
        job_await_verdict(lanes, job, now_us);
    else
        job_redeliver(lanes, job, now_us);
}

void session_end(struct lanes *lanes, struct lane_session *session, bool death, uint64_t now_us)
{
    enum pool pool = session->pool;
    size_t together = count_begun(session);
    lanes->lane[pool].counters.deaths += death;
    while (session->jobs.last) job_lose(lanes, session->jobs.last, death, together, now_us);
    session_remove(lanes, session, now_us);
    lane_dispatch(lanes, pool, now_us);
}

void session_reset(struct lanes *lanes, struct lane_session *session, uint64_t now_us)
{
    send_add(lanes, session, MESSAGE_RESET, NULL);
    lanes->lane[session->pool].counters.resets++;
    session_end(lanes, session, false, now_us);
}

void session_drain(struct lanes *lanes, struct lane_session *session, uint64_t now_us)
{
    struct lane_job *job = session->jobs.last, *previous;
    session->state = SESSION_DRAINING;
    for (; job; job = previous) {
        previous = job->previous;
        if (job->state == JOB_SENT || job->state == JOB_HELD)
            job_redeliver(lanes, job, now_us);
        else
            job_tack(lanes, job, true); /* opens its window: a slow client holds nothing back */
    }
    lane_dispatch(lanes, session->pool, now_us);
}

void sessions_free(struct lanes *lanes)
{
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        struct lane *lane = &lanes->lane[pool];
        for (size_t i = 0; i < lane->session_count; i++) session_free(lane->sessions[i]);
        free(lane->sessions);
    }
}

/* --- heartbeats --- */

void session_complain(struct lane_session *session, struct slice trouble)
{
    if (slice_equal(slice_of(session->trouble), trouble)) return;
    free(session->trouble);
    session->trouble = xstrndup(trouble.len ? trouble.ptr : "", trouble.len);
}

static void session_pulse(struct lanes *lanes, struct lane_session *session, uint64_t now_us)
{
    struct pulse_message *pulse = &send_add(lanes, session, MESSAGE_PULSE, NULL)->message.pulse;
    pulse->queued = lane_queued(lanes, session->pool, NULL);
    pulse->returned = session->returned;
    session->told_queued = pulse->queued;
    session->pulse_us = now_us;
}

/* True if the session lives on. */
static bool session_tick(struct lanes *lanes, struct lane_session *session, uint64_t late_us,
                         uint64_t now_us)
{
    uint64_t interval_us = lanes->limits.heartbeat_ms * 1000;
    session->heard_us = MIN(session->heard_us + late_us, now_us);
    if (now_us - session->heard_us > interval_us * lanes->limits.liveness) {
        session_end(lanes, session, true, now_us);
        return false;
    }
    if (now_us - session->pulse_us >= interval_us) session_pulse(lanes, session, now_us);
    return true;
}

void sessions_tick(struct lanes *lanes, uint64_t late_us, uint64_t now_us)
{
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        struct lane *lane = &lanes->lane[pool];
        for (size_t i = 0; i < lane->session_count;)
            if (session_tick(lanes, lane->sessions[i], late_us, now_us)) i++;
    }
}

/* --- choosing a worker --- */

static bool suspect_fits(const struct lane_job *job, const struct lane_session *session)
{
    return !job_is_suspect(job) || session->suspects < MAX(job->lost_together / 2, (size_t)1);
}

static bool has_refused(const struct lane_job *job, const struct lane_session *session)
{
    size_t i = 0;
    while (i < job->refuser_count && job->refusers[i] != session->boot) i++;
    return i < job->refuser_count;
}

bool lane_has_unasked(const struct lane *lane, const struct lane_job *job)
{
    for (size_t i = 0; i < lane->session_count; i++)
        if (lane->sessions[i]->state == SESSION_READY && !has_refused(job, lane->sessions[i]))
            return true;
    return false;
}

/* How well a worker suits a job; the highest wins. A free slot before a standby credit, one that
 * answers before one that may be standing still, another worker than the one it came from, then, of
 * retrievers, by rendezvous hashing for a job with an affinity, else by free credit. */
static uint64_t fitness(const struct lane_job *job, const struct lane_session *session,
                        uint64_t now_us)
{
    bool free_slot = session->jobs.count < session->slots;
    bool answers = !session->asked_us || now_us - session->asked_us < SILENT_US;
    bool other = session->boot != job->avoid;
    bool resident = job->affinity && session->pool == POOL_RETRIEVE;
    uint64_t rest = resident ? hash_mix(job->affinity ^ session->boot) : session_credits(session);
    return (uint64_t)free_slot << 63 | (uint64_t)answers << 62 | (uint64_t)other << 61 |
           (rest & (UINT64_MAX >> 3));
}

static struct lane_session *session_for(const struct lane *lane, const struct lane_job *job,
                                        uint64_t now_us)
{
    struct lane_session *best = NULL;
    bool choosy = job->refuser_count && lane_has_unasked(lane, job);
    for (size_t i = 0; i < lane->session_count; i++) {
        struct lane_session *session = lane->sessions[i];
        if (!session_takes_jobs(session) || !suspect_fits(job, session)) continue;
        if (choosy && has_refused(job, session)) continue;
        if (!best || fitness(job, session, now_us) > fitness(job, best, now_us)) best = session;
    }
    return best;
}

static bool lane_has_credit(const struct lane *lane)
{
    for (size_t i = 0; i < lane->session_count; i++)
        if (session_takes_jobs(lane->sessions[i])) return true;
    return false;
}

static void list_dispatch(struct lanes *lanes, struct lane *lane, struct job_list *list,
                          uint64_t now_us)
{
    struct lane_job *job = list->first, *next;
    for (; job && lane_has_credit(lane); job = next) {
        struct lane_session *session = session_for(lane, job, now_us);
        next = job->next;
        if (session) job_send(lanes, job, session, now_us);
    }
}

/* With other gateways at the same worker: what is not needed goes back at once, and that jobs wait
 * is told at once. */
static void session_share(struct lanes *lanes, struct lane_session *session, uint64_t queued,
                          uint64_t now_us)
{
    uint64_t standby = session->jobs.count ? 0 : 1, credits = session_credits(session);
    bool returns = !queued && credits > standby;
    bool waits = queued && (!session->told_queued || now_us - session->pulse_us >= SHARE_US);
    if (!session->shared || session->state != SESSION_READY) return;
    if (returns) session->returned += credits - standby;
    if (returns || waits) session_pulse(lanes, session, now_us);
}

void lane_dispatch(struct lanes *lanes, enum pool pool, uint64_t now_us)
{
    struct lane *lane = &lanes->lane[pool];
    list_dispatch(lanes, lane, &lane->urgent, now_us);
    list_dispatch(lanes, lane, &lane->waiting, now_us);
    for (size_t i = 0; i < lane->session_count; i++)
        session_share(lanes, lane->sessions[i], lane->urgent.count + lane->waiting.count, now_us);
}

/* --- what the operator sees --- */

bool lane_session_view(const struct lanes *lanes, enum pool pool, size_t index,
                       struct lane_session_view *view)
{
    const struct lane *lane = &lanes->lane[pool];
    if (index >= lane->session_count) return false;
    const struct lane_session *session = lane->sessions[index];
    *view = (struct lane_session_view){
        .session = session->id,
        .name = session->name,
        .boot_id = session->boot_id,
        .build = session->build,
        .serves = session->serves,
        .state = session->state == SESSION_DRAINING ? "draining" : "ready",
        .trouble = session->trouble,
        .slots = session->slots,
        .credits = session_credits(session),
        .in_flight = session->jobs.count,
        .progress = session->progress,
        .heard_us = session->heard_us,
    };
    return true;
}
