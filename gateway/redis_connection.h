/* One connection to Redis: calls are pipelined and answered in their order, each within the
 * timeout.
 *
 *     CONNECTING ─▶ GREETING (AUTH, SELECT, PING) ─▶ READY ─▶ trouble: it is of no more use
 *
 * After trouble the owner closes it; its calls are answered REDIS_AWAY then, and what Redis still
 * sends reaches nobody. */
#ifndef MILLRACE_GATEWAY_REDIS_CONNECTION_H
#define MILLRACE_GATEWAY_REDIS_CONNECTION_H

#include "gateway/redis_link.h"
#include "gateway/redis_url.h"

struct redis_connection;

/* `kind` names the trouble: "connect", "lost", "late", "garbage", "auth", "loading", "error". */
struct redis_connection_owner {
    void (*on_ready)(void *context, struct redis_connection *connection);
    void (*on_trouble)(void *context, struct redis_connection *connection, const char *kind);
    /* What a subscription brings. */
    void (*on_message)(void *context, struct slice message);
    void *context;
};

/* `address` is numeric. URL and owner must live on. Trouble is never told from inside. */
struct redis_connection *redis_connection_new(struct event_base *base, const char *address,
                                              const struct redis_url *url, uint64_t timeout_ms,
                                              const struct redis_connection_owner *owner);
void redis_connection_close(struct redis_connection **connection);
bool redis_connection_is_ready(const struct redis_connection *connection);
/* Calls not answered yet. */
size_t redis_connection_waiting(const struct redis_connection *connection);

enum { REDIS_WORDS_MAX = 6 };

/* Sends a command; its first word, lower case, is its name in the metrics and must live for ever.
 * The callback may be NULL. On a connection that is not ready it is answered REDIS_AWAY at once. */
void redis_connection_call(struct redis_connection *connection, const struct slice *words,
                           size_t count, redis_cb *callback, void *context);
/* Turns the connection into a listener of a channel. */
void redis_connection_subscribe(struct redis_connection *connection, const char *channel);

#endif
