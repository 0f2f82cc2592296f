/* libcurl does HTTP, this file joins it to the loop.
 *
 *     loop ── socket or timer ──▶ libcurl ── header, body, end ──▶ noted in the call, call is ready
 *       └───────────────────────────────────────────────────────▶ ready calls ──▶ handlers
 *
 * What libcurl says is only noted while it is at work, and told once it has returned: libcurl
 * forbids nearly everything from inside its callbacks, a handler may do anything. So a handler can
 * end its own call, or another's, and the connection is closed at once. */
#include "workers/http_client.h"

#include <curl/curl.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/file_limit.h"
#include "common/log.h"
#include "workers/address_guard.h"

#define CONNECTIONS_MAX 2048L  /* kept; those in use count */
#define STREAMS_MAX     1024L  /* on a connection, where HTTP/2 is spoken and the server lets us */
#define OTHER_FILES     256    /* descriptors that are not connections: lanes, logs, look-ups */
#define EASY_FREE_MAX   64     /* handles kept for calls to come */
#define READ_BYTES      1024L  /* libcurl holds such a buffer for each call in progress */
#define UPLOAD_BYTES    16384L /* its least */
#define KEEPALIVE_S     30L

TAILQ_HEAD(call_list, http_call);

struct http_client {
    struct event_base *base;
    const struct settings *settings;
    CURLM *multi;
    struct event *timer;    /* libcurl's */
    struct event *delivery; /* of calls that became ready outside libcurl */
    struct call_list ready;
    struct http_call *delivering; /* NULL once it is gone */
    CURL *free[EASY_FREE_MAX];
    size_t free_count;
};

struct http_call {
    struct http_client *client;
    CURL *easy; /* NULL: was never sent */
    struct curl_slist *headers;
    struct http_call_handler handler;
    void *context;
    struct buffer inbox; /* of the body, not yet told */
    int status;
    uint64_t retry_after_ms;
    bool refused; /* one of its addresses */
    bool headed, head_due, paused, ended, is_ready;
    err_t error;
    TAILQ_ENTRY(http_call) ready;
    char *body; /* as `headers`, until they are sent and answered */
    size_t body_len;
};

/* A socket of libcurl's on the loop. */
struct watch {
    struct event event;
};

static void call_ready(struct http_call *call)
{
    if (call->is_ready) return;
    call->is_ready = true;
    TAILQ_INSERT_TAIL(&call->client->ready, call, ready);
}

static void call_end(struct http_call *call, err_t error)
{
    call->ended = true;
    call->error = error;
    call_ready(call);
}

/* --- what libcurl says --- */

/* A line of the head; the empty one ends it, unless what ends is a 1xx or the trailers. */
static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct http_call *call = context;
    long status = 0;
    curl_off_t retry_after_s = 0;
    if (call->headed || (line[0] != '\r' && line[0] != '\n')) return size * count;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) return size * count;
    curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    call->status = (int)status;
    call->retry_after_ms = retry_after_s > 0 ? (uint64_t)retry_after_s * 1000 : 0;
    call->headed = call->head_due = true;
    call_ready(call);
    return size * count;
}

/* libcurl 8 comes with bytes after it was paused, where some were there already: it keeps them. */
static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct http_call *call = context;
    if (call->paused) return CURL_WRITEFUNC_PAUSE;
    buffer_append(&call->inbox, bytes, size * count);
    call_ready(call);
    return size * count;
}

/* Names are judged by what they resolve to, each time they do. */
static curl_socket_t on_socket_open(void *context, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    struct http_call *call = context;
    (void)purpose;
    if (!strcmp(call->client->settings->provider_link_local, "refuse") &&
        address_refused(&address->addr)) {
        call->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* --- handles --- */

static void easy_set_callbacks(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket_open);
}

static void easy_set_connection(CURL *easy, const struct settings *settings)
{
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->provider_connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, READ_BYTES);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
}

/* NOSIGNAL: look-ups are done by threads. QUICK_EXIT: a call that ends during its look-up does not
 * wait for the thread, which would stop the loop for seconds. */
static void easy_set_safety(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
}

/* Which certificates vouch for others: the system's, or those that the two variables name as they
 * do for OpenSSL's own programs. */
static void easy_set_trust(CURL *easy)
{
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    if (file && *file) curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    if (folder && *folder) curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
}

static CURL *easy_take(struct http_client *client)
{
    CURL *easy = client->free_count ? client->free[--client->free_count] : curl_easy_init();
    if (!easy) abort(); /* out of memory */
    easy_set_callbacks(easy);
    easy_set_connection(easy, client->settings);
    easy_set_safety(easy);
    easy_set_trust(easy);
    return easy;
}

