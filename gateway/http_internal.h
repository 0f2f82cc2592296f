/* What http_server.c (daemon, connections, time) and http_exchange.c (requests, answers) share. */
#ifndef MILLRACE_GATEWAY_HTTP_INTERNAL_H
#define MILLRACE_GATEWAY_HTTP_INTERNAL_H

#include <event2/event_struct.h>
#include <microhttpd.h>
#include <sys/queue.h>

#include "common/ids.h"
#include "gateway/http_server.h"

/* What a connection is doing; the sweep's limits depend on it. */
enum conn_state {
    CONN_WAITING,   /* for a request's headers */
    CONN_RECEIVING, /* a request's body */
    CONN_WORKING,   /* suspended until there is an answer, or more of it */
    CONN_SENDING,   /* an answer, or a piece of a stream */
};

struct http_conn {
    LIST_ENTRY(http_conn) link;
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct http_request *request; /* NULL while waiting */
    struct event watch;           /* for the client's going */
    enum conn_state state;
    bool suspended;
    bool asked;        /* has brought a request, the first of perhaps many */
    bool gone;         /* the client has closed its side */
    uint64_t since_ms; /* of the state; of the last progress while sending */
    uint64_t bytes;    /* moved since then */
};

struct http_request {
    struct http_conn *conn;
    struct arena arena;
    struct buffer body;
    struct slice method, path;
    char id[HTTP_REQUEST_ID_MAX + 1];
    uint64_t started_us;
    uint64_t body_bytes_max;
    err_t refused;
    bool is_first;  /* of its connection */
    bool lingers;   /* answered; what comes of its body is read and not kept */
    bool handled;   /* the program has it */
    bool ended;     /* on_end was called */
    bool keepalive; /* a stream is to show that it lives */
    struct http_target target;
    int status;
    err_t error; /* that was answered */
    size_t reply_bytes;
    struct MHD_Response *response; /* made, not yet queued */
    struct header_line *headers;   /* to be added to the answer */
    void (*on_end)(void *context, enum http_end end);
    void *end_context;
    ssize_t (*read)(void *context, char *out, size_t max);
    void *read_context;
};

LIST_HEAD(http_conns, http_conn);

struct http_server {
    struct event_base *base;
    const struct settings *settings;
    const struct http_app *app;
    void *context;
    struct MHD_Daemon *daemon;
    struct event *ready; /* libmicrohttpd's epoll descriptor; also activated by us */
    struct event *again; /* libmicrohttpd wants to go on without waiting */
    struct event *sweep;
    struct http_conns conns;
    size_t conn_count, request_count;
    bool draining;
    uint64_t drained_ms; /* when that began */
};

/* Moves a connection to a state; `bytes` is what that state has to move. */
void conn_enter(struct http_conn *conn, enum conn_state state, uint64_t bytes);
int conn_fd(const struct http_conn *conn);
void conn_suspend(struct http_conn *conn);
void conn_resume(struct http_conn *conn);

/* libmicrohttpd's callbacks. */
enum MHD_Result exchange_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version,
                                    const char *upload_data, size_t *upload_data_size,
                                    void **request);
void exchange_on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                           enum MHD_RequestTerminationCode how);
/* Tells the program, once, that an exchange is over. */
void exchange_end(struct http_request *request, enum http_end end);
/* Lets a stream at rest show that it lives. */
void exchange_keepalive(struct http_request *request);
/* Writes an error straight to the socket: libmicrohttpd refuses to answer in the middle of an
 * upload. The connection must be closed after it. */
void exchange_refuse_raw(struct http_request *request, err_t error);

#endif
