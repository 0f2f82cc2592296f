/* Addresses that a provider's name must not lead to: link-local ones, where clouds serve their
 * machines' credentials, and the other places where they do. Pure. */
#ifndef MILLRACE_WORKERS_ADDRESS_GUARD_H
#define MILLRACE_WORKERS_ADDRESS_GUARD_H

#include <sys/socket.h>

#include "common/base.h"

/* True for link-local and metadata addresses, IPv4 ones written as IPv6 among them (mapped,
 * compatible, NAT64, 6to4). Loopback and private networks are where models of one's own run. */
bool address_refused(const struct sockaddr *address);

#endif
