/* A ZeroMQ socket on a libevent loop.
 *
 * ZMQ_FD is edge-triggered and a send may swallow the edge of a receive, so the owner says when it
 * has sent (zmq_watch_sent) and the socket is read once more. Reading has a budget a turn, so that
 * one busy socket does not starve the others. */
#ifndef MILLRACE_COMMON_ZMQ_WATCH_H
#define MILLRACE_COMMON_ZMQ_WATCH_H

#include <event2/event.h>
#include <zmq.h>

#include "common/base.h"

struct zmq_watch;

/* Reads one message with ZMQ_DONTWAIT and deals with it; false when there was none. */
typedef bool zmq_watch_fn(void *context);

/* `socket` stays the caller's and must outlive the watch. NULL when the loop refuses. */
struct zmq_watch *zmq_watch_new(struct event_base *base, void *socket, zmq_watch_fn *on_readable,
                                void *context) MUST_USE;
/* The owner has sent something: look again in this turn of the loop. */
void zmq_watch_sent(struct zmq_watch *watch);
/* Reads until there is nothing more, or so much that the peer must be flooding us. */
void zmq_watch_drain(struct zmq_watch *watch);
void zmq_watch_destroy(struct zmq_watch **watch);

/* Sets an int option, as most are. Ends the process when libzmq refuses: a bug of ours. */
void zmq_set(void *socket, int option, int value);
/* Reads a message's frames, or what is left of them, into `frames`; those past `max` are read and
 * dropped. Returns how many there were, 0 when no message waits. Caller closes those it got. */
size_t zmq_receive(void *socket, zmq_msg_t *frames, size_t max);
/* Takes a received frame that is to be kept for long; `to` is initialised. A small one is copied:
 * libzmq hands out slices of what it read at once, and each keeps all of it, 18 KB. */
void zmq_keep(zmq_msg_t *to, zmq_msg_t *from);
/* Starts telling of lost connections; returns the socket on which they come (zmq_read_monitor), or
 * NULL. `name` is unique within the context. */
void *zmq_monitor_open(void *context, void *socket, const char *name) MUST_USE;
/* Reads one event: its descriptor, -1 when there is none. Only disconnections are told. */
int zmq_monitor_read(void *monitor);
void zmq_monitor_close(void *socket, void **monitor);

#endif
