/* The daemon, its connections and their time.
 *
 * One sweep judges every connection by what it is doing:
 *
 *   waiting for headers   CLIENT_HEADER_TIMEOUT_S in all, idle or trickling: closed
 *   receiving a body      the same, and a second more for each SLOWEST_BYTES_S received: 408
 *   working               no limit here: the job has its deadline; a stream shows that it lives
 *   sending               CLIENT_STALL_MS without progress: HTTP_STALLED
 *
 * Only a stream shows its progress; any other answer is given a second more for each
 * SLOWEST_BYTES_S. */
#include "gateway/http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file_limit.h"
#include "common/log.h"
#include "gateway/http_internal.h"

#define CONNECTION_BYTES 8192 /* libmicrohttpd's memory of one connection */
#define OTHER_FILES      256  /* descriptors that are not clients: lanes, logs, epoll */
#define SLOWEST_BYTES_S  16384
#define BACKLOG          4096
#define KEEPALIVE_MS     15000
#define ON_THE_WAY_MS    1000 /* in which who has connected asks */
#define SWEEP_MS_MAX     1000
#define SWEEP_MS_MIN     20

/* --- connections --- */

void conn_enter(struct http_conn *conn, enum conn_state state, uint64_t bytes)
{
    conn->state = state;
    conn->since_ms = clock_ms();
    conn->bytes = bytes;
}

void conn_suspend(struct http_conn *conn)
{
    conn->suspended = true;
    conn_enter(conn, CONN_WORKING, 0);
    MHD_suspend_connection(conn->mhd);
}

/* libmicrohttpd takes the connection up when it runs next: later in this very turn. */
void conn_resume(struct http_conn *conn)
{
    if (!conn->suspended) return;
    conn->suspended = false;
    conn_enter(conn, CONN_SENDING, 0);
    MHD_resume_connection(conn->mhd);
    event_active(conn->server->ready, EV_READ, 1);
}

int conn_fd(const struct http_conn *conn)
{
    return MHD_get_connection_info(conn->mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static bool socket_is_closed(evutil_socket_t fd)
{
    struct pollfd state = {.fd = fd, .events = POLLRDHUP};
    return poll(&state, 1, 0) > 0 && state.revents & (POLLRDHUP | POLLERR | POLLHUP);
}

/* The client has closed its side. What still works for it ends at once; an answer that is on its
 * way goes out, and any other connection libmicrohttpd looks after itself.
 *
 * libevent reports a reset connection as readable and writable, not as closed, hence EV_WRITE; it
 * is edge-triggered, so that neither a reset nor a writable socket keeps the loop busy. */
static void on_client_gone(evutil_socket_t fd, short what, void *context)
{
    struct http_conn *conn = context;
    if (conn->gone || !(what & EV_CLOSED || socket_is_closed(fd))) return;
    conn->gone = true;
    if (!conn->suspended && !(conn->request && conn->request->read)) return;
    exchange_end(conn->request, HTTP_GONE);
    conn_resume(conn);
}

static struct http_conn *conn_new(struct http_server *server, struct MHD_Connection *mhd)
{
    struct http_conn *conn = xcalloc(1, sizeof(*conn));
    int on = 1;
    conn->server = server;
    conn->mhd = mhd;
    conn_enter(conn, CONN_WAITING, 0);
    setsockopt(conn_fd(conn), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    event_assign(&conn->watch, server->base, conn_fd(conn),
                 EV_CLOSED | EV_WRITE | EV_ET | EV_PERSIST, on_client_gone, conn);
    event_add(&conn->watch, NULL);
    LIST_INSERT_HEAD(&server->conns, conn, link);
    server->conn_count++;
    return conn;
}

static void conn_free(struct http_conn *conn)
{
    event_del(&conn->watch);
    LIST_REMOVE(conn, link);
    conn->server->conn_count--;
    free(conn);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = conn_new(cls, mhd);
    else if (*context)
        conn_free(*context);
}

/* --- time --- */

static uint64_t conn_limit_ms(const struct http_conn *conn)
{
    const struct settings *settings = conn->server->settings;
    uint64_t moving_ms = conn->bytes * 1000 / SLOWEST_BYTES_S;
    switch (conn->state) {
    case CONN_WAITING: return settings->client_header_timeout_s * 1000;
    case CONN_RECEIVING: return settings->client_header_timeout_s * 1000 + moving_ms;
    case CONN_SENDING: return settings->client_stall_ms + moving_ms;
    case CONN_WORKING: break;
    }
    return UINT64_MAX;
}

/* Closes a connection that took too long; libmicrohttpd finds its socket shut. */
static void conn_expire(struct http_conn *conn)
{
    if (conn->state == CONN_RECEIVING && !conn->request->lingers)
        exchange_refuse_raw(conn->request, ERR_REQUEST_TIMEOUT);
    if (conn->state == CONN_SENDING && conn->request) exchange_end(conn->request, HTTP_STALLED);
    shutdown(conn_fd(conn), SHUT_RDWR);
    conn_enter(conn, conn->state, 0);
}

/* libmicrohttpd takes a short read for the end of what there is; where the client's end came with
 * the last bytes, its edge-triggered epoll never tells of it. This gives it another edge, and what
 * has arrived can still be read. */
static void conn_nudge(struct http_conn *conn)
{
    shutdown(conn_fd(conn), SHUT_RD);
}

static void conn_judge(struct http_conn *conn, uint64_t now)
{
    uint64_t passed_ms = now - conn->since_ms;
    if (conn->gone && (conn->state == CONN_WAITING || conn->state == CONN_RECEIVING))
        conn_nudge(conn);
    else if (conn->state == CONN_WORKING && passed_ms >= KEEPALIVE_MS)
        exchange_keepalive(conn->request);
    else if (passed_ms > conn_limit_ms(conn))
        conn_expire(conn);
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct http_server *server = context;
    struct http_conn *conn, *next;
    uint64_t now = clock_ms();
    (void)fd, (void)what;
    for (conn = LIST_FIRST(&server->conns); conn; conn = next) {
        next = LIST_NEXT(conn, link);
        conn_judge(conn, now);
    }
}

static struct timeval sweep_interval(const struct settings *settings)
{
    uint64_t ms = MIN(settings->client_stall_ms / 4, (uint64_t)SWEEP_MS_MAX);
    return clock_timeval_ms(MAX(ms, (uint64_t)SWEEP_MS_MIN));
}

/* --- the daemon --- */

/* Runs libmicrohttpd until it waits for sockets. When it wants to go on by itself, it does so in
 * the next turn, after everybody else. */
static void on_ready(evutil_socket_t fd, short what, void *context)
{
    static const struct timeval at_once = {0, 0};
    struct http_server *server = context;
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    (void)fd, (void)what;
    MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0)
        event_add(server->again, &at_once);
}

static int listen_on(const struct settings *settings)
{
    struct sockaddr_storage address;
    int len = sizeof(address), on = 1;
    char text[300];
    const char *host =
        strcmp(settings->http_address, "localhost") ? settings->http_address : "127.0.0.1";
    snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
             (unsigned)settings->http_port);
    if (settings->http_port == 0) *strrchr(text, ':') = '\0';
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&address, &len)) return -1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, (socklen_t)len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

