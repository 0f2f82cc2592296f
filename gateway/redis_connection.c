#include "gateway/redis_connection.h"

#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/metrics.h"

struct call {
    TAILQ_ENTRY(call) link;
    struct redis_connection *connection; /* NULL: it was closed */
    const char *command;
    redis_cb *callback;
    void *context;
    uint64_t sent_us;
};

struct redis_connection {
    const struct redis_connection_owner *owner;
    const struct redis_url *url;
    redisAsyncContext *redis; /* NULL: it never came to be, or hiredis has taken it down */
    TAILQ_HEAD(, call) calls; /* in the order of their replies */
    size_t waiting;
    uint64_t timeout_ms;
    struct event *deadline; /* of the oldest call */
    const char *trouble;    /* to be told at the next turn */
    bool ready, told;
};

/* --- replies --- */

/* How an error reply begins, what the metrics call it, and whether Redis is of no use then. */
static const struct complaint {
    const char *front, *name;
    bool trouble;
} complaints[] = {
    {"LOADING", "loading", true},
    {"NOAUTH", "auth", true},
    {"WRONGPASS", "auth", true},
    {"NOPERM", "auth", true},
    {"ERR invalid password", "auth", true},
    {"ERR max number", "error", true},
    {"OOM", "full", false},
    {"MISCONF", "full", false},
    {"READONLY", "read_only", false},
    {"WRONGTYPE", "wrong_type", false},
    {"", "error", false},
};

static const struct complaint *complaint_of(const redisReply *reply)
{
    const struct complaint *complaint = complaints;
    while (strncmp(reply->str, complaint->front, strlen(complaint->front)) != 0) complaint++;
    return complaint;
}

static void tell_trouble(struct redis_connection *connection, const char *kind)
{
    if (connection->told) return;
    connection->told = true;
    connection->ready = false;
    connection->owner->on_trouble(connection->owner->context, connection, kind);
}

static const char *result_of(const redisReply *reply, enum redis_outcome *outcome)
{
    *outcome = reply && reply->type == REDIS_REPLY_NIL ? REDIS_MISS : REDIS_HIT;
    if (reply && reply->type != REDIS_REPLY_ERROR) return *outcome == REDIS_MISS ? "nil" : "ok";
    *outcome = REDIS_AWAY;
    return reply ? complaint_of(reply)->name : "away";
}

static void call_answer(struct call *call, const redisReply *reply)
{
    enum redis_outcome outcome;
    const char *result = result_of(reply, &outcome);
    struct slice value = {0};
    if (reply && reply->str && outcome == REDIS_HIT) value = (struct slice){reply->str, reply->len};
    metric_add(METRIC_REDIS_REQUESTS, 1, call->command, result);
    if (reply)
        metric_observe(METRIC_REDIS_SECONDS, (double)(clock_us() - call->sent_us) / 1e6,
                       call->command);
    if (call->callback) call->callback(call->context, outcome, value);
}

/* hiredis' callback: a reply, or NULL when there will be none. Trouble is told last, since it ends
 * the connection. */
static void on_reply(redisAsyncContext *redis, void *reply, void *context)
{
    struct call *call = context;
    struct redis_connection *connection = call->connection;
    const redisReply *answer = connection ? reply : NULL;
    const struct complaint *complaint = NULL;
    (void)redis;
    if (connection) {
        TAILQ_REMOVE(&connection->calls, call, link);
        connection->waiting--;
        if (answer && answer->type == REDIS_REPLY_ERROR) complaint = complaint_of(answer);
    }
    call_answer(call, answer);
    free(call);
    if (complaint && complaint->trouble) tell_trouble(connection, complaint->name);
}

/* --- time --- */

static void arm(struct redis_connection *connection, uint64_t ms)
{
    struct timeval wait = clock_timeval_ms(ms);
    evtimer_add(connection->deadline, &wait);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct redis_connection *connection = context;
    const struct call *oldest = TAILQ_FIRST(&connection->calls);
    uint64_t waited_ms = oldest ? (clock_us() - oldest->sent_us) / 1000 : 0;
    (void)fd, (void)what;
    if (connection->trouble)
        tell_trouble(connection, connection->trouble);
    else if (oldest && waited_ms >= connection->timeout_ms)
        tell_trouble(connection, connection->ready ? "late" : "connect");
    else if (oldest)
        arm(connection, connection->timeout_ms - waited_ms);
}

/* Told at the next turn of the loop. */
static void fail_soon(struct redis_connection *connection, const char *kind)
{
    connection->trouble = kind;
    arm(connection, 0);
}

/* --- sending --- */

static bool send_words(struct redis_connection *connection, const struct slice *words, size_t count,
                       redisCallbackFn *callback, void *context)
{
    const char *texts[REDIS_WORDS_MAX];
    size_t lengths[REDIS_WORDS_MAX];
    for (size_t i = 0; i < count; i++) {
        texts[i] = words[i].len ? words[i].ptr : "";
        lengths[i] = words[i].len;
    }
    return connection->redis && redisAsyncCommandArgv(connection->redis, callback, context,
                                                      (int)count, texts, lengths) == REDIS_OK;
}

