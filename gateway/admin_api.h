/* Agents, portfolios, documents and conversations over HTTP: each call is one job of the retriever
 * pool, named by its route.
 *
 *   create  201 and the object      update  200 and the object      delete  204
 *   read    200 and the object      list    200 {"data":[...],"next":cursor|null}
 *   documents: 201 when all are stored with their vectors, 202 while any is indexing
 *
 * An update changes the members that are given. What does not exist is 404, for deletes too. */
#ifndef MILLRACE_GATEWAY_ADMIN_API_H
#define MILLRACE_GATEWAY_ADMIN_API_H

#include "gateway/gateway.h"

void admin_call(struct gateway *gateway, struct http_request *request);

#endif
