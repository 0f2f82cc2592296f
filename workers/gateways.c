#include "workers/gateways.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

#define RESOLVE_INTERVAL_S 2

struct entry {
    char *host;
    unsigned port;
    bool numeric, failing;
    struct gateway_address *good; /* of the last look-up that worked */
    size_t good_count;
};

struct gateways {
    gateways_fn *on_change;
    void *context;
    struct entry *entries;
    size_t count, capacity;
    struct event *changed;
    int fd;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock; /* of the rest */
    pthread_cond_t wake;
    bool stop;
    struct gateway_address found[GATEWAYS_MAX];
    size_t found_count;
};

/* --- looking up --- */

static void entry_resolve(struct entry *entry)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    size_t capacity = 0;
    int failed = getaddrinfo(entry->host, NULL, &hints, &found);
    if (failed && !entry->failing)
        log_warn("gateway name %s does not resolve: %s; trying on", entry->host,
                 gai_strerror(failed));
    entry->failing = failed;
    if (failed) return;
    free(entry->good);
    entry->good = NULL;
    entry->good_count = 0;
    for (struct addrinfo *a = found; a; a = a->ai_next) {
        entry->good = xgrow(entry->good, &capacity, entry->good_count + 1, sizeof(*entry->good));
        struct gateway_address *address = &entry->good[entry->good_count++];
        address->port = entry->port;
        inet_ntop(AF_INET, &((struct sockaddr_in *)a->ai_addr)->sin_addr, address->host,
                  sizeof(address->host));
    }
    freeaddrinfo(found);
}

static int compare(const void *a, const void *b)
{
    const struct gateway_address *x = a, *y = b;
    int order = strcmp(x->host, y->host);
    return order ? order : (x->port > y->port) - (x->port < y->port);
}

/* All entries' addresses, sorted, each once. */
static size_t collect(struct gateways *gateways, struct gateway_address *found)
{
    size_t count = 0, unique = 0;
    for (size_t i = 0; i < gateways->count; i++)
        for (size_t k = 0; k < gateways->entries[i].good_count && count < GATEWAYS_MAX; k++)
            found[count++] = gateways->entries[i].good[k];
    qsort(found, count, sizeof(*found), compare);
    for (size_t i = 0; i < count; i++)
        if (!unique || compare(&found[unique - 1], &found[i])) found[unique++] = found[i];
    return unique;
}

static void publish(struct gateways *gateways)
{
    struct gateway_address found[GATEWAYS_MAX] = {0};
    uint64_t one = 1;
    size_t count = collect(gateways, found);
    pthread_mutex_lock(&gateways->lock);
    bool changed = count != gateways->found_count ||
                   memcmp(found, gateways->found, count * sizeof(*found)) != 0;
    memcpy(gateways->found, found, sizeof(found));
    gateways->found_count = count;
    pthread_mutex_unlock(&gateways->lock);
    if (changed && write(gateways->fd, &one, sizeof(one)) < 0) return;
}

static void *resolver(void *context)
{
    struct gateways *gateways = context;
    bool stop = false;
    while (!stop) {
        struct timespec until;
        for (size_t i = 0; i < gateways->count; i++)
            if (!gateways->entries[i].numeric) entry_resolve(&gateways->entries[i]);
        publish(gateways);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += RESOLVE_INTERVAL_S;
        pthread_mutex_lock(&gateways->lock);
        while (!gateways->stop && !pthread_cond_timedwait(&gateways->wake, &gateways->lock, &until))
            continue;
        stop = gateways->stop;
        pthread_mutex_unlock(&gateways->lock);
    }
    return NULL;
}

static void on_changed(evutil_socket_t fd, short what, void *context)
{
    struct gateways *gateways = context;
    struct gateway_address found[GATEWAYS_MAX];
    uint64_t times;
    (void)what;
    if (read(fd, &times, sizeof(times)) < 0) return;
    pthread_mutex_lock(&gateways->lock);
    size_t count = gateways->found_count;
    memcpy(found, gateways->found, sizeof(found));
    pthread_mutex_unlock(&gateways->lock);
    gateways->on_change(gateways->context, found, count);
}

/* --- the setting --- */

static err_t entry_parse(struct gateways *gateways, struct slice text)
{
    struct in_addr address;
    char *end;
    const char *colon = memrchr(text.ptr, ':', text.len);
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (!colon || colon == text.ptr || end != text.ptr + text.len || !port || port > 65532) {
        fprintf(stderr, "setting GATEWAYS: \"%.*s\" is not host:port\n", (int)text.len, text.ptr);
        return ERR_BAD_SETTING;
    }
    gateways->entries =
        xgrow(gateways->entries, &gateways->capacity, gateways->count + 1, sizeof(struct entry));
    struct entry *entry = &gateways->entries[gateways->count++];
    *entry = (struct entry){.host = xstrndup(text.ptr, (size_t)(colon - text.ptr)),
                            .port = (unsigned)port};
    entry->numeric = inet_pton(AF_INET, entry->host, &address) == 1;
    if (!entry->numeric) return OK;
    entry->good = xcalloc(1, sizeof(*entry->good));
    entry->good_count = 1;
    entry->good->port = entry->port;
    inet_ntop(AF_INET, &address, entry->good->host, sizeof(entry->good->host));
    return OK;
}

static err_t parse(struct gateways *gateways, const char *list)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        if (len && entry_parse(gateways, (struct slice){list, len})) return ERR_BAD_SETTING;
        list += len + (list[len] == ',');
    }
    return gateways->count ? OK : ERR_BAD_SETTING;
}

err_t gateways_new(struct event_base *base, const char *list, gateways_fn *on_change, void *context,
                   struct gateways **out)
{
    struct gateways *gateways = xcalloc(1, sizeof(*gateways));
    gateways->on_change = on_change;
    gateways->context = context;
    gateways->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&gateways->lock, NULL);
    pthread_cond_init(&gateways->wake, NULL);
    gateways->changed = event_new(base, gateways->fd, EV_READ | EV_PERSIST, on_changed, gateways);
    if (parse(gateways, list) || event_add(gateways->changed, NULL)) {
        gateways_destroy(&gateways);
        return ERR_BAD_SETTING;
    }
    for (size_t i = 0; i < gateways->count; i++)
        gateways->threaded |= !gateways->entries[i].numeric;
    if (gateways->threaded)
        gateways->threaded = !pthread_create(&gateways->thread, NULL, resolver, gateways);
    else
        publish(gateways);
    *out = gateways;
    return OK;
}

void gateways_destroy(struct gateways **at)
{
    struct gateways *gateways = *at;
    *at = NULL;
    if (!gateways) return;
    pthread_mutex_lock(&gateways->lock);
    gateways->stop = true;
    pthread_cond_signal(&gateways->wake);
    pthread_mutex_unlock(&gateways->lock);
    if (gateways->threaded) pthread_join(gateways->thread, NULL);
    event_free(gateways->changed);
    close(gateways->fd);
    for (size_t i = 0; i < gateways->count; i++) {
        free(gateways->entries[i].host);
        free(gateways->entries[i].good);
    }
    free(gateways->entries);
    pthread_mutex_destroy(&gateways->lock);
    pthread_cond_destroy(&gateways->wake);
    free(gateways);
}
