/* A host's addresses, looked up off the loop: getaddrinfo may take seconds. The last good ones are
 * kept, so that a name server that is away does no harm; that it is away is said once. */
#ifndef MILLRACE_COMMON_RESOLVER_H
#define MILLRACE_COMMON_RESOLVER_H

#include <event2/event.h>

#include "common/base.h"

#define RESOLVER_ADDRESSES_MAX 256 /* of one name; the rest is not told */

struct resolver;

struct resolver_address {
    char text[46]; /* numeric, of either family */
};

/* In the order in which they were found, and valid during the call; none where the name was never
 * found. */
typedef void resolver_cb(void *context, const struct resolver_address *addresses, size_t count);

/* The host is copied: a name, or a numeric address (which takes no look-up). `family` is AF_INET,
 * or AF_UNSPEC for what this machine has. */
struct resolver *resolver_new(struct event_base *base, const char *host, int family,
                              resolver_cb *on_addresses, void *context);
/* Waits for a look-up that is under way. */
void resolver_destroy(struct resolver **resolver);
/* Calls back once, on the loop, never from inside. While a look-up is under way another changes
 * nothing. */
void resolver_ask(struct resolver *resolver);

#endif
