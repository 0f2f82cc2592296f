/* The lanes' sockets: one ROUTER a pool, one SUB for all tokens, a monitor beside each ROUTER.
 *
 *     ROUTER embed, retrieve, generate ──┐               ┌─▶ ROUTER: JOB, TACK
 *     SUB tokens ────────────────────────┼─▶ lane_step ──┼─▶ on_text, on_stage, on_end
 *     monitors: a connection is gone ────┤    (pure)     └─▶ listener
 *     timer ─────────────────────────────┘
 *
 * What arrives is decoded into an event, what the core decides is carried out in order. Callbacks
 * may submit and cancel: their actions queue up behind those that are being carried out. */
#include "gateway/lane_io.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/zmq_watch.h"
#include "gateway/body_frames.h"
#include "gateway/lane.h"
#include "gateway/refused_workers.h"
#include "gateway/worker_counts.h"
#include "proto/codec.h"

#define ROUTING_ID_MAX 255
#define MESSAGES_HWM   10000 /* a worker that takes no more than this is lost */
#define NO_WORKER_MS   5000
#define FRAMES_MAX     (1 + FRAME_COUNT) /* header and body */
#define HEADER_SLACK   (64 * 1024)

/* A connection of a worker: its routing id and the core's number for it. */
struct peer {
    uint64_t session;
    int fd;
    uint8_t id[ROUTING_ID_MAX];
    size_t id_len;
};

struct router {
    struct lane_io *io;
    enum pool pool;
    void *socket, *monitor;
    struct zmq_watch *watch, *monitor_watch;
    struct peer *peers;
    size_t peer_count, peer_capacity;
    uint8_t *reused; /* by descriptor: disconnections already dealt with */
    size_t reused_capacity;
};

struct lane_io {
    struct event_base *base;
    const struct settings *settings;
    struct lanes *lanes;
    void *zmq;
    struct router router[POOL_COUNT];
    void *tokens;
    struct zmq_watch *token_watch;
    struct event *tick, *later;
    char boot_id[17], topic[19];
    uint64_t last_session, last_job;
    bool acting;
    struct worker_counts *counts;
    struct refused_workers *refused;
    struct lane_listener listener;
    void *listener_context;
    struct buffer header; /* reused for every message sent */
    struct arena arena;   /* reused for every message received */
};

/* A job's owner: whom to call. */
struct caller {
    struct job_handler handler;
    void *context;
};

static uint64_t now_us(void)
{
    return clock_us();
}

/* --- carrying out actions --- */

static struct peer *peer_of_session(struct router *router, uint64_t session)
{
    for (size_t i = 0; i < router->peer_count; i++)
        if (router->peers[i].session == session) return &router->peers[i];
    return NULL;
}

static void forget_peer(struct router *router, uint64_t session)
{
    struct peer *peer = peer_of_session(router, session);
    if (peer) *peer = router->peers[--router->peer_count];
}

