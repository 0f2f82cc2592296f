/* One exchange: what came in, what goes out. libmicrohttpd calls exchange_on_request once with the
 * headers, once for each piece of the body, once at its end, and again when a suspended connection
 * was resumed. */
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/http_internal.h"
#include "gateway/sse.h"

#define STREAM_BLOCK_BYTES 256 /* for clients without chunked encoding */
#define BODY_RESERVE_BYTES ((uint64_t)1 << 20)
#define LINGER_BYTES       ((uint64_t)16 << 20) /* of a body over its limit */
#define RETRY_AFTER_S      "1"

struct header_line {
    struct header_line *next;
    const char *name, *value;
};

/* --- what came in --- */

/* A client's own request id must not be able to spoil a log line. */
static bool request_id_is_sound(const char *id)
{
    size_t len = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.");
    return len > 0 && len <= HTTP_REQUEST_ID_MAX && !id[len];
}

static void name_request(struct http_request *request)
{
    const char *given = http_header(request, "X-Request-Id");
    if (given && request_id_is_sound(given))
        memcpy(request->id, given, strlen(given) + 1);
    else
        id_random(request->id, 16);
}

static struct http_request *request_new(struct http_conn *conn, const char *method, const char *url)
{
    struct http_request *request = xcalloc(1, sizeof(*request));
    request->conn = conn;
    request->started_us = clock_us();
    request->method = arena_slice(&request->arena, slice_of(method));
    request->path = arena_slice(&request->arena, slice_of(url));
    request->is_first = !conn->asked;
    conn->request = request;
    conn->asked = true;
    conn->server->request_count++;
    name_request(request);
    return request;
}

static void request_free(struct http_request *request)
{
    if (request->response) MHD_destroy_response(request->response);
    buffer_free(&request->body);
    arena_free(&request->arena);
    request->conn->request = NULL;
    request->conn->server->request_count--;
    free(request);
}

/* Clients that send JSON without saying so are curl (form-urlencoded) and those that say nothing.
 */
static bool content_type_is_accepted(const char *type)
{
    static const char *const accepted[] = {"application/json", "application/x-www-form-urlencoded"};
    if (!type) return true;
    size_t len = strcspn(type, "; \t");
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
        if (strlen(accepted[i]) == len && !strncasecmp(type, accepted[i], len)) return true;
    return false;
}

/* The announced length of the body; 0 without one, and for a body in chunks. */
static uint64_t content_length(const struct http_request *request)
{
    const char *text = http_header(request, "Content-Length");
    return text ? strtoull(text, NULL, 10) : 0;
}

static bool has_body(const struct http_request *request)
{
    return content_length(request) || http_header(request, "Transfer-Encoding");
}

static void admit(struct http_request *request)
{
    struct http_server *server = request->conn->server;
    request->body_bytes_max = server->settings->body_bytes_max;
    request->refused = server->app->admit(server->context, request, &request->body_bytes_max);
    if (!request->refused && has_body(request) &&
        !content_type_is_accepted(http_header(request, "Content-Type")))
        request->refused = ERR_UNSUPPORTED_MEDIA_TYPE;
    if (content_length(request) > request->body_bytes_max && !request->refused)
        request->refused = ERR_BODY_TOO_LARGE;
}

/* --- what goes out --- */

