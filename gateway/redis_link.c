/* The circuit breaker and the choice of connections; redis_connection.c has what one of them does.
 *
 *              probe_ms               connection ready
 *     BROKEN ───────────▶ PROBING ─────────────────────▶ AVAILABLE ── every CHECK_MS: INFO memory
 *       ▲                    │                               │
 *       └──── any trouble of any connection: all are closed ─┘
 *
 * One late answer is trouble: what Redis is here for is not worth a second wait. */
#include "gateway/redis_link.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/resolver.h"
#include "gateway/redis_connection.h"

enum {
    PROBE_MS_FIRST = 50,
    PROBE_MS_MAX = 2000,
    CHECK_MS = 1000,
    PIPELINE_DEEP = 64, /* calls waiting on every connection before another is opened */
};
#define WAITING_BYTES_MAX (16 * MIB) /* of values on their way */

enum link_state { LINK_BROKEN, LINK_PROBING, LINK_AVAILABLE };

struct redis_link {
    struct event_base *base;
    const struct settings *settings;
    struct redis_url url;
    struct resolver *resolver; /* NULL: there is no Redis */
    struct redis_connection_owner owner;
    enum link_state state;
    char address[64];
    struct redis_connection **connections; /* REDIS_MAX_CONNECTIONS places, filled from the front */
    size_t count;
    struct redis_connection *subscriber;
    struct event *timer; /* the next probe, or the next check */
    uint64_t probe_ms;
    size_t waiting_bytes;
    bool told; /* that it is away */
    const char *channel;
    void (*on_message)(void *context, struct slice message);
    void *message_context;
};

/* --- states --- */

static void wait_ms(struct redis_link *link, uint64_t ms)
{
    struct timeval wait = clock_timeval_ms(ms);
    evtimer_add(link->timer, &wait);
}

static void close_all(struct redis_link *link)
{
    struct redis_connection *subscriber = link->subscriber;
    link->subscriber = NULL;
    redis_connection_close(&subscriber);
    while (link->count) {
        struct redis_connection *connection = link->connections[--link->count];
        redis_connection_close(&connection);
    }
    metric_set(METRIC_REDIS_CONNECTIONS, 0, NULL, NULL);
}

/* The only mover between states. */
static void enter(struct redis_link *link, enum link_state state)
{
    link->state = state;
    metric_set(METRIC_REDIS_AVAILABLE, state == LINK_AVAILABLE, NULL, NULL);
    switch (state) {
    case LINK_BROKEN:
        wait_ms(link, link->probe_ms);
        link->probe_ms = MIN(2 * link->probe_ms, (uint64_t)PROBE_MS_MAX);
        close_all(link); /* last: it answers calls */
        break;
    case LINK_PROBING: resolver_ask(link->resolver); break;
    case LINK_AVAILABLE:
        link->probe_ms = PROBE_MS_FIRST;
        wait_ms(link, CHECK_MS);
        break;
    }
}

static void on_trouble(void *context, struct redis_connection *connection, const char *kind)
{
    struct redis_link *link = context;
    (void)connection;
    metric_add(METRIC_REDIS_TROUBLE, 1, kind, NULL);
    if (!link->told)
        log_warn("redis away host=%s reason=%s; going on without", link->url.host, kind);
    link->told = true;
    enter(link, LINK_BROKEN);
}

/* --- connections --- */

static struct redis_connection *open_connection(struct redis_link *link)
{
    return redis_connection_new(link->base, link->address, &link->url,
                                link->settings->redis_timeout_ms, &link->owner);
}

static void add_connection(struct redis_link *link)
{
    link->connections[link->count++] = open_connection(link);
    metric_set(METRIC_REDIS_CONNECTIONS, (double)link->count, NULL, NULL);
}

static void on_addresses(void *context, const struct resolver_address *addresses, size_t count)
{
    struct redis_link *link = context;
    if (link->state != LINK_PROBING) return;
    if (!count) {
        on_trouble(link, NULL, "name");
        return;
    }
    snprintf(link->address, sizeof(link->address), "%s", addresses[0].text);
    add_connection(link);
}

static void on_ready(void *context, struct redis_connection *connection)
{
    struct redis_link *link = context;
    if (connection == link->subscriber) {
        redis_connection_subscribe(connection, link->channel);
        link->on_message(link->message_context, (struct slice){0});
        return;
    }
    if (link->state != LINK_PROBING) return;
    if (link->told) log_info("redis back host=%s", link->url.host);
    link->told = false;
    enter(link, LINK_AVAILABLE);
    if (link->channel) link->subscriber = open_connection(link);
}

static void on_message(void *context, struct slice message)
{
    const struct redis_link *link = context;
    link->on_message(link->message_context, message);
}

/* The ready connection on which the fewest calls wait. Where many do, another one is opened, one at
 * a time. */
static struct redis_connection *choose(struct redis_link *link)
{
    struct redis_connection *best = NULL;
    bool greeting = false;
    for (size_t i = 0; i < link->count; i++) {
        struct redis_connection *connection = link->connections[i];
        bool ready = redis_connection_is_ready(connection);
        greeting |= !ready;
        if (ready &&
            (!best || redis_connection_waiting(connection) < redis_connection_waiting(best)))
            best = connection;
    }
    if (best && redis_connection_waiting(best) >= PIPELINE_DEEP && !greeting &&
        link->count < link->settings->redis_max_connections)
        add_connection(link);
    return best;
}