static bool send_bytes(void *socket, struct slice bytes, bool more)
{
    return zmq_send(socket, bytes.ptr, bytes.len, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0;
}

static bool send_body(void *socket, struct body *body, bool more)
{
    for (int i = 0; i < FRAME_COUNT; i++) {
        zmq_msg_t copy;
        bool last = i == FRAME_COUNT - 1 && !more;
        zmq_msg_init(&copy);
        if (zmq_msg_copy(&copy, &body->frames[i])) return false;
        if (zmq_msg_send(&copy, socket, ZMQ_DONTWAIT | (last ? 0 : ZMQ_SNDMORE)) < 0) {
            zmq_msg_close(&copy);
            return false;
        }
    }
    return true;
}

/* A send that fails means that the worker is gone or reads nothing: its session is over, since what
 * is not sent now (a JOB, a TACK) would be missing for good. */
static void act_send(struct lane_io *io, const struct lane_action *action)
{
    struct router *router = &io->router[action->pool];
    const struct peer *peer = peer_of_session(router, action->session);
    bool prefixed = action->prefix.len > 0;
    if (!peer) return;
    io->header.len = 0;
    message_encode(&action->message, &io->header);
    bool sent = send_bytes(router->socket, (struct slice){(char *)peer->id, peer->id_len}, true) &&
                send_bytes(router->socket, buffer_slice(&io->header), action->body != NULL) &&
                (!action->body || send_body(router->socket, action->body, prefixed)) &&
                (!prefixed || send_bytes(router->socket, action->prefix, false));
    zmq_watch_sent(router->watch);
    if (sent) return;
    log_warn("lane=%s session=%llu lost: %s not sent: %s", pool_name(action->pool),
             (unsigned long long)action->session, message_name(action->message.type),
             zmq_strerror(zmq_errno()));
    (void)!lane_step(
        io->lanes,
        &(struct lane_event){.type = EVENT_LOST, .pool = action->pool, .session = action->session},
        now_us());
}

static void act_text(const struct lane_action *action)
{
    struct lane_job_view job = lane_job_view(action->job);
    const struct caller *caller = job.owner;
    struct slice text = {job.answer.ptr + action->from, job.answer.len - action->from};
    if (caller->handler.on_text) caller->handler.on_text(caller->context, action->from, text);
}

static void act_stage(const struct lane_action *action)
{
    const struct caller *caller = lane_job_view(action->job).owner;
    if (caller->handler.on_stage)
        caller->handler.on_stage(caller->context, action->pool, action->meta, action->body);
}

static void act_end(struct lane_io *io, struct lane_job *job)
{
    struct lane_job_view view = lane_job_view(job);
    struct caller *caller = view.owner;
    struct job_end end = {
        .error = view.error,
        .message = view.message,
        .retryable = view.retryable,
        .meta = view.meta,
        .result = view.result,
        .answered = view.answered,
        .attempts = view.attempts,
    };
    memcpy(end.queue_us, view.queue_us, sizeof(end.queue_us));
    memcpy(end.stage_us, view.stage_us, sizeof(end.stage_us));
    caller->handler.on_end(caller->context, &end);
    lane_job_forget(io->lanes, job);
    free(caller);
}

static void act_pending(struct lane_io *io, const struct pending_message *pending)
{
    if (io->listener.on_pending)
        io->listener.on_pending(io->listener_context, pending->kind, pending->portfolio);
}

static void act_version(struct lane_io *io, const struct version_of *version)
{
    if (io->listener.on_version) io->listener.on_version(io->listener_context, version);
}

static void act(struct lane_io *io, const struct lane_action *action)
{
    switch (action->type) {
    case ACTION_SEND: act_send(io, action); break;
    case ACTION_TEXT: act_text(action); break;
    case ACTION_STAGE: act_stage(action); break;
    case ACTION_END: act_end(io, action->job); break;
    case ACTION_FORGET: forget_peer(&io->router[action->pool], action->session); break;
    case ACTION_VERSION: act_version(io, &action->version); break;
    case ACTION_PENDING: act_pending(io, &action->message.pending); break;
    case ACTION_COUNTS:
        worker_counts_take(io->counts, action->pool, action->boot, &action->counts);
        break;
    }
}

/* The list may grow while it is carried out, and move: each action is copied first. */
static void act_all(struct lane_io *io)
{
    size_t count;
    if (io->acting) return;
    io->acting = true;
    lane_actions(io->lanes, &count);
    for (size_t i = 0; i < count; i++) {
        struct lane_action action = lane_actions(io->lanes, &count)[i];
        act(io, &action);
        lane_actions(io->lanes, &count);
    }
    lane_actions_clear(io->lanes);
    io->acting = false;
}

static void on_later(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    act_all(context);
}

static void step(struct lane_io *io, const struct lane_event *event)
{
    (void)!lane_step(io->lanes, event, now_us());
    act_all(io);
}

/* A step from inside a call of the gateway's: what it leaves are messages to send, at once; but
 * where a cancelled job waits to be told of its end, no callback may come from in here. */
static err_t step_inside(struct lane_io *io, const struct lane_event *event)
{
    size_t waiting;
    lane_actions(io->lanes, &waiting);
    err_t error = lane_step(io->lanes, event, now_us());
    if (!waiting) act_all(io);
    return error;
}

/* --- receiving --- */

static struct peer *peer_find(struct router *router, const zmq_msg_t *id)
{
    const void *bytes = zmq_msg_data((zmq_msg_t *)id);
    size_t len = zmq_msg_size(id);
    for (size_t i = 0; i < router->peer_count; i++)
        if (router->peers[i].id_len == len && !memcmp(router->peers[i].id, bytes, len))
            return &router->peers[i];
    return NULL;
}

static void lose_session(struct router *router, uint64_t session)
{
    struct lane_event event = {.type = EVENT_LOST, .pool = router->pool, .session = session};
    step(router->io, &event);
    forget_peer(router, session);
}

/* The system gives a descriptor out again only when the connection that had it is gone; the monitor
 * may still be about to say so. */
static void note_reuse(struct router *router, int fd)
{
    for (size_t i = 0; i < router->peer_count; i++) {
        if (router->peers[i].fd != fd) continue;
        size_t old = router->reused_capacity;
        router->reused = xgrow(router->reused, &router->reused_capacity, (size_t)fd + 1, 1);
        if (router->reused_capacity > old)
            memset(router->reused + old, 0, router->reused_capacity - old);
        router->reused[fd]++;
        lose_session(router, router->peers[i].session);
        return;
    }
}

static struct peer *peer_add(struct router *router, const zmq_msg_t *id, int fd)
{
    if (fd >= 0) note_reuse(router, fd);
    router->peers =
        xgrow(router->peers, &router->peer_capacity, router->peer_count + 1, sizeof(struct peer));
    struct peer *peer = &router->peers[router->peer_count++];
    peer->session = ++router->io->last_session;
    peer->fd = fd;
    peer->id_len = MIN(zmq_msg_size(id), (size_t)ROUTING_ID_MAX);
    memcpy(peer->id, zmq_msg_data((zmq_msg_t *)id), peer->id_len);
    return peer;
}

static struct slice frame_slice(zmq_msg_t *frame)
{
    return (struct slice){zmq_msg_data(frame), zmq_msg_size(frame)};
}

/* The four frames behind NEXT's header, as a body. */
static struct body *take_body(zmq_msg_t *frames)
{
    struct body *body = body_new();
    for (int i = 0; i < FRAME_COUNT; i++) zmq_keep(&body->frames[i], &frames[i]);
    return body;
}

static bool may_bring_tokens(enum message_type type)
{
    return type == MESSAGE_DONE || type == MESSAGE_FAIL;
}

static bool frames_fit(enum message_type type, size_t body_frames)
{
    size_t wanted = type == MESSAGE_NEXT ? FRAME_COUNT : type == MESSAGE_ANSWER ? 1 : 0;
    return body_frames == wanted || (body_frames == 1 && may_bring_tokens(type));
}

/* Tokens that were sent together, of whatever jobs. */
static void deal_with_tokens(struct lane_io *io, struct slice headers)
{
    struct message message;
    struct arena arena = {0};
    struct lane_event event = {.type = EVENT_TOKEN, .message = &message};
    while (headers.len) {
        err_t error = message_decode_next(&headers, &arena, &message);
        if (!error && message.type == MESSAGE_TOK)
            step(io, &event);
        else
            log_warn("lane=generate token dropped: code=%s", error_code(ERR_BAD_FRAME));
        if (arena.block) arena_free(&arena);
    }
}

/* A worker of another version tries again and again: that is told once. */
static void note_dropped(struct router *router, uint64_t session, zmq_msg_t *frames, size_t count,
                         const struct message *message, err_t error)
{
    const char *address = count ? zmq_msg_gets(&frames[0], "Peer-Address") : NULL;
    if (error != ERR_PROTOCOL_VERSION)
        log_warn("lane=%s session=%llu dropped: code=%s type=%s frames=%zu",
                 pool_name(router->pool), (unsigned long long)session, error_code(error),
                 message_name(message->type), count);
    else if (refused_workers_note(router->io->refused, router->pool, address ? address : "?",
                                  message->protocol, clock_ms()))
        log_error("lane=%s worker refused: code=%s address=%s it speaks version %llu, this gateway"
                  " %d",
                  pool_name(router->pool), error_code(error), address ? address : "?",
                  (unsigned long long)message->protocol, PROTOCOL_VERSION);
}

static void deal_with_message(struct router *router, uint64_t session, zmq_msg_t *frames,
                              size_t count)
{
    struct lane_io *io = router->io;
    struct message message = {0};
    struct lane_event event = {
        .type = EVENT_GARBAGE, .pool = router->pool, .session = session, .message = &message};
    err_t error =
        count ? message_decode(frame_slice(&frames[0]), &io->arena, &message) : ERR_BAD_FRAME;
    if (!error && frames_fit(message.type, count - 1)) event.type = EVENT_MESSAGE;
    if (event.type == EVENT_GARBAGE)
        note_dropped(router, session, frames, count, &message, error ? error : ERR_BAD_FRAME);
    if (event.type == EVENT_MESSAGE && message.type == MESSAGE_NEXT)
        event.body = take_body(frames + 1);
    if (event.type == EVENT_MESSAGE && message.type == MESSAGE_ANSWER)
        event.result = frame_slice(&frames[1]);
    event.tail = event.type == EVENT_MESSAGE && may_bring_tokens(message.type) && count == 2;
    if (event.tail) deal_with_tokens(io, frame_slice(&frames[1]));
    step(io, &event);
    body_unref(&event.body);
    if (io->arena.block) arena_free(&io->arena);
}

static bool on_router(void *context)
{
    struct router *router = context;
    zmq_msg_t id, frames[FRAMES_MAX];
    zmq_msg_init(&id);
    if (zmq_msg_recv(&id, router->socket, ZMQ_DONTWAIT) < 0) return false;
    size_t count = zmq_msg_more(&id) ? zmq_receive(router->socket, frames, FRAMES_MAX) : 0;
    struct peer *peer = peer_find(router, &id);
    if (!peer) peer = peer_add(router, &id, count ? zmq_msg_get(&frames[0], ZMQ_SRCFD) : -1);
    deal_with_message(router, peer->session, frames, count);
    for (size_t i = 0; i < MIN(count, (size_t)FRAMES_MAX); i++) zmq_msg_close(&frames[i]);
    zmq_msg_close(&id);
    return true;
}

static bool on_tokens(void *context)
{
    struct lane_io *io = context;
    zmq_msg_t frames[2];
    size_t count = zmq_receive(io->tokens, frames, 2);
    if (!count) return false;
    if (count == 2)
        deal_with_tokens(io, frame_slice(&frames[1]));
    else
        log_warn("lane=generate tokens dropped: frames=%zu", count);
    for (size_t i = 0; i < MIN(count, (size_t)2); i++) zmq_msg_close(&frames[i]);
    return true;
}

/* A connection is gone. Judged only after everything that it had sent was read. */
static bool on_monitor(void *context)
{
    struct router *router = context;
    int fd = zmq_monitor_read(router->monitor);
    if (fd < 0) return false;
    zmq_watch_drain(router->watch);
    zmq_watch_drain(router->io->token_watch);
    if ((size_t)fd < router->reused_capacity && router->reused[fd]) {
        router->reused[fd]--;
        return true;
    }
    for (size_t i = 0; i < router->peer_count; i++) {
        if (router->peers[i].fd != fd) continue;
        lose_session(router, router->peers[i].session);
        break;
    }
    return true;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct lane_io *io = context;
    struct lane_event event = {.type = EVENT_TICK};
    (void)fd, (void)what;
    for (int pool = 0; pool < POOL_COUNT; pool++) zmq_watch_drain(io->router[pool].watch);
    zmq_watch_drain(io->token_watch);
    step(io, &event);
}

/* --- opening and closing --- */

static struct lane_limits limits_of(const struct lane_io *io)
{
    const struct settings *settings = io->settings;
    return (struct lane_limits){
        .boot_id = io->boot_id,
        .heartbeat_ms = settings->heartbeat_ms,
        .liveness = settings->liveness,
        .accept_timeout_ms = settings->accept_timeout_ms,
        .jobs_max = settings->lane_jobs_max,
        .bytes_max = settings->lane_bytes_max,
        .age_max_ms = settings->lane_age_max_ms,
        .records_max = settings->record_queue_max,
        .requeues_max = settings->job_attempts_max,
        .window_tokens = settings->stream_window_tokens,
        .window_bytes = settings->stream_window_bytes,
        .answer_bytes_max = settings->answer_bytes_max,
        .no_worker_ms = NO_WORKER_MS,
    };
}

struct lane_io *lane_io_new(struct event_base *base, const struct settings *settings)
{
    struct lane_io *io = xcalloc(1, sizeof(*io));
    struct lane_limits limits;
    io->base = base;
    io->settings = settings;
    id_random(io->boot_id, 16);
    snprintf(io->topic, sizeof(io->topic), "t%s.", io->boot_id);
    limits = limits_of(io);
    io->lanes = lanes_new(&limits, now_us());
    io->counts = worker_counts_new();
    io->refused = refused_workers_new();
    io->later = event_new(base, -1, 0, on_later, io);
    io->tick = event_new(base, -1, EV_PERSIST, on_tick, io);
    return io;
}

void lane_io_listen(struct lane_io *io, const struct lane_listener *listener, void *context)
{
    io->listener = *listener;
    io->listener_context = context;
}

static err_t bind_socket(struct lane_io *io, void *socket, unsigned offset)
{
    char address[128];
    unsigned port = (unsigned)io->settings->lanes_port + offset;
    zmq_set(socket, ZMQ_LINGER, 0);
    zmq_set(socket, ZMQ_RCVHWM, MESSAGES_HWM);
    zmq_set(socket, ZMQ_SNDHWM, MESSAGES_HWM);
    int64_t max = (int64_t)io->settings->frame_bytes_max + HEADER_SLACK;
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof(max));
    snprintf(address, sizeof(address), "tcp://%s:%u", io->settings->lanes_address, port);
    if (!zmq_bind(socket, address)) return OK;
    log_error("cannot listen on %s: %s", address, zmq_strerror(zmq_errno()));
    return ERR_BAD_SETTING;
}