/* Nothing of a call stays in its handle: libcurl 8 lost the memory of a look-up that had failed. */
static void easy_give(struct http_client *client, CURL *easy)
{
    if (client->free_count == EASY_FREE_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    client->free[client->free_count++] = easy;
}

/* --- calls --- */

static bool starts_with(const char *text, const char *prefix)
{
    return !strncasecmp(text, prefix, strlen(prefix));
}

/* Over TLS a call waits for a connection that is being made, to share it where HTTP/2 is agreed on:
 * the handshake that it waits for is the one it would have to do itself. Bare HTTP has nothing to
 * agree on, and is not asked of a proxy. */
static void call_set_scheme(struct http_call *call, const char *url)
{
    bool secure = starts_with(url, "https://");
    curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION,
                     secure ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(call->easy, CURLOPT_PIPEWAIT, secure ? 1L : 0L);
    curl_easy_setopt(call->easy, CURLOPT_PROXY, secure ? NULL : "");
}

static void call_add_header(struct http_call *call, const char *header)
{
    call->headers = curl_slist_append(call->headers, header);
    if (!call->headers) abort(); /* out of memory */
}

/* False for a header that is more than one line: a key with a line end in it. */
static bool call_set_headers(struct http_call *call, const char *const *headers)
{
    for (; headers && *headers; headers++) {
        if (strpbrk(*headers, "\r\n")) return false;
        call_add_header(call, *headers);
    }
    call_add_header(call, "Content-Type: application/json");
    call_add_header(call, "Expect:"); /* no 100-continue: it costs a round trip */
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    return true;
}

static void call_set_body(struct http_call *call, struct slice body)
{
    call->body = xstrndup(body.ptr, body.len);
    call->body_len = body.len;
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body);
}

static void call_set_contexts(struct http_call *call)
{
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETDATA, call);
}

static err_t call_send(struct http_call *call, const struct http_call_spec *spec)
{
    if (!starts_with(spec->url, "http://") && !starts_with(spec->url, "https://"))
        return ERR_PROVIDER_ADDRESS;
    call->easy = easy_take(call->client);
    call_set_contexts(call);
    call_set_scheme(call, spec->url);
    call_set_body(call, spec->body);
    if (curl_easy_setopt(call->easy, CURLOPT_URL, spec->url)) return ERR_PROVIDER_ADDRESS;
    if (!call_set_headers(call, spec->headers)) return ERR_PROVIDER_AUTH;
    if (curl_multi_add_handle(call->client->multi, call->easy)) return ERR_PROVIDER_UNAVAILABLE;
    return OK;
}

struct http_call *http_call_start(struct http_client *client, const struct http_call_spec *spec,
                                  const struct http_call_handler *handler, void *context)
{
    struct http_call *call = xmalloc(sizeof(*call));
    *call = (struct http_call){.client = client, .handler = *handler, .context = context};
    err_t error = call_send(call, spec);
    if (error) {
        call_end(call, error);
        event_active(client->delivery, EV_TIMEOUT, 0);
    }
    return call;
}

static void call_forget_request(struct http_call *call)
{
    curl_slist_free_all(call->headers);
    free(call->body);
    call->headers = NULL;
    call->body = NULL;
}

/* A transfer under way is broken off, and its connection closed, by removing it. */
static void call_free(struct http_call *call)
{
    struct http_client *client = call->client;
    if (client->delivering == call) client->delivering = NULL;
    if (call->is_ready) TAILQ_REMOVE(&client->ready, call, ready);
    if (call->easy) {
        curl_multi_remove_handle(client->multi, call->easy);
        easy_give(client, call->easy);
    }
    call_forget_request(call);
    buffer_free(&call->inbox);
    free(call);
}

void http_call_cancel(struct http_call **call)
{
    call_free(*call);
    *call = NULL;
}

void http_call_resume(struct http_call *call)
{
    if (!call->paused) return;
    call->paused = false;
    if (call->ended)
        call_ready(call);
    else
        curl_easy_pause(call->easy, CURLPAUSE_CONT); /* may call on_bytes */
    if (call->is_ready) event_active(call->client->delivery, EV_TIMEOUT, 0);
}

/* --- handlers --- */

/* A prompt may be large, its answer take minutes. Once there is a head libcurl does not send again;
 * of a server that answers early it may still be sending. */
static void drop_sent_request(struct http_call *call)
{
    curl_off_t sent = 0;
    curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (call->ended || (size_t)sent != call->body_len) return;
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, NULL);
    call_forget_request(call);
}

/* Each step of a delivery says whether the call is still there. */
static bool deliver_head(struct http_call *call)
{
    struct http_client *client = call->client;
    if (!call->head_due) return true;
    call->head_due = false;
    drop_sent_request(call);
    call->handler.on_head(call->context, call->status, call->retry_after_ms);
    return client->delivering == call;
}

