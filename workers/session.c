/* A worker's session with one gateway: a DEALER for jobs, an XPUB for tokens, a monitor beside
 * each.
 *
 * HELLO goes out only when the gateway's subscription has come in on the XPUB: before that, tokens
 * would be lost. A connection is a session: when either socket loses its peer both are closed and
 * new ones opened under a fresh routing id, and no job, credit or frame crosses over. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/worker_state.h"

#define GREETING_TIMEOUT_MS 3000
#define REOPEN_AFTER_MS     50
#define REFUSED_PAUSE_MS    2000 /* after a gateway of another version, which stays that for long */
#define FRAMES_MAX          (1 + JOB_FRAMES)
#define SEND_HWM            10000
#define HEADER_SLACK        (64 * 1024)
#define LINGER_MS           1000
#define TOKENS_BYTES_MAX    32768 /* sent together, unless one alone is larger */
#define TOKENS_BYTES_KEPT   (4 * TOKENS_BYTES_MAX)

static void end_soon(struct session *session, const char *reason)
{
    if (session->state == SESSION_CLOSED || session->end_reason) return;
    session->end_reason = reason;
    event_active(session->end, 0, 0);
}

/* --- sending --- */

static bool send_frame(void *socket, const void *bytes, size_t len, bool more)
{
    return zmq_send(socket, bytes, len, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0;
}

static void encode(struct session *session, const struct message *message)
{
    session->worker->header.len = 0;
    message_encode(message, &session->worker->header);
}

bool session_send(struct session *session, const struct message *message, zmq_msg_t *frames,
                  size_t count)
{
    struct buffer *header = &session->worker->header;
    if (!session->jobs_socket || session->end_reason) return false;
    encode(session, message);
    bool sent = send_frame(session->jobs_socket, header->data, header->len, count > 0);
    for (size_t i = 0; sent && i < count; i++)
        sent = zmq_msg_send(&frames[i], session->jobs_socket,
                            ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0)) >= 0;
    zmq_watch_sent(session->jobs_watch);
    if (!sent) end_soon(session, "the gateway takes no more messages");
    return sent;
}

void session_send_simple(struct session *session, enum message_type type)
{
    struct message message = {.type = type};
    session_send(session, &message, NULL, 0);
}

/* One message of ZeroMQ for all tokens of a turn: its price is that of many tokens. */
static void flush_tokens(struct session *session)
{
    struct buffer *tokens = &session->tokens;
    if (!tokens->len || !session->tokens_socket || session->end_reason) return;
    session->tokens_full =
        !send_frame(session->tokens_socket, session->topic, session->topic_len, true) ||
        !send_frame(session->tokens_socket, tokens->data, tokens->len, false);
    zmq_watch_sent(session->tokens_watch);
    if (session->tokens_full) return;
    tokens->len = 0;
    if (tokens->capacity > TOKENS_BYTES_KEPT) buffer_free(tokens);
}

bool session_put_token(struct session *session, const struct message *message)
{
    struct buffer *tokens = &session->tokens;
    if (!session->tokens_socket || session->end_reason || session->tokens_full) return false;
    if (tokens->len + message->tok.text.len > TOKENS_BYTES_MAX) flush_tokens(session);
    if (session->tokens_full) return false;
    if (!tokens->len) worker_flush_soon(session->worker);
    message_encode(message, tokens);
    return true;
}

void session_flush(struct session *session)
{
    struct message message = {.type = MESSAGE_CREDIT};
    flush_tokens(session);
    if (!session->credit.due || session->state != SESSION_SERVING) return;
    session->credit.due = false;
    message.credit.epoch = session->epoch;
    message.credit.cumulative = session->credit.granted;
    message.credit.shared = session->credit.shared;
    session_send(session, &message, NULL, 0);
}

/* --- heartbeats --- */

static size_t streams_of(const struct session *session, const struct job_queue *queue,
                         struct stream_at *streams, size_t count, size_t max)
{
    for (const struct job *job = queue->first; job && count < max; job = job->next)
        if (job->session == session && job->sent > job->got)
            streams[count++] =
                (struct stream_at){.job = job->id, .attempt = job->attempt, .seq = job->sent};
    return count;
}