static err_t open_router(struct lane_io *io, enum pool pool)
{
    struct router *router = &io->router[pool];
    router->io = io;
    router->pool = pool;
    router->socket = zmq_socket(io->zmq, ZMQ_ROUTER);
    zmq_set(router->socket, ZMQ_ROUTER_MANDATORY, 1);
    router->monitor = zmq_monitor_open(io->zmq, router->socket, pool_name(pool));
    if (!router->monitor || bind_socket(io, router->socket, (unsigned)pool)) return ERR_BAD_SETTING;
    router->watch = zmq_watch_new(io->base, router->socket, on_router, router);
    router->monitor_watch = zmq_watch_new(io->base, router->monitor, on_monitor, router);
    return router->watch && router->monitor_watch ? OK : ERR_INTERNAL;
}

static err_t open_tokens(struct lane_io *io)
{
    io->tokens = zmq_socket(io->zmq, ZMQ_SUB);
    zmq_setsockopt(io->tokens, ZMQ_SUBSCRIBE, io->topic, strlen(io->topic));
    if (bind_socket(io, io->tokens, POOL_COUNT)) return ERR_BAD_SETTING;
    io->token_watch = zmq_watch_new(io->base, io->tokens, on_tokens, io);
    return io->token_watch ? OK : ERR_INTERNAL;
}