static bool deliver_body(struct http_call *call)
{
    struct http_client *client = call->client;
    struct buffer bytes = call->inbox;
    if (!bytes.len) return true;
    call->inbox = (struct buffer){0};
    bool more = call->handler.on_body(call->context, buffer_slice(&bytes));
    buffer_free(&bytes);
    if (client->delivering != call) return false;
    call->paused = !more;
    if (call->paused && !call->ended) curl_easy_pause(call->easy, CURLPAUSE_RECV);
    return true;
}

static void deliver_end(struct http_call *call)
{
    struct http_call_handler handler = call->handler;
    void *context = call->context;
    err_t error = call->error;
    if (!call->ended || call->paused) return;
    call_free(call);
    handler.on_end(context, error);
}

static void deliver(struct http_client *client)
{
    struct http_call *call;
    while ((call = TAILQ_FIRST(&client->ready))) {
        TAILQ_REMOVE(&client->ready, call, ready);
        call->is_ready = false;
        client->delivering = call;
        if (deliver_head(call) && deliver_body(call)) deliver_end(call);
    }
    client->delivering = NULL;
}

static void on_delivery(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    deliver(context);
}

/* --- libcurl on the loop --- */

/* An error's name by how far the call came. To libcurl, a head that is cut is a whole response. */
static err_t error_of(const struct http_call *call, CURLcode code)
{
    if (code == CURLE_OK) return call->headed ? OK : ERR_PROVIDER_CUT;
    if (call->refused || code == CURLE_URL_MALFORMAT) return ERR_PROVIDER_ADDRESS;
    if (call->headed) return ERR_PROVIDER_CUT;
    /* The scheme was checked: what libcurl does not support is an answer without a head. */
    if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL)
        return ERR_PROVIDER_BAD_RESPONSE;
    return ERR_PROVIDER_UNAVAILABLE;
}

static void collect_ended(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct http_call *call = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        if (code) log_debug("provider call failed: %s", curl_easy_strerror(code));
        call_end(call, error_of(call, code));
    }
}

static void client_act(struct http_client *client, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(client->multi, fd, what, &running);
    collect_ended(client);
    deliver(client);
}

static void on_socket(evutil_socket_t fd, short what, void *context)
{
    client_act(context, fd,
               (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    client_act(context, CURL_SOCKET_TIMEOUT, 0);
}

static void watch_free(struct http_client *client, curl_socket_t fd, struct watch *watch)
{
    if (!watch) return;
    event_del(&watch->event);
    free(watch);
    curl_multi_assign(client->multi, fd, NULL);
}

static int on_watch(CURL *easy, curl_socket_t fd, int what, void *context, void *of_socket)
{
    struct http_client *client = context;
    struct watch *watch = of_socket;
    short events = EV_PERSIST;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        watch_free(client, fd, watch);
        return 0;
    }
    if (what & CURL_POLL_IN) events |= EV_READ;
    if (what & CURL_POLL_OUT) events |= EV_WRITE;
    if (watch)
        event_del(&watch->event);
    else
        curl_multi_assign(client->multi, fd, watch = xmalloc(sizeof(*watch)));
    event_assign(&watch->event, client->base, fd, events, on_socket, client);
    event_add(&watch->event, NULL);
    return 0;
}

static int on_timeout(CURLM *multi, long ms, void *context)
{
    struct http_client *client = context;
    struct timeval after = {ms / 1000, ms % 1000 * 1000};
    (void)multi;
    if (ms < 0)
        event_del(client->timer);
    else
        event_add(client->timer, &after);
    return 0;
}

/* --- the client --- */

static void multi_open(struct http_client *client)
{
    client->multi = curl_multi_init();
    if (!client->multi) abort(); /* out of memory */
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, STREAMS_MAX);
}

struct http_client *http_client_new(struct event_base *base, const struct settings *settings)
{
    struct http_client *client = xcalloc(1, sizeof(*client));
    file_limit_raise(CONNECTIONS_MAX + OTHER_FILES, "SLOTS");
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) abort(); /* out of memory */
    client->base = base;
    client->settings = settings;
    TAILQ_INIT(&client->ready);
    client->timer = evtimer_new(base, on_timer, client);
    client->delivery = evtimer_new(base, on_delivery, client);
    multi_open(client);
    return client;
}

void http_client_destroy(struct http_client **client)
{
    struct http_client *old = *client;
    if (!old) return;
    while (old->free_count) curl_easy_cleanup(old->free[--old->free_count]);
    curl_multi_cleanup(old->multi); /* calls on_watch */
    event_free(old->delivery);
    event_free(old->timer);
    free(old);
    curl_global_cleanup();
    *client = NULL;
}