static void beat(struct session *session, uint64_t now_ms)
{
    struct worker *worker = session->worker;
    size_t max = worker->active.count + worker->lingering.count, count;
    struct stream_at *streams = xcalloc(max, sizeof(*streams));
    struct message message = {.type = MESSAGE_BEAT};
    count = streams_of(session, &worker->active, streams, 0, max);
    count = streams_of(session, &worker->lingering, streams, count, max);
    message.beat.busy = worker->running;
    message.beat.progress = worker->progress;
    message.beat.streams = (struct list){streams, count};
    message.beat.versions = (struct list){worker->versions, worker->version_count};
    message.beat.counts = (struct list){worker->counts, worker->count_count};
    message.beat.trouble = slice_of(worker->trouble);
    session_send(session, &message, NULL, 0);
    session->beat_ms = now_ms;
    free(streams);
}

/* --- what the gateway says --- */

static void on_welcome(struct session *session, const struct welcome_message *welcome)
{
    if (session->state != SESSION_GREETING) return;
    session->state = SESSION_SERVING;
    session->foreign_protocol = 0;
    session->beat_ms = 0; /* what troubles us is told at once */
    session->epoch = welcome->epoch;
    session->takes_tails = welcome->takes_tails;
    session->heartbeat_ms = MAX(welcome->heartbeat_ms, 1u);
    session->liveness = MAX(welcome->liveness, 1u);
    session->credit = (struct credit_account){.serving = true};
    log_info("serving gateway=%.*s address=%s:%u epoch=%llu", (int)welcome->gateway.len,
             welcome->gateway.ptr, session->host, session->port,
             (unsigned long long)session->epoch);
    worker_flush_soon(session->worker);
    if (session->worker->draining) session_send_simple(session, MESSAGE_DRAIN);
}

static void on_pulse(struct session *session, const struct pulse_message *pulse)
{
    session->credit.queued = pulse->queued;
    session->credit.returned = MAX(session->credit.returned, pulse->returned);
    worker_flush_soon(session->worker);
}

static void on_job_message(struct session *session, const struct message *message)
{
    struct job *job = job_lookup(session, message->job, message->attempt);
    if (!job) return;
    switch (message->type) {
    case MESSAGE_CANCEL: job_cancel(job); break;
    case MESSAGE_TACK: job_tack(job, &message->tack); break;
    case MESSAGE_REPLAY: job_replay(job, message->replay.from); break;
    default: break;
    }
}

static void deal_with(struct session *session, const struct message *message, zmq_msg_t *frames,
                      size_t count)
{
    switch (message->type) {
    case MESSAGE_WELCOME: on_welcome(session, &message->welcome); break;
    case MESSAGE_JOB:
        if (session->state == SESSION_SERVING) job_receive(session, message, frames, count);
        break;
    case MESSAGE_CANCEL:
    case MESSAGE_TACK:
    case MESSAGE_REPLAY: on_job_message(session, message); break;
    case MESSAGE_PULSE: on_pulse(session, &message->pulse); break;
    case MESSAGE_RESET: end_soon(session, "the gateway asked to begin anew"); break;
    default: end_soon(session, "the gateway sent an unexpected message"); break;
    }
}

/* --- greeting --- */

static bool can_send(const struct session *session)
{
    int events = 0;
    size_t size = sizeof(events);
    zmq_getsockopt(session->jobs_socket, ZMQ_EVENTS, &events, &size);
    return events & ZMQ_POLLOUT;
}

/* HELLO, once the subscription has come on the one connection and the other is up as well. */
static void say_hello(struct session *session)
{
    struct worker *worker = session->worker;
    struct message message = {.type = MESSAGE_HELLO};
    message.hello = (struct hello_message){
        .pool = slice_of(pool_name(worker->pool->pool)),
        .boot_id = slice_of(worker->boot_id),
        .slots = worker->settings.slots,
        .build = slice_of(MILLRACE_VERSION),
        .name = slice_of(worker->settings.name),
        .serves = slice_of(worker->serves),
    };
    if (session->state != SESSION_OPENING || !session->topic_len || !can_send(session)) return;
    session->state = SESSION_GREETING;
    session->since_ms = clock_ms();
    session_send(session, &message, NULL, 0);
}

/* Said once, until the gateway has spoken our version. */
static void part_from_foreigner(struct session *session, uint64_t protocol)
{
    if (session->foreign_protocol != protocol)
        log_error("refused by gateway address=%s:%u: it speaks protocol version %llu, this worker"
                  " %d; trying on",
                  session->host, session->port, (unsigned long long)protocol, PROTOCOL_VERSION);
    session->foreign_protocol = protocol;
    session->pause_ms = REFUSED_PAUSE_MS;
    end_soon(session, error_text(ERR_PROTOCOL_VERSION));
}