static enum MHD_Result queue_response(struct http_request *request)
{
    struct MHD_Response *response = request->response;
    request->response = NULL;
    conn_enter(request->conn, CONN_SENDING, request->reply_bytes);
    enum MHD_Result result =
        MHD_queue_response(request->conn->mhd, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

static void answer(struct http_request *request, int status, struct MHD_Response *response,
                   const char *type)
{
    request->status = status;
    request->response = response;
    MHD_add_response_header(response, "X-Request-Id", request->id);
    if (type) MHD_add_response_header(response, "Content-Type", type);
    for (struct header_line *line = request->headers; line; line = line->next)
        MHD_add_response_header(response, line->name, line->value);
    if (request->conn->server->draining) MHD_add_response_header(response, "Connection", "close");
    conn_resume(request->conn);
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    struct header_line *line = arena_alloc(&request->arena, sizeof(*line));
    line->name = arena_copy(&request->arena, slice_of(name));
    line->value = arena_copy(&request->arena, slice_of(value));
    line->next = request->headers;
    request->headers = line;
}

void http_reply(struct http_request *request, int status, const char *type, struct buffer *body)
{
    size_t len = body->len;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        len, len ? body->data : "", len ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!len) buffer_free(body);
    *body = (struct buffer){0};
    request->reply_bytes = len;
    answer(request, status, response, type);
}

static int write_refusal(const struct http_request *request, err_t error, const char *message,
                         struct buffer *out)
{
    const struct http_server *server = request->conn->server;
    return server->app->refuse(server->context, request, error, message, out);
}

/* Whether the client is told when to come again. */
static bool says_when(err_t error)
{
    int status = error_status(error);
    return status == 503 || (status == 409 && error_retryable(error));
}

void http_reply_error(struct http_request *request, err_t error, const char *message)
{
    struct buffer body = {0};
    int status = write_refusal(request, error, message, &body);
    request->error = error;
    if (says_when(error)) http_add_header(request, "Retry-After", RETRY_AFTER_S);
    http_reply(request, status, "application/json", &body);
}

void exchange_refuse_raw(struct http_request *request, err_t error)
{
    struct buffer body = {0}, out = {0};
    int status = write_refusal(request, error, NULL, &body);
    buffer_printf(&out,
                  "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                  "X-Request-Id: %s\r\nConnection: close\r\n",
                  status, error_code(error), body.len, request->id);
    for (const struct header_line *line = request->headers; line; line = line->next)
        buffer_printf(&out, "%s: %s\r\n", line->name, line->value);
    buffer_append_text(&out, "\r\n");
    buffer_append_slice(&out, buffer_slice(&body));
    request->status = status;
    request->error = error;
    if (send(conn_fd(request->conn), out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("refusal not sent request=%s", request->id);
    buffer_free(&body);
    buffer_free(&out);
}

/* --- streams --- */

static ssize_t stream_take(struct http_request *request, char *out, size_t max)
{
    ssize_t len = request->read(request->read_context, out, max);
    bool keepalive = request->keepalive && len == 0;
    request->keepalive = false;
    if (!keepalive) return len;
    memcpy(out, SSE_KEEPALIVE, strlen(SSE_KEEPALIVE));
    return (ssize_t)strlen(SSE_KEEPALIVE);
}

static ssize_t on_stream_read(void *context, uint64_t position, char *out, size_t max)
{
    struct http_request *request = context;
    (void)position;
    if (request->ended) return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t len = stream_take(request, out, max);
    if (len == HTTP_STREAM_END) return MHD_CONTENT_READER_END_OF_STREAM;
    if (len == 0)
        conn_suspend(request->conn);
    else
        conn_enter(request->conn, CONN_SENDING, 0);
    return len;
}

void http_stream(struct http_request *request,
                 ssize_t (*read)(void *context, char *out, size_t max), void *context)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, on_stream_read, request, NULL);
    request->read = read;
    request->read_context = context;
    MHD_add_response_header(response, "Cache-Control", "no-cache");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    answer(request, 200, response, "text/event-stream");
}

void http_stream_wake(struct http_request *request)
{
    conn_resume(request->conn);
}

void exchange_keepalive(struct http_request *request)
{
    if (!request->read) return;
    request->keepalive = true;
    conn_resume(request->conn);
}

/* --- libmicrohttpd's side --- */

/* The answer to a body over its limit goes out at once. What is still sent of the body is read on
 * for a while and not kept: closing on unread bytes is a reset, which would take the answer away
 * from a client, or a balancer, that is still sending. */
static void linger(struct http_request *request, err_t error)
{
    request->lingers = true;
    buffer_free(&request->body);
    exchange_refuse_raw(request, error);
    shutdown(conn_fd(request->conn), SHUT_WR);
}

/* A client that asked first gets its answer before the body; one that did not might not see it. */
static enum MHD_Result on_headers(struct http_conn *conn, const char *method, const char *url)
{
    struct http_request *request = request_new(conn, method, url);
    admit(request);
    conn_enter(conn, CONN_RECEIVING, 0);
    if (request->refused && http_header(request, "Expect")) {
        http_reply_error(request, request->refused, NULL);
        return queue_response(request);
    }
    if (content_length(request) > request->body_bytes_max) linger(request, request->refused);
    return MHD_YES;
}

static void keep_body(struct http_request *request, const char *data, size_t len)
{
    if (!request->body.len)
        (void)buffer_reserve(&request->body, MIN(content_length(request), BODY_RESERVE_BYTES));
    buffer_append(&request->body, data, len);
}

static enum MHD_Result on_body(struct http_request *request, const char *data, size_t *len)
{
    struct http_conn *conn = request->conn;
    conn->bytes += *len;
    if (conn->bytes > request->body_bytes_max + LINGER_BYTES) return MHD_NO;
    if (conn->bytes > request->body_bytes_max && !request->lingers)
        linger(request, ERR_BODY_TOO_LARGE);
    if (!request->refused && !request->lingers) keep_body(request, data, *len);
    *len = 0;
    return MHD_YES;
}

/* The request is complete. What is not answered at once waits suspended; for a client that has gone
 * already nothing is begun. */
static enum MHD_Result on_complete(struct http_request *request)
{
    struct http_server *server = request->conn->server;
    request->handled = true;
    if (request->lingers) return MHD_NO;
    if (request->refused)
        http_reply_error(request, request->refused, NULL);
    else
        server->app->handle(server->context, request);
    if (request->conn->gone && (request->read || !request->response)) return MHD_NO;
    if (request->response) return queue_response(request);
    conn_suspend(request->conn);
    return MHD_YES;
}

enum MHD_Result exchange_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version,
                                    const char *upload_data, size_t *upload_data_size,
                                    void **context)
{
    struct http_request *request = *context;
    (void)cls, (void)version;
    if (!request) {
        struct http_conn *conn =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
        enum MHD_Result result = on_headers(conn, method, url);
        *context = conn->request;
        return result;
    }
    if (*upload_data_size) return on_body(request, upload_data, upload_data_size);
    if (request->ended) return MHD_NO;
    if (!request->handled) return on_complete(request);
    return request->response ? queue_response(request) : MHD_NO;
}