struct http_server *http_server_new(struct event_base *base, const struct settings *settings,
                                    const struct http_app *app, void *context)
{
    struct http_server *server = xcalloc(1, sizeof(*server));
    server->base = base;
    server->settings = settings;
    server->app = app;
    server->context = context;
    LIST_INIT(&server->conns);
    return server;
}

static struct MHD_Daemon *daemon_start(struct http_server *server, int fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, exchange_on_request, server,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)server->settings->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_NOTIFY_COMPLETED,
        exchange_on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_END);
}

err_t http_server_open(struct http_server *server)
{
    const struct settings *settings = server->settings;
    struct timeval interval = sweep_interval(settings);
    file_limit_raise(settings->connections_max + OTHER_FILES, "CONNECTIONS_MAX");
    int fd = listen_on(settings);
    if (fd >= 0) server->daemon = daemon_start(server, fd);
    if (!server->daemon) {
        log_error("cannot listen for clients address=%s port=%u reason=\"%s\"",
                  settings->http_address, (unsigned)settings->http_port, strerror(errno));
        if (fd >= 0) close(fd);
        return ERR_BAD_SETTING;
    }
    fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->ready = event_new(server->base, fd, EV_READ | EV_PERSIST, on_ready, server);
    server->again = event_new(server->base, -1, 0, on_ready, server);
    server->sweep = event_new(server->base, -1, EV_PERSIST, on_sweep, server);
    event_add(server->ready, NULL);
    event_add(server->sweep, &interval);
    return OK;
}

unsigned http_server_port(const struct http_server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* Who has connected is not reset because he was not looked at yet. libmicrohttpd 1 counts those
 * that it is given when it runs next, which is at once: whoever ends the process asks how many
 * there are. */
static void take_backlog(struct http_server *server, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    int client;
    while ((client = accept4(fd, (struct sockaddr *)&address, &len,
                             SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        MHD_add_connection(server->daemon, client, (struct sockaddr *)&address, len);
        len = sizeof(address);
    }
    on_ready(fd, EV_READ, server);
}

void http_server_drain(struct http_server *server)
{
    if (server->draining) return;
    server->draining = true;
    server->drained_ms = clock_ms();
    int fd = MHD_quiesce_daemon(server->daemon);
    if (fd < 0) return;
    take_backlog(server, fd);
    close(fd);
}

bool http_server_awaits(const struct http_server *server)
{
    const struct http_conn *conn;
    if (clock_ms() >= server->drained_ms + ON_THE_WAY_MS) return false;
    LIST_FOREACH(conn, &server->conns, link)
    if (!conn->asked) return true;
    return false;
}

size_t http_server_requests(const struct http_server *server)
{
    return server->request_count;
}

size_t http_server_connections(const struct http_server *server)
{
    return server->conn_count;
}

/* libmicrohttpd aborts when it is stopped with a suspended connection. */
static void resume_all(struct http_server *server)
{
    for (struct http_conn *conn = LIST_FIRST(&server->conns); conn; conn = LIST_NEXT(conn, link)) {
        conn->gone = true;
        if (conn->request) exchange_end(conn->request, HTTP_GONE);
        conn_resume(conn);
    }
    MHD_run(server->daemon);
}

void http_server_destroy(struct http_server **server)
{
    struct http_server *old = *server;
    if (!old) return;
    *server = NULL;
    if (old->daemon) {
        resume_all(old);
        MHD_stop_daemon(old->daemon);
        event_free(old->ready);
        event_free(old->again);
        event_free(old->sweep);
    }
    free(old);
}