static bool on_jobs(void *context)
{
    struct session *session = context;
    zmq_msg_t frames[FRAMES_MAX];
    struct message message;
    struct arena arena = {0};
    size_t count = zmq_receive(session->jobs_socket, frames, FRAMES_MAX);
    if (!count) {
        say_hello(session);
        return false;
    }
    struct slice header = {zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0])};
    err_t error = message_decode(header, &arena, &message);
    session->heard_ms = clock_ms();
    if (error == ERR_PROTOCOL_VERSION)
        part_from_foreigner(session, message.protocol);
    else if (error)
        end_soon(session, error_text(error));
    else
        deal_with(session, &message, frames + 1, MIN(count, (size_t)FRAMES_MAX) - 1);
    for (size_t i = 0; i < MIN(count, (size_t)FRAMES_MAX); i++) zmq_msg_close(&frames[i]);
    arena_free(&arena);
    return true;
}

/* --- subscriptions --- */

static void pump_session(struct session *session)
{
    struct job *job = session->worker->active.first, *next;
    for (; job; job = next) {
        next = job->next;
        if (job->session == session) job_pump(job);
    }
}

/* After the socket was full. */
static void take_up_tokens(struct session *session)
{
    flush_tokens(session);
    if (!session->tokens_full) pump_session(session);
}

/* One frame a subscription: 1 or 0, then the topic. The socket also wakes us when it takes tokens
 * again after it was full. */
static bool on_tokens(void *context)
{
    struct session *session = context;
    char frame[sizeof(session->topic) + 1];
    int len = zmq_recv(session->tokens_socket, frame, sizeof(frame), ZMQ_DONTWAIT);
    if (len < 0) {
        if (session->tokens_full) take_up_tokens(session);
        return false;
    }
    if (len < 2 || (size_t)len > sizeof(frame)) return true;
    if (frame[0] == 0) {
        end_soon(session, "the gateway ended its subscription");
    } else if (session->state == SESSION_OPENING) {
        session->topic_len = (size_t)len - 1;
        memcpy(session->topic, frame + 1, session->topic_len);
        say_hello(session);
    }
    return true;
}

static bool on_jobs_monitor(void *context)
{
    struct session *session = context;
    if (zmq_monitor_read(session->jobs_monitor) < 0) return false;
    if (session->state >= SESSION_GREETING) end_soon(session, "connection lost");
    return true;
}

static bool on_tokens_monitor(void *context)
{
    struct session *session = context;
    if (zmq_monitor_read(session->tokens_monitor) < 0) return false;
    if (session->state >= SESSION_GREETING) end_soon(session, "token connection lost");
    return true;
}

/* --- opening and closing --- */

static void *open_socket(struct session *session, int type, unsigned port)
{
    struct worker *worker = session->worker;
    void *socket = zmq_socket(worker->zmq, type);
    int64_t max = (int64_t)worker->settings.frame_bytes_max + HEADER_SLACK;
    uint8_t id[8];
    char address[64];
    zmq_set(socket, ZMQ_LINGER, 0);
    zmq_set(socket, ZMQ_SNDHWM, SEND_HWM);
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof(max));
    zmq_set(socket, ZMQ_RECONNECT_IVL, 50);
    zmq_set(socket, ZMQ_RECONNECT_IVL_MAX, 1000);
    if (type == ZMQ_DEALER) {
        while (getrandom(id, sizeof(id), 0) != sizeof(id)) continue;
        id[0] |= 1; /* ids that begin with zero are libzmq's own */
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, id, sizeof(id));
        zmq_set(socket, ZMQ_IMMEDIATE, 1);
    } else {
        zmq_set(socket, ZMQ_XPUB_VERBOSER, 1);
        zmq_set(socket, ZMQ_XPUB_NODROP, 1);
    }
    snprintf(address, sizeof(address), "tcp://%s:%u", session->host, port);
    if (!zmq_connect(socket, address)) return socket;
    log_error("cannot connect to %s: %s", address, zmq_strerror(zmq_errno()));
    zmq_close(socket);
    return NULL;
}

static void *open_monitor(struct session *session, void *socket, const char *kind)
{
    char name[48];
    snprintf(name, sizeof(name), "%s-%p-%llu", kind, (void *)session,
             (unsigned long long)session->serial);
    return zmq_monitor_open(session->worker->zmq, socket, name);
}

