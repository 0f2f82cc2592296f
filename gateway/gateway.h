/* What the gateway's parts share: one of each, made in main() in this order. */
#ifndef MILLRACE_GATEWAY_GATEWAY_H
#define MILLRACE_GATEWAY_GATEWAY_H

#include <event2/event.h>
#include <sys/queue.h>

#include "common/settings.h"
#include "gateway/http_server.h"

LIST_HEAD(chats, chat);

struct gateway {
    const struct settings *settings;
    struct event_base *base;
    struct auth *auth;
    struct redis_link *redis;
    struct rate_limit *rate_limit;
    struct flags_store *flags;
    struct lane_io *lanes;
    struct directory *directory;
    struct claims *claims;
    struct recorder *recorder;
    struct cache *cache;
    struct generations *generations;
    struct classified *classified;
    struct ingest_pump *pump;
    struct http_server *http;
    struct chats chats; /* questions that are not over */
    bool draining;      /* asked to stop: takes no new work */
};

/* How the HTTP server finds the routes; its context is the gateway. */
extern const struct http_app gateway_app;

#endif
