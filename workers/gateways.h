/* Where the gateways are. GATEWAYS lists host:port; a name stands for all its A records, looked up
 * again every two seconds. The last good addresses stay while a name does not resolve, which is
 * said once. */
#ifndef MILLRACE_WORKERS_GATEWAYS_H
#define MILLRACE_WORKERS_GATEWAYS_H

#include <event2/event.h>

#include "common/errors.h"

#define GATEWAYS_MAX 256

struct gateways;

struct gateway_address {
    char host[16]; /* numeric IPv4 */
    unsigned port;
};

/* Called on the loop with the whole list, when it is first known and whenever it changed. */
typedef void gateways_fn(void *context, const struct gateway_address *addresses, size_t count);

/* ERR_BAD_SETTING (said on standard error) when `list` is malformed. */
err_t gateways_new(struct event_base *base, const char *list, gateways_fn *on_change, void *context,
                   struct gateways **gateways) MUST_USE;
void gateways_destroy(struct gateways **gateways);

#endif
