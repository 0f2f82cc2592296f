/* One thread a look-up, which ends with it and says so through an eventfd. */
#include "common/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/log.h"

struct resolver {
    char *host;
    resolver_cb *on_address;
    void *context;
    struct event *found_event;
    int fd;
    bool asking, failing;
    pthread_t thread;
    int failed; /* the thread's, until it is joined; likewise */
    char found[INET6_ADDRSTRLEN];
    char good[INET6_ADDRSTRLEN]; /* "": none yet */
};

static void signal_found(const struct resolver *resolver)
{
    const uint64_t one = 1;
    if (write(resolver->fd, &one, sizeof(one)) < 0) return; /* full: it is signalled already */
}

static void *look_up(void *context)
{
    struct resolver *resolver = context;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    resolver->failed = getaddrinfo(resolver->host, NULL, &hints, &list);
    if (!resolver->failed) {
        resolver->failed = getnameinfo(list->ai_addr, list->ai_addrlen, resolver->found,
                                       sizeof(resolver->found), NULL, 0, NI_NUMERICHOST);
        freeaddrinfo(list);
    }
    signal_found(resolver);
    return NULL;
}

/* Said once, until it works again. */
static void tell_failure(struct resolver *resolver)
{
    if (resolver->failed && !resolver->failing)
        log_warn("name %s does not resolve: %s; trying on", resolver->host,
                 gai_strerror(resolver->failed));
    resolver->failing = resolver->failed;
}

static void on_found(evutil_socket_t fd, short what, void *context)
{
    struct resolver *resolver = context;
    uint64_t times;
    (void)what;
    if (read(fd, &times, sizeof(times)) < 0) return;
    if (resolver->asking) {
        pthread_join(resolver->thread, NULL);
        resolver->asking = false;
        if (!resolver->failed) memcpy(resolver->good, resolver->found, sizeof(resolver->good));
        tell_failure(resolver);
    }
    resolver->on_address(resolver->context, *resolver->good ? resolver->good : NULL);
}

void resolver_ask(struct resolver *resolver)
{
    if (resolver->asking) return;
    bool numeric = *resolver->good && !strcmp(resolver->good, resolver->host);
    if (!numeric) resolver->asking = !pthread_create(&resolver->thread, NULL, look_up, resolver);
    if (!resolver->asking) signal_found(resolver);
}

struct resolver *resolver_new(struct event_base *base, const char *host, resolver_cb *on_address,
                              void *context)
{
    struct resolver *resolver = xcalloc(1, sizeof(*resolver));
    uint8_t address[sizeof(struct in6_addr)];
    resolver->host = xstrdup(host);
    resolver->on_address = on_address;
    resolver->context = context;
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        memcpy(resolver->good, host, strlen(host) + 1);
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
    free(resolver->host);
    free(resolver);
}