static void session_open(struct session *session)
{
    struct worker *worker = session->worker;
    unsigned tokens_port = session->port + POOL_COUNT;
    session->serial++;
    session->state = SESSION_OPENING;
    session->end_reason = NULL;
    session->pause_ms = REOPEN_AFTER_MS;
    session->topic_len = 0;
    session->tokens_full = false;
    session->tokens.len = 0;
    session->heard_ms = session->since_ms = clock_ms();
    session->jobs_socket = open_socket(session, ZMQ_DEALER, session->port + worker->pool->pool);
    session->tokens_socket = open_socket(session, ZMQ_XPUB, tokens_port);
    session->jobs_monitor = open_monitor(session, session->jobs_socket, "jobs");
    session->tokens_monitor = open_monitor(session, session->tokens_socket, "tokens");
    session->jobs_watch = zmq_watch_new(worker->base, session->jobs_socket, on_jobs, session);
    session->tokens_watch = zmq_watch_new(worker->base, session->tokens_socket, on_tokens, session);
    session->jobs_monitor_watch =
        zmq_watch_new(worker->base, session->jobs_monitor, on_jobs_monitor, session);
    session->tokens_monitor_watch =
        zmq_watch_new(worker->base, session->tokens_monitor, on_tokens_monitor, session);
}

static void close_sockets(struct session *session)
{
    zmq_watch_destroy(&session->jobs_watch);
    zmq_watch_destroy(&session->tokens_watch);
    zmq_watch_destroy(&session->jobs_monitor_watch);
    zmq_watch_destroy(&session->tokens_monitor_watch);
    if (session->jobs_socket) zmq_monitor_close(session->jobs_socket, &session->jobs_monitor);
    if (session->tokens_socket) zmq_monitor_close(session->tokens_socket, &session->tokens_monitor);
    if (session->jobs_socket) zmq_close(session->jobs_socket);
    if (session->tokens_socket) zmq_close(session->tokens_socket);
    session->jobs_socket = session->tokens_socket = NULL;
}

static void orphan_jobs(struct session *session, struct job_queue *queue)
{
    struct job *job = queue->first, *next;
    for (; job; job = next) {
        next = job->next;
        if (job->session == session) job_orphan(job);
    }
}

static void on_end(evutil_socket_t fd, short what, void *context)
{
    struct session *session = context;
    struct worker *worker = session->worker;
    struct job_queue *const queues[] = {&worker->waiting, &worker->starting, &worker->stirred,
                                        &worker->lingering, &worker->active};
    (void)fd, (void)what;
    if (session->state == SESSION_CLOSED) return;
    if (session->state >= SESSION_GREETING && !session->foreign_protocol)
        log_warn("session over address=%s:%u epoch=%llu reason=\"%s\"", session->host,
                 session->port, (unsigned long long)session->epoch, session->end_reason);
    close_sockets(session);
    session->state = SESSION_CLOSED;
    session->since_ms = clock_ms();
    session->credit = (struct credit_account){0};
    for (size_t i = 0; i < ARRAY_LEN(queues); i++) orphan_jobs(session, queues[i]);
    worker_flush_soon(worker);
}

struct session *session_new(struct worker *worker, const char *host, unsigned port)
{
    struct session *session = xcalloc(1, sizeof(*session));
    session->worker = worker;
    session->host = xstrdup(host);
    session->port = port;
    session->listed = true;
    session->end = event_new(worker->base, -1, 0, on_end, session);
    session_open(session);
    return session;
}

void session_free(struct session **at)
{
    struct session *session = *at;
    *at = NULL;
    if (!session) return;
    if (session->jobs_socket) zmq_set(session->jobs_socket, ZMQ_LINGER, LINGER_MS);
    close_sockets(session);
    event_free(session->end);
    buffer_free(&session->tokens);
    free(session->host);
    free(session);
}

/* --- time --- */

static void serving_tick(struct session *session, uint64_t late_ms, uint64_t now_ms)
{
    session->heard_ms = MIN(session->heard_ms + late_ms, now_ms);
    if (now_ms - session->heard_ms > session->heartbeat_ms * session->liveness)
        end_soon(session, "the gateway fell silent");
    else if (now_ms - session->beat_ms >= session->heartbeat_ms)
        beat(session, now_ms);
    session_flush(session);
}

void session_tick(struct session *session, uint64_t late_ms, uint64_t now_ms)
{
    switch (session->state) {
    case SESSION_CLOSED:
        if (session->listed && now_ms - session->since_ms >= session->pause_ms &&
            !session->worker->draining)
            session_open(session);
        break;
    case SESSION_OPENING: break; /* libzmq tries on to connect */
    case SESSION_GREETING:
        if (now_ms - session->since_ms > GREETING_TIMEOUT_MS)
            end_soon(session, "the gateway does not answer HELLO");
        break;
    case SESSION_SERVING: serving_tick(session, late_ms, now_ms); break;
    }
}
