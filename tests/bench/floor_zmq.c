/* What no part of the system can beat on this machine: the round trip of 64 bytes between two
 * processes, once over ROUTER and DEALER with both sides on libevent (the lanes' own transport,
 * with nothing of ours in it), once over a bare socket pair.
 *
 *     bench_floor [round trips]      prints one JSON line, times in microseconds
 *
 * Over ZeroMQ twice: placed as the kernel likes, and with a core for each process. The two differ
 * by what it costs to wake another core, which is most of a round trip on a virtual machine, and
 * the kernel places two processes otherwise than five.
 *
 * The parent is the gateway's side: it binds a ROUTER, sends, and times until the echo is back. */
#include <event2/event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "tests/bench/samples.h"

#define PAYLOAD_BYTES 64
#define WARM_UP       1000 /* round trips before the first that counts */
#define TRIPS_DEFAULT 20000
#define TRIPS_MAX     10000000

struct peer {
    struct event_base *base;
    void *socket;
    bool router;
    char id[64]; /* the other side, as the ROUTER calls it */
    int id_len;
    uint64_t sent_ns;
    size_t trips, left; /* to count, and to go with those that warm up */
    struct samples times;
};

static void require(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench_floor: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void peer_send(struct peer *peer)
{
    static const char payload[PAYLOAD_BYTES];
    peer->sent_ns = clock_ns();
    if (peer->router)
        require(zmq_send(peer->socket, peer->id, (size_t)peer->id_len, ZMQ_SNDMORE) >= 0, "send");
    require(zmq_send(peer->socket, payload, sizeof(payload), 0) >= 0, "send");
}

/* Takes one message if there is one. */
static bool peer_receive(struct peer *peer)
{
    char payload[PAYLOAD_BYTES];
    if (peer->router) {
        int len = zmq_recv(peer->socket, peer->id, sizeof(peer->id), ZMQ_DONTWAIT);
        if (len < 0) return false;
        peer->id_len = len;
    }
    return zmq_recv(peer->socket, payload, sizeof(payload), ZMQ_DONTWAIT) >= 0;
}

/* The ROUTER counts round trips, the DEALER echoes until the parent ends it. */
static void peer_answer(struct peer *peer)
{
    if (peer->router) {
        if (peer->left <= peer->trips) samples_add(&peer->times, clock_ns() - peer->sent_ns);
        if (--peer->left == 0) {
            event_base_loopbreak(peer->base);
            return;
        }
    }
    peer_send(peer);
}

/* ZMQ_FD tells of changes only: read until nothing is left, or nothing more is ever told. */
static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    while (peer_receive(context)) peer_answer(context);
}

static void peer_run(struct peer *peer)
{
    int fd;
    size_t size = sizeof(fd);
    require(zmq_getsockopt(peer->socket, ZMQ_FD, &fd, &size) == 0, "ZMQ_FD");
    peer->base = event_base_new();
    struct event *event = event_new(peer->base, fd, EV_READ | EV_PERSIST, on_readable, peer);
    event_add(event, NULL);
    event_active(event, EV_READ, 0);
    event_base_dispatch(peer->base);
    event_free(event);
    event_base_free(peer->base);
}

/* The child's life: connects, says who it is with a first message, echoes until it is killed. */
static void echo(const char *address)
{
    struct peer peer = {.socket = zmq_socket(zmq_ctx_new(), ZMQ_DEALER)};
    require(zmq_connect(peer.socket, address) == 0, "connect");
    peer_send(&peer);
    peer_run(&peer);
    _exit(0);
}

/* Keeps the process, and the threads that it will have, on the first or last core it may use. */
static void stay_on_core(bool first)
{
    cpu_set_t may, one;
    int core = -1;
    require(sched_getaffinity(0, sizeof(may), &may) == 0, "affinity");
    for (int i = 0; i < CPU_SETSIZE && (core < 0 || !first); i++)
        if (CPU_ISSET(i, &may)) core = i;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    require(sched_setaffinity(0, sizeof(one), &one) == 0, "affinity");
}

static struct samples measure_zmq(size_t trips, bool apart)
{
    cpu_set_t cores;
    char address[64];
    int pipe_fds[2];
    require(pipe(pipe_fds) == 0, "pipe");
    pid_t child = fork(); /* before any libzmq thread exists */
    require(child >= 0, "fork");
    if (child == 0) {
        if (apart) stay_on_core(false);
        require(read(pipe_fds[0], address, sizeof(address)) > 0, "address");
        echo(address);
    }
    require(sched_getaffinity(0, sizeof(cores), &cores) == 0, "affinity");
    if (apart) stay_on_core(true);
    void *context = zmq_ctx_new();
    struct peer peer = {.socket = zmq_socket(context, ZMQ_ROUTER),
                        .router = true,
                        .trips = trips,
                        .left = trips + WARM_UP};
    size_t size = sizeof(address);
    require(zmq_bind(peer.socket, "tcp://127.0.0.1:*") == 0, "bind");
    require(zmq_getsockopt(peer.socket, ZMQ_LAST_ENDPOINT, address, &size) == 0, "address");
    require(write(pipe_fds[1], address, size) > 0, "address");
    peer_run(&peer);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    zmq_close(peer.socket);
    zmq_ctx_term(context);
    sched_setaffinity(0, sizeof(cores), &cores);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return peer.times;
}

static bool transfer(int fd, bool out)
{
    char payload[PAYLOAD_BYTES] = {0};
    return (out ? write(fd, payload, sizeof(payload)) : read(fd, payload, sizeof(payload))) ==
           (ssize_t)sizeof(payload);
}

static struct samples measure_pair(size_t trips)
{
    int fds[2];
    struct samples times = {0};
    require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
    pid_t child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
        close(fds[0]);
        while (transfer(fds[1], false) && transfer(fds[1], true)) continue;
        _exit(0);
    }
    close(fds[1]);
    for (size_t i = 0; i < trips; i++) {
        uint64_t start = clock_ns();
        require(transfer(fds[0], true) && transfer(fds[0], false), "socket pair");
        samples_add(&times, clock_ns() - start);
    }
    close(fds[0]);
    waitpid(child, NULL, 0);
    return times;
}

static void print_times(const char *name, struct samples *times)
{
    printf("\"%s_p50_us\": %.1f, \"%s_p99_us\": %.1f, ", name,
           (double)samples_quantile(times, 0.5) / 1000, name,
           (double)samples_quantile(times, 0.99) / 1000);
    samples_free(times);
}

/* What a process with both libraries in it takes before it does anything of its own. */
static long resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    require(file && fscanf(file, "%*d %ld", &pages) == 1, "statm");
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int argc, char **argv)
{
    size_t trips = argc > 1 ? strtoul(argv[1], NULL, 10) : TRIPS_DEFAULT;
    if (trips == 0 || trips > TRIPS_MAX) {
        fprintf(stderr, "usage: bench_floor [round trips, 1 to %d]\n", TRIPS_MAX);
        return 2;
    }
    struct samples pair = measure_pair(trips);
    struct samples zmq = measure_zmq(trips, false);
    struct samples apart = measure_zmq(trips, true);
    printf("{");
    print_times("zmq", &zmq);
    print_times("zmq_apart", &apart);
    print_times("pair", &pair);
    printf("\"trips\": %zu, \"resident_kb\": %ld}\n", trips, resident_kb());
    return 0;
}