static void call(struct redis_link *link, const struct slice *words, size_t count,
                 redis_cb *callback, void *context)
{
    struct redis_connection *connection = link->state == LINK_AVAILABLE ? choose(link) : NULL;
    if (connection)
        redis_connection_call(connection, words, count, callback, context);
    else if (callback)
        callback(context, REDIS_AWAY, (struct slice){0});
}

/* --- the timer --- */

static void on_memory(void *context, enum redis_outcome outcome, struct slice value)
{
    static const char member[] = "used_memory:";
    (void)context;
    if (outcome != REDIS_HIT) return;
    const char *at = memmem(value.ptr, value.len, member, strlen(member));
    if (at) metric_set(METRIC_REDIS_USED_MEMORY, strtod(at + strlen(member), NULL), NULL, NULL);
}

/* Asked although nobody waits for it: a Redis that stands still shows before somebody does. */
static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct redis_link *link = context;
    (void)fd, (void)what;
    if (link->state == LINK_BROKEN) {
        enter(link, LINK_PROBING);
    } else if (link->state == LINK_AVAILABLE) {
        wait_ms(link, CHECK_MS);
        call(link, (struct slice[]){SLICE("info"), SLICE("memory")}, 2, on_memory, NULL);
    }
}

/* --- what others call --- */

void redis_get(struct redis_link *link, struct slice key, redis_cb *callback, void *context)
{
    call(link, (struct slice[]){SLICE("get"), key}, 2, callback, context);
}

struct kept_value {
    struct redis_link *link;
    size_t bytes;
};

static void on_kept(void *context, enum redis_outcome outcome, struct slice value)
{
    struct kept_value *kept = context;
    (void)outcome, (void)value;
    kept->link->waiting_bytes -= kept->bytes;
    free(kept);
}

void redis_set(struct redis_link *link, struct slice key, struct slice value, uint64_t ttl_s)
{
    struct slice words[REDIS_WORDS_MAX] = {SLICE("set"), key, value, SLICE("ex")};
    char ttl[24];
    if (link->waiting_bytes + value.len > WAITING_BYTES_MAX) {
        metric_add(METRIC_REDIS_REQUESTS, 1, "set", "dropped");
        return;
    }
    struct kept_value *kept = xmalloc(sizeof(*kept));
    *kept = (struct kept_value){link, value.len};
    link->waiting_bytes += value.len;
    snprintf(ttl, sizeof(ttl), "%ju", (uintmax_t)ttl_s);
    words[4] = slice_of(ttl);
    call(link, words, ttl_s ? 5 : 3, on_kept, kept);
}

void redis_delete(struct redis_link *link, struct slice key)
{
    call(link, (struct slice[]){SLICE("del"), key}, 2, NULL, NULL);
}

void redis_eval(struct redis_link *link, const char *script, struct slice key,
                const struct slice arguments[2], redis_cb *callback, void *context)
{
    struct slice words[] = {SLICE("eval"), slice_of(script), SLICE("1"),
                            key,           arguments[0],     arguments[1]};
    call(link, words, ARRAY_LEN(words), callback, context);
}

void redis_publish(struct redis_link *link, const char *channel, struct slice message)
{
    call(link, (struct slice[]){SLICE("publish"), slice_of(channel), message}, 3, NULL, NULL);
}

void redis_subscribe(struct redis_link *link, const char *channel,
                     void (*listener)(void *context, struct slice message), void *context)
{
    link->channel = channel;
    link->on_message = listener;
    link->message_context = context;
    if (link->state == LINK_AVAILABLE) link->subscriber = open_connection(link);
}

bool redis_available(const struct redis_link *link)
{
    return link->state == LINK_AVAILABLE;
}

/* --- life --- */

err_t redis_link_new(struct event_base *base, const struct settings *settings,
                     struct redis_link **out)
{
    struct redis_link *link = xcalloc(1, sizeof(*link));
    const char *why;
    link->base = base;
    link->settings = settings;
    link->probe_ms = PROBE_MS_FIRST;
    link->owner = (struct redis_connection_owner){on_ready, on_trouble, on_message, link};
    link->connections = xcalloc(settings->redis_max_connections, sizeof(struct redis_connection *));
    link->timer = evtimer_new(base, on_timer, link);
    if (*settings->redis_url && redis_url_parse(settings->redis_url, &link->url, &why)) {
        log_error("setting REDIS_URL: %s", why);
        redis_link_destroy(&link);
        return ERR_BAD_SETTING;
    }
    if (link->url.host) {
        link->resolver = resolver_new(base, link->url.host, AF_UNSPEC, on_addresses, link);
        enter(link, LINK_PROBING);
    }
    *out = link;
    return OK;
}

void redis_link_destroy(struct redis_link **at)
{
    struct redis_link *link = *at;
    *at = NULL;
    if (!link) return;
    link->state = LINK_BROKEN;
    close_all(link);
    resolver_destroy(&link->resolver);
    event_free(link->timer);
    redis_url_free(&link->url);
    free(link->connections);
    free(link);
}