err_t lane_io_open(struct lane_io *io)
{
    const struct timeval interval = {.tv_usec = LANE_TICK_MS * 1000};
    io->zmq = zmq_ctx_new();
    if (!io->zmq || open_tokens(io)) return ERR_BAD_SETTING;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        if (open_router(io, (enum pool)pool)) return ERR_BAD_SETTING;
    return event_add(io->tick, &interval) ? ERR_INTERNAL : OK;
}

static void close_router(struct router *router)
{
    zmq_watch_destroy(&router->watch);
    zmq_watch_destroy(&router->monitor_watch);
    if (router->socket) zmq_monitor_close(router->socket, &router->monitor);
    if (router->socket) zmq_close(router->socket);
    free(router->peers);
    free(router->reused);
}

void lane_io_close(struct lane_io *io)
{
    if (io) step(io, &(struct lane_event){.type = EVENT_CLOSE});
}

void lane_io_destroy(struct lane_io **at)
{
    struct lane_io *io = *at;
    *at = NULL;
    if (!io) return;
    lane_io_close(io);
    for (int pool = 0; pool < POOL_COUNT; pool++) close_router(&io->router[pool]);
    zmq_watch_destroy(&io->token_watch);
    if (io->tokens) zmq_close(io->tokens);
    if (io->zmq) zmq_ctx_term(io->zmq);
    event_free(io->tick);
    event_free(io->later);
    lanes_destroy(&io->lanes);
    worker_counts_free(&io->counts);
    refused_workers_destroy(&io->refused);
    buffer_free(&io->header);
    free(io);
}