void exchange_end(struct http_request *request, enum http_end end)
{
    if (request->ended) return;
    request->ended = true;
    if (request->on_end) request->on_end(request->end_context, end);
}

void exchange_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                           enum MHD_RequestTerminationCode how)
{
    struct http_server *server = cls;
    struct http_request *request = *context;
    (void)mhd;
    if (!request) return;
    exchange_end(request, how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? HTTP_SENT : HTTP_GONE);
    if (server->app->over) server->app->over(server->context, request);
    conn_enter(request->conn, CONN_WAITING, 0);
    request_free(request);
    *context = NULL;
}

/* --- for the program --- */

struct slice http_method(const struct http_request *request)
{
    return request->method;
}

struct slice http_path(const struct http_request *request)
{
    return request->path;
}

struct slice http_body(const struct http_request *request)
{
    return buffer_slice(&request->body);
}

const char *http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->conn->mhd, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->conn->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_request_id(const struct http_request *request)
{
    return request->id;
}

uint64_t http_started_us(const struct http_request *request)
{
    return request->started_us;
}

bool http_is_first(const struct http_request *request)
{
    return request->is_first;
}

err_t http_error(const struct http_request *request)
{
    return request->status ? request->error : ERR_CANCELLED;
}

int http_status(const struct http_request *request)
{
    return request->status;
}

struct arena *http_arena(struct http_request *request)
{
    return &request->arena;
}

struct http_target *http_target(struct http_request *request)
{
    return &request->target;
}

void http_release(struct http_request *request)
{
    buffer_free(&request->body);
    arena_free(&request->arena);
    request->headers = NULL;
    request->method = request->path = (struct slice){0};
}

void http_on_end(struct http_request *request, void (*on_end)(void *context, enum http_end end),
                 void *context)
{
    request->on_end = on_end;
    request->end_context = context;
}