static void call_send(struct redis_connection *connection, const struct slice *words, size_t count,
                      redis_cb *callback, void *context)
{
    struct call *call = xcalloc(1, sizeof(*call));
    *call = (struct call){.connection = connection,
                          .command = words[0].ptr,
                          .callback = callback,
                          .context = context,
                          .sent_us = clock_us()};
    if (!send_words(connection, words, count, on_reply, call)) {
        call_answer(call, NULL);
        free(call);
        return;
    }
    TAILQ_INSERT_TAIL(&connection->calls, call, link);
    if (!connection->waiting++ && !connection->trouble) arm(connection, connection->timeout_ms);
}

void redis_connection_call(struct redis_connection *connection, const struct slice *words,
                           size_t count, redis_cb *callback, void *context)
{
    if (connection->ready)
        call_send(connection, words, count, callback, context);
    else if (callback)
        callback(context, REDIS_AWAY, (struct slice){0});
}

/* --- greeting --- */

static void on_greeted(void *context, enum redis_outcome outcome, struct slice value)
{
    struct redis_connection *connection = context;
    (void)value;
    if (outcome == REDIS_AWAY || connection->told) return;
    connection->ready = true;
    connection->owner->on_ready(connection->owner->context, connection);
}

/* A refusal that is no trouble elsewhere is one here: the password or the database is wrong. */
static void on_introduced(void *context, enum redis_outcome outcome, struct slice value)
{
    struct redis_connection *connection = context;
    (void)value;
    if (outcome == REDIS_AWAY && !connection->told && connection->redis)
        fail_soon(connection, "auth");
}

static void greet(struct redis_connection *connection)
{
    const struct redis_url *url = connection->url;
    char database[16];
    struct slice auth[3] = {SLICE("auth")};
    size_t words = 1;
    if (url->user) auth[words++] = slice_of(url->user);
    if (url->password) auth[words++] = slice_of(url->password);
    if (words > 1) call_send(connection, auth, words, on_introduced, connection);
    snprintf(database, sizeof(database), "%u", url->database);
    if (url->database)
        call_send(connection, (struct slice[]){SLICE("select"), slice_of(database)}, 2,
                  on_introduced, connection);
    call_send(connection, (struct slice[]){SLICE("ping")}, 1, on_greeted, connection);
}

/* --- what hiredis tells --- */

static const char *trouble_of(const redisAsyncContext *redis)
{
    return redis->err == REDIS_ERR_PROTOCOL ? "garbage" : "lost";
}

static void on_connect(const redisAsyncContext *redis, int status)
{
    struct redis_connection *connection = redis->data;
    if (!connection || status == REDIS_OK) return;
    connection->redis = NULL; /* hiredis frees it */
    fail_soon(connection, "connect");
}

static void on_disconnect(const redisAsyncContext *redis, int status)
{
    struct redis_connection *connection = redis->data;
    (void)status;
    if (!connection) return;
    connection->redis = NULL;
    tell_trouble(connection, trouble_of(redis));
}

static void on_published(redisAsyncContext *redis, void *answer, void *context)
{
    const struct redis_connection *connection = redis->data;
    const redisReply *reply = answer;
    (void)context;
    if (!connection || !reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) return;
    const redisReply *kind = reply->element[0], *text = reply->element[2];
    if (kind->type == REDIS_REPLY_STRING && !strcmp(kind->str, "message") &&
        text->type == REDIS_REPLY_STRING)
        connection->owner->on_message(connection->owner->context,
                                      (struct slice){text->str, text->len});
}

void redis_connection_subscribe(struct redis_connection *connection, const char *channel)
{
    struct slice words[] = {SLICE("subscribe"), slice_of(channel)};
    if (!send_words(connection, words, 2, on_published, NULL)) fail_soon(connection, "lost");
}

/* --- life --- */

struct redis_connection *redis_connection_new(struct event_base *base, const char *address,
                                              const struct redis_url *url, uint64_t timeout_ms,
                                              const struct redis_connection_owner *owner)
{
    struct redis_connection *connection = xcalloc(1, sizeof(*connection));
    connection->owner = owner;
    connection->url = url;
    connection->timeout_ms = timeout_ms;
    TAILQ_INIT(&connection->calls);
    connection->deadline = evtimer_new(base, on_deadline, connection);
    connection->redis = redisAsyncConnect(address, (int)url->port);
    if (!connection->redis || connection->redis->err) {
        if (connection->redis) redisAsyncFree(connection->redis);
        connection->redis = NULL;
        fail_soon(connection, "connect");
        return connection;
    }
    connection->redis->data = connection;
    redisLibeventAttach(connection->redis, base);
    redisAsyncSetConnectCallback(connection->redis, on_connect);
    redisAsyncSetDisconnectCallback(connection->redis, on_disconnect);
    greet(connection);
    return connection;
}

void redis_connection_close(struct redis_connection **at)
{
    struct redis_connection *connection = *at;
    struct call *call;
    *at = NULL;
    if (!connection) return;
    connection->told = true;
    while ((call = TAILQ_FIRST(&connection->calls))) {
        TAILQ_REMOVE(&connection->calls, call, link);
        call->connection = NULL;
        if (call->context == connection) call->callback = NULL;
    }
    redisAsyncContext *redis = connection->redis;
    if (redis) redis->data = NULL;
    event_free(connection->deadline);
    free(connection);
    if (redis) redisAsyncFree(redis); /* answers what waits */
}

bool redis_connection_is_ready(const struct redis_connection *connection)
{
    return connection->ready;
}

size_t redis_connection_waiting(const struct redis_connection *connection)
{
    return connection->waiting;
}