/* --- jobs --- */

static bool body_fits(const struct lane_io *io, const struct body *body)
{
    for (int i = 0; i < FRAME_COUNT; i++)
        if (body_frame(body, (enum frame)i).len > io->settings->frame_bytes_max) return false;
    return true;
}

static struct lane_job_spec lane_spec(const struct job_spec *spec, struct caller *caller)
{
    struct lane_job_spec job = {
        .kind = spec->kind,
        .stages = spec->stages ? spec->stages : kind_info(spec->kind)->stages,
        .body = spec->body,
        .timeout_ms = spec->timeout_ms,
        .affinity = spec->affinity,
        .trace = spec->trace,
        .op = spec->op,
        .record = spec->record,
        .tentative = spec->tentative,
        .owner = caller,
    };
    while (job.version_count < ARRAY_LEN(job.versions) &&
           spec->versions[job.version_count].kind.len) {
        job.versions[job.version_count] = spec->versions[job.version_count];
        job.version_count++;
    }
    return job;
}

err_t job_submit(struct lane_io *io, const struct job_spec *spec, const struct job_handler *handler,
                 void *context, uint64_t *job)
{
    struct body *body = spec->body;
    struct caller *caller;
    if (!body_fits(io, body)) {
        body_unref(&body);
        return ERR_FRAME_TOO_LARGE;
    }
    caller = xcalloc(1, sizeof(*caller));
    caller->handler = *handler;
    caller->context = context;
    struct lane_job_spec lane = lane_spec(spec, caller);
    struct lane_event event = {.type = EVENT_SUBMIT, .job = ++io->last_job, .spec = &lane};
    err_t error = step_inside(io, &event);
    if (error)
        free(caller);
    else
        *job = event.job;
    return error;
}

