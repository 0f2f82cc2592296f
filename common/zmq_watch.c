#include "common/zmq_watch.h"

#include <stdio.h>
#include <stdlib.h>

#define READS_A_TURN  256
#define READS_A_DRAIN 20000 /* a peer that floods must not hold the loop */

#define SLICED_BYTES_MAX 8192 /* a larger frame has memory of its own */

struct zmq_watch {
    struct event *event;
    zmq_watch_fn *on_readable;
    void *context;
    bool *destroyed; /* of the callback that runs now */
};

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    struct zmq_watch *watch = context;
    bool destroyed = false;
    int reads = 0;
    (void)fd, (void)what;
    watch->destroyed = &destroyed;
    while (reads < READS_A_TURN && watch->on_readable(watch->context) && !destroyed) reads++;
    if (destroyed) return;
    watch->destroyed = NULL;
    if (reads == READS_A_TURN) zmq_watch_sent(watch);
}

struct zmq_watch *zmq_watch_new(struct event_base *base, void *socket, zmq_watch_fn *on_readable,
                                void *context)
{
    struct zmq_watch *watch = xcalloc(1, sizeof(*watch));
    int fd;
    size_t size = sizeof(fd);
    watch->on_readable = on_readable;
    watch->context = context;
    if (!zmq_getsockopt(socket, ZMQ_FD, &fd, &size))
        watch->event = event_new(base, fd, EV_READ | EV_PERSIST, on_ready, watch);
    if (!watch->event || event_add(watch->event, NULL)) {
        zmq_watch_destroy(&watch);
        return NULL;
    }
    zmq_watch_sent(watch);
    return watch;
}

void zmq_watch_sent(struct zmq_watch *watch)
{
    event_active(watch->event, EV_READ, 0);
}

void zmq_watch_drain(struct zmq_watch *watch)
{
    bool destroyed = false;
    bool *outer = watch->destroyed;
    watch->destroyed = &destroyed;
    for (int reads = 0; reads < READS_A_DRAIN; reads++)
        if (!watch->on_readable(watch->context) || destroyed) break;
    if (!destroyed)
        watch->destroyed = outer;
    else if (outer)
        *outer = true;
}

void zmq_watch_destroy(struct zmq_watch **at)
{
    struct zmq_watch *watch = *at;
    *at = NULL;
    if (!watch) return;
    if (watch->destroyed) *watch->destroyed = true;
    if (watch->event) event_free(watch->event);
    free(watch);
}

void zmq_set(void *socket, int option, int value)
{
    if (!zmq_setsockopt(socket, option, &value, sizeof(value))) return;
    fprintf(stderr, "fatal: zmq option %d: %s\n", option, zmq_strerror(zmq_errno()));
    abort();
}

size_t zmq_receive(void *socket, zmq_msg_t *frames, size_t max)
{
    size_t count = 0;
    int more = 1;
    while (more) {
        zmq_msg_t extra, *frame = count < max ? &frames[count] : &extra;
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) break;
        more = zmq_msg_more(frame);
        if (count >= max) zmq_msg_close(&extra);
        count++;
    }
    return count;
}

void zmq_keep(zmq_msg_t *to, zmq_msg_t *from)
{
    size_t len = zmq_msg_size(from);
    if (len >= SLICED_BYTES_MAX) {
        zmq_msg_move(to, from);
        return;
    }
    zmq_msg_close(to);
    if (zmq_msg_init_size(to, len)) abort();
    if (len) memcpy(zmq_msg_data(to), zmq_msg_data(from), len);
}

void *zmq_monitor_open(void *context, void *socket, const char *name)
{
    char address[64];
    void *monitor;
    snprintf(address, sizeof(address), "inproc://monitor-%s", name);
    if (zmq_socket_monitor(socket, address, ZMQ_EVENT_DISCONNECTED)) return NULL;
    monitor = zmq_socket(context, ZMQ_PAIR);
    if (!monitor) return NULL;
    zmq_set(monitor, ZMQ_LINGER, 0);
    if (zmq_connect(monitor, address)) {
        zmq_close(monitor);
        return NULL;
    }
    return monitor;
}

/* An event is two frames: [uint16 event, int32 value][address]. */
int zmq_monitor_read(void *monitor)
{
    char event[6], address[256];
    int32_t fd;
    if (zmq_recv(monitor, event, sizeof(event), ZMQ_DONTWAIT) != sizeof(event)) return -1;
    zmq_recv(monitor, address, sizeof(address), ZMQ_DONTWAIT);
    memcpy(&fd, event + 2, sizeof(fd));
    return fd;
}

void zmq_monitor_close(void *socket, void **monitor)
{
    if (!*monitor) return;
    zmq_socket_monitor(socket, NULL, 0);
    zmq_close(*monitor);
    *monitor = NULL;
}
