/* A host's address, looked up off the loop: getaddrinfo may take seconds. The last good address is
 * kept, so that a name server that is away does no harm. */
#ifndef MILLRACE_COMMON_RESOLVER_H
#define MILLRACE_COMMON_RESOLVER_H

#include <event2/event.h>

#include "common/base.h"

struct resolver;

/* `address` is numeric, and valid during the call; NULL where the name was never found. */
typedef void resolver_cb(void *context, const char *address);

/* The host is copied: a name, or a numeric address (which takes no look-up). */
struct resolver *resolver_new(struct event_base *base, const char *host, resolver_cb *on_address,
                              void *context);
/* Waits for a look-up that is under way. */
void resolver_destroy(struct resolver **resolver);
/* Calls back once, on the loop, never from inside. While a look-up is under way another changes
 * nothing. */
void resolver_ask(struct resolver *resolver);

#endif
