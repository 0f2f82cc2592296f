/* A real Redis of the test's own, and a TCP proxy before it, on the loop, that can freeze, cut and
 * garble. Both are gone with the test. */
#ifndef MILLRACE_TEST_REDIS_FIXTURE_H
#define MILLRACE_TEST_REDIS_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base.h"

#define REDIS_SERVER "/usr/bin/redis-server"

/* --- sockets --- */

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Bound to `port`, or to a free one where it is 0. */
static int bound_socket(unsigned port)
{
    struct sockaddr_in address = loopback(port);
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static unsigned port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

static int connected(unsigned port)
{
    struct sockaddr_in address = loopback(port);
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) return fd;
    close(fd);
    return -1;
}

/* --- the server --- */

static pid_t redis_pid;
static unsigned redis_port;

static unsigned free_port(void)
{
    int fd = bound_socket(0);
    unsigned port = port_of(fd);
    close(fd);
    return port;
}

/* `options`: up to four more words of its command line, NULL at the end. */
static void redis_start(const char *const *options)
{
    char port[16];
    const char *argv[16] = {REDIS_SERVER, "--port",       port, "--bind", "127.0.0.1", "--save",
                            "",           "--appendonly", "no", "--dir",  "/tmp"};
    for (size_t i = 11; options && *options; i++) argv[i] = *options++;
    if (!redis_port) redis_port = free_port();
    snprintf(port, sizeof(port), "%u", redis_port);
    redis_pid = fork();
    if (!redis_pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execv(REDIS_SERVER, (char *const *)argv);
        _exit(127);
    }
    for (int tries = 0; tries < 1000; tries++) {
        int fd = connected(redis_port);
        if (fd >= 0) {
            close(fd);
            return;
        }
        usleep(10000);
    }
    fail_msg("redis-server does not listen");
}

static void redis_stop(void)
{
    if (redis_pid <= 0) return;
    kill(redis_pid, SIGKILL);
    waitpid(redis_pid, NULL, 0);
    redis_pid = 0;
}

/* --- the proxy --- */

enum proxy_mode { PASSES, FROZEN, GARBLES };
enum { PAIRS_MAX = 64 };

static struct proxy {
    struct event_base *base;
    struct event *listener;
    int fd;
    unsigned port;
    enum proxy_mode mode;
    struct pair {
        int ends[2]; /* client, server */
        struct event *events[2];
    } pairs[PAIRS_MAX];
    size_t accepted;
} proxy;

static void pair_close(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        if (!pair->events[i]) continue;
        event_free(pair->events[i]);
        close(pair->ends[i]);
        pair->events[i] = NULL;
    }
}

/* What arrives while the proxy is frozen stays in the socket. */
static void on_bytes(evutil_socket_t fd, short what, void *context)
{
    struct pair *pair = context;
    char bytes[65536];
    (void)what;
    if (proxy.mode == FROZEN) {
        event_del(fd == pair->ends[0] ? pair->events[0] : pair->events[1]);
        return;
    }
    ssize_t count = read(fd, bytes, sizeof(bytes));
    if (count <= 0) {
        pair_close(pair);
        return;
    }
    if (proxy.mode == GARBLES) {
        static const char garbage[] = "!what is this?\r\n";
        if (write(pair->ends[0], garbage, strlen(garbage)) < 0) pair_close(pair);
        return;
    }
    if (write(fd == pair->ends[0] ? pair->ends[1] : pair->ends[0], bytes, (size_t)count) != count)
        pair_close(pair);
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
    struct pair *pair = proxy.pairs;
    (void)what, (void)context;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) return;
    while (pair->events[0]) pair++;
    assert_true(pair < proxy.pairs + PAIRS_MAX);
    int server = connected(redis_port);
    if (server < 0) {
        close(client);
        return;
    }
    pair->ends[0] = client;
    pair->ends[1] = server;
    for (int i = 0; i < 2; i++) {
        pair->events[i] =
            event_new(proxy.base, pair->ends[i], EV_READ | EV_PERSIST, on_bytes, pair);
        event_add(pair->events[i], NULL);
    }
    proxy.accepted++;
}

static inline void proxy_set(enum proxy_mode mode)
{
    proxy.mode = mode;
    for (size_t i = 0; i < PAIRS_MAX; i++)
        for (int end = 0; end < 2 && mode != FROZEN; end++)
            if (proxy.pairs[i].events[end]) event_add(proxy.pairs[i].events[end], NULL);
}

static void proxy_cut(void)
{
    for (size_t i = 0; i < PAIRS_MAX; i++) pair_close(&proxy.pairs[i]);
}

static void proxy_open(struct event_base *base)
{
    proxy = (struct proxy){.base = base, .fd = bound_socket(0)};
    proxy.port = port_of(proxy.fd);
    listen(proxy.fd, 64);
    evutil_make_socket_nonblocking(proxy.fd);
    proxy.listener = event_new(base, proxy.fd, EV_READ | EV_PERSIST, on_accept, NULL);
    event_add(proxy.listener, NULL);
}

static void proxy_close(void)
{
    proxy_cut();
    event_free(proxy.listener);
    close(proxy.fd);
}

#endif