void job_cancel(struct lane_io *io, uint64_t job)
{
    struct lane_event event = {.type = EVENT_CANCEL, .job = job};
    event_active(io->later, 0, 0);
    (void)!lane_step(io->lanes, &event, now_us());
}

void job_taken(struct lane_io *io, uint64_t job, uint64_t bytes)
{
    struct lane_event event = {.type = EVENT_TAKEN, .job = job, .bytes = bytes};
    (void)!step_inside(io, &event);
}

void job_extend(struct lane_io *io, uint64_t job, uint64_t timeout_ms)
{
    struct lane_event event = {.type = EVENT_EXTEND, .job = job, .timeout_ms = timeout_ms};
    (void)!lane_step(io->lanes, &event, now_us());
}

void lane_io_drain(struct lane_io *io)
{
    struct lane_event event = {.type = EVENT_DRAIN};
    step(io, &event);
}

size_t lane_io_jobs(const struct lane_io *io)
{
    return lanes_jobs(io->lanes);
}

/* --- what can be seen --- */

bool lane_io_ready(const struct lane_io *io, enum pool pool)
{
    struct lane_session_view session;
    for (size_t i = 0; lane_session_view(io->lanes, pool, i, &session); i++)
        if (!strcmp(session.state, "ready")) return true;
    return false;
}

