/* The routes: one table of method, path, handler and scope. */
#ifndef MILLRACE_GATEWAY_ROUTES_H
#define MILLRACE_GATEWAY_ROUTES_H

#include "common/access_token.h"
#include "gateway/gateway.h"
#include "proto/kinds.h"

struct route {
    const char *method;
    const char *path; /* "{id}" stands for a whole number, "{name}" for any one word */
    void (*handle)(struct gateway *gateway, struct http_request *request);
    enum scope scope; /* that the caller must have; SCOPE_NONE: it is open to all */
    enum kind kind;   /* of the job that answers it; KIND_COUNT for none */
    bool documents;   /* takes bodies as large as documents */
    bool limited;     /* counts against RATE_LIMIT_PER_MINUTE */
    const char *name; /* in logs and metrics */
};

/* Finds the route of a request. ERR_NOT_FOUND; ERR_METHOD_NOT_ALLOWED, then `allow` (of at least
 * ROUTE_ALLOW_SIZE) is what the Allow header says. HEAD goes where GET goes. An id that is no
 * number, or too large for one, is ERR_NOT_FOUND. */
#define ROUTE_ALLOW_SIZE 40
err_t route_find(struct slice method, struct slice path, struct http_target *target,
                 char *allow) MUST_USE;
/* The route at `index`, NULL past the end. */
const struct route *route_at(size_t index);

#endif
