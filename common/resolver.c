/* One thread a look-up, which ends with it and says so through an eventfd. */
#include "common/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/thread.h"

struct found {
    struct resolver_address *addresses;
    size_t count, capacity;
};

struct resolver {
    char *host;
    int family;
    resolver_cb *on_addresses;
    void *context;
    struct event *found_event;
    int fd;
    bool numeric, asking, failing;
    pthread_t thread;
    int failed; /* the thread's, until it is joined; likewise */
    struct found found;
    struct found good; /* of the last look-up that worked */
};

static void signal_found(const struct resolver *resolver)
{
    const uint64_t one = 1;
    if (write(resolver->fd, &one, sizeof(one)) < 0) return; /* full: it is signalled already */
}

/* --- the thread --- */

static struct resolver_address *add(struct found *found)
{
    found->addresses =
        xgrow(found->addresses, &found->capacity, found->count + 1, sizeof(*found->addresses));
    return &found->addresses[found->count++];
}

static int read_list(const struct addrinfo *list, struct found *found)
{
    int failed = 0;
    found->count = 0;
    for (; list && !failed && found->count < RESOLVER_ADDRESSES_MAX; list = list->ai_next)
        failed = getnameinfo(list->ai_addr, list->ai_addrlen, add(found)->text,
                             sizeof(struct resolver_address), NULL, 0, NI_NUMERICHOST);
    return failed;
}

static void *look_up(void *context)
{
    struct resolver *resolver = context;
    const struct addrinfo hints = {.ai_family = resolver->family,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = resolver->family == AF_UNSPEC ? AI_ADDRCONFIG : 0};
    struct addrinfo *list = NULL;
    resolver->failed = getaddrinfo(resolver->host, NULL, &hints, &list);
    if (!resolver->failed) {
        resolver->failed = read_list(list, &resolver->found);
        freeaddrinfo(list);
    }
    signal_found(resolver);
    return NULL;
}

/* --- the loop --- */

/* Said once, until it works again. */
static void tell_failure(struct resolver *resolver)
{
    if (resolver->failed && !resolver->failing)
        log_warn("name %s does not resolve: %s; trying on", resolver->host,
                 gai_strerror(resolver->failed));
    resolver->failing = resolver->failed;
}

static void end_look_up(struct resolver *resolver)
{
    pthread_join(resolver->thread, NULL);
    resolver->asking = false;
    tell_failure(resolver);
    if (resolver->failed) return;
    struct found old = resolver->good;
    resolver->good = resolver->found;
    resolver->found = old;
}

static void on_found(evutil_socket_t fd, short what, void *context)
{
    struct resolver *resolver = context;
    uint64_t times;
    (void)what;
    if (read(fd, &times, sizeof(times)) < 0) return;
    if (resolver->asking) end_look_up(resolver);
    resolver->on_addresses(resolver->context, resolver->good.addresses, resolver->good.count);
}

void resolver_ask(struct resolver *resolver)
{
    if (resolver->asking) return;
    if (!resolver->numeric) resolver->asking = thread_start(&resolver->thread, look_up, resolver);
    if (!resolver->asking) signal_found(resolver);
}

static bool is_numeric(const char *host)
{
    uint8_t address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

struct resolver *resolver_new(struct event_base *base, const char *host, int family,
                              resolver_cb *on_addresses, void *context)
{
    struct resolver *resolver = xcalloc(1, sizeof(*resolver));
    resolver->host = xstrdup(host);
    resolver->family = family;
    resolver->on_addresses = on_addresses;
    resolver->context = context;
    resolver->numeric = is_numeric(host);
    if (resolver->numeric)
        snprintf(add(&resolver->good)->text, sizeof(struct resolver_address), "%s", host);
    resolver->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    resolver->found_event = event_new(base, resolver->fd, EV_READ | EV_PERSIST, on_found, resolver);
    event_add(resolver->found_event, NULL);
    return resolver;
}

void resolver_destroy(struct resolver **at)
{
    struct resolver *resolver = *at;
    *at = NULL;
    if (!resolver) return;
    if (resolver->asking) pthread_join(resolver->thread, NULL);
    event_free(resolver->found_event);
    close(resolver->fd);
    free(resolver->found.addresses);
    free(resolver->good.addresses);
    free(resolver->host);
    free(resolver);
}