const char *lane_io_serves(const struct lane_io *io, enum pool pool)
{
    struct lane_session_view session;
    for (size_t i = 0; lane_session_view(io->lanes, pool, i, &session); i++)
        if (!strcmp(session.state, "ready")) return session.serves;
    return "";
}

const char *lane_io_trouble(const struct lane_io *io, enum pool pool)
{
    const char *trouble = NULL;
    struct lane_session_view session;
    for (size_t i = 0; lane_session_view(io->lanes, pool, i, &session); i++) {
        if (strcmp(session.state, "ready") != 0) continue;
        if (!*session.trouble) return "";
        trouble = session.trouble;
    }
    return trouble;
}

static void view_sessions(const struct lane_io *io, enum pool pool, struct lane_view *view)
{
    struct lane_session_view session;
    for (size_t i = 0; lane_session_view(io->lanes, pool, i, &session); i++) {
        view->workers++;
        view->credits += session.credits;
        view->troubled += *session.trouble != '\0';
        view->in_flight += session.in_flight;
    }
}

void lane_io_view(const struct lane_io *io, enum pool pool, struct lane_view *view)
{
    const struct lane_counters *counters = lane_counters(io->lanes, pool);
    uint64_t oldest_us = lane_oldest_us(io->lanes, pool);
    *view = (struct lane_view){
        .pool = pool_name(pool),
        .oldest_ms = oldest_us ? (now_us() - oldest_us) / 1000 : 0,
        .submitted = counters->submitted,
        .finished = counters->finished,
        .failed = counters->failed,
        .cancelled = counters->cancelled,
        .redelivered = counters->redelivered,
        .refused = counters->refused,
        .deaths = counters->deaths,
        .stale_dropped = counters->stale,
        .garbage = counters->garbage,
        .replays = counters->replays,
        .resets = counters->resets,
    };
    view->refused_workers = refused_workers_count(io->refused, pool, clock_ms());
    view->queued = lane_queued(io->lanes, pool, &view->queued_bytes);
    view_sessions(io, pool, view);
}

bool lane_io_worker(const struct lane_io *io, enum pool pool, size_t index,
                    struct worker_view *view)
{
    struct lane_session_view session;
    if (!lane_session_view(io->lanes, pool, index, &session)) return false;
    *view = (struct worker_view){
        .pool = pool_name(pool),
        .name = session.name,
        .boot_id = session.boot_id,
        .build = session.build,
        .serves = session.serves,
        .state = session.state,
        .trouble = session.trouble,
        .slots = session.slots,
        .credits = session.credits,
        .in_flight = session.in_flight,
        .progress = session.progress,
        .last_seen_ms = (now_us() - session.heard_us) / 1000,
    };
    return true;
}

bool lane_io_refused(const struct lane_io *io, enum pool pool, size_t index,
                     struct refused_worker *worker)
{
    return refused_workers_at(io->refused, pool, index, worker);
}
