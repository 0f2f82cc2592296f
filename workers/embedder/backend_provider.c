/* Embeddings of a provider, over HTTP; the dialect is embedding_api.c's. A batch is one call, or a
 * few:
 *
 *     run ─▶ ASKING ── vectors of all ─▶ done          (of a part: ASKING for the next)
 *             │  ▲ └── no more use in asking ─▶ done, with the error
 *             │  └──── back-off ─────────────── RESTING
 *             ├── 429, 5xx, connection lost ──────┘  at most PROVIDER_RETRIES_MAX times
 *             └── too much in it ─▶ ASKING for half of the texts, then for half of a text
 *
 * A provider that keeps failing is not asked for a while (breaker.h). */
#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "workers/breaker.h"
#include "workers/embedder/embedding_api.h"
#include "workers/http_client.h"
#include "workers/provider_status.h"

enum {
    CALLS_MAX = 4, /* under way at once */
    GATHER_US = 1000,
    FOLLOW_US = 200000,   /* about what a call takes */
    BACKOFF_MS = 250,     /* before the first retry, and twice as long each time */
    TEXT_BYTES_MIN = 256, /* a text that is too long even so is not what is wrong */
    BYTES_A_TOKEN = 3,    /* or more: an estimate that is rather too high */
};

struct remote {
    struct worker *worker;
    const struct embedder_info *info;
    struct http_client *http;
    char *url;
    char *authorization; /* a header; NULL: none */
    struct backend_limits limits;
    struct breaker breaker;
    struct breaker_limits breaker_limits;
    err_t trouble; /* the last batch's error */
    TAILQ_HEAD(, call) calls;
    TAILQ_ENTRY(remote) link;
};

/* All that are open, since what they complain of is one text. */
static TAILQ_HEAD(, remote) remotes = TAILQ_HEAD_INITIALIZER(remotes);

/* A batch under way. */
struct call {
    struct remote *remote;
    struct embed_batch *batch;
    size_t at, take; /* the texts asked for now */
    size_t text_bytes_max;
    uint64_t retries;
    struct http_call *http; /* while ASKING */
    struct event *timer;    /* ASKING: its timeout; RESTING: its end */
    int status;
    uint64_t retry_after_ms;
    struct buffer body;
    TAILQ_ENTRY(call) link;
};

static void ask(struct call *call);

static const struct settings *settings_of(const struct remote *remote)
{
    return worker_settings(remote->worker);
}

/* --- ends --- */

static void tell_trouble(struct worker *worker)
{
    struct buffer text = {0};
    const struct remote *remote;
    TAILQ_FOREACH(remote, &remotes, link)
    if (remote->trouble) provider_trouble_add(remote->info->setting, remote->trouble, &text);
    buffer_append_char(&text, '\0');
    worker_trouble(worker, *text.data ? text.data : NULL);
    buffer_free(&text);
}

/* Says what is wrong, or right again, when that changes. */
static void tell(struct remote *remote, err_t error)
{
    if (error) worker_count(remote->worker, error_code(error), 1);
    if (error == remote->trouble || error == ERR_PROVIDER_CIRCUIT_OPEN) return;
    remote->trouble = error;
    tell_trouble(remote->worker);
    if (error)
        log_warn("embeddings fail embedder=%s status=%s", remote->info->name, error_code(error));
    else
        log_info("embeddings work again embedder=%s", remote->info->name);
}

static void call_free(struct call *call)
{
    TAILQ_REMOVE(&call->remote->calls, call, link);
    if (call->http) http_call_cancel(&call->http);
    event_free(call->timer);
    buffer_free(&call->body);
    free(call);
}

static void end(struct call *call, err_t error)
{
    struct embed_batch *batch = call->batch;
    if (error != ERR_CANCELLED) tell(call->remote, error);
    call_free(call);
    batch->done(batch, error);
}

/* --- errors --- */

static void wait_ms(struct call *call, uint64_t ms)
{
    struct timeval wait = clock_timeval_ms(ms);
    evtimer_add(call->timer, &wait);
}

/* What the provider asks for, or twice as long each time; and up to half as much again, so that not
 * all come back at once. */
static uint64_t backoff_ms(const struct call *call)
{
    uint64_t ms = MAX(call->retry_after_ms, (uint64_t)BACKOFF_MS << (call->retries - 1));
    return ms + hash_mix(clock_ns()) % (ms / 2 + 1);
}

/* Half of the texts at a time, or of the text. False where that cannot be the reason. */
static bool ask_for_less(struct call *call)
{
    const struct embed_item *item = &call->batch->items[call->at];
    if (call->take > 1) {
        call->take /= 2;
    } else {
        size_t bytes = MIN(call->text_bytes_max, embedding_item_bytes(item)) / 2;
        if (bytes < TEXT_BYTES_MIN) return false;
        call->text_bytes_max = bytes;
        worker_count(call->remote->worker, "embedding_text_cut", 1);
    }
    ask(call);
    return true;
}

static bool is_too_much(int status)
{
    return status == 400 || status == 413 || status == 422;
}

static bool ask_again(struct call *call)
{
    const struct settings *settings = settings_of(call->remote);
    if (call->retries >= settings->provider_retries_max) return false;
    if (breaker_wait_ms(&call->remote->breaker, clock_ms())) return false;
    if (call->retry_after_ms > settings->provider_first_token_timeout_ms) return false;
    call->retries++;
    worker_count(call->remote->worker, "embedding_retry", 1);
    wait_ms(call, backoff_ms(call));
    return true;
}

static void judge(struct call *call, err_t error)
{
    struct remote *remote = call->remote;
    if (provider_failure_counts(error))
        breaker_failure(&remote->breaker, &remote->breaker_limits, clock_ms());
    else
        breaker_success(&remote->breaker);
    if (provider_failure_passes(error) && ask_again(call)) return;
    if (error == ERR_PROVIDER_REFUSED && is_too_much(call->status) && ask_for_less(call)) return;
    end(call, error);
}

/* --- answers --- */

static void read_answer(struct call *call)
{
    const struct embed_item *items = call->batch->items + call->at;
    err_t error =
        embedding_response_read(buffer_slice(&call->body), call->remote->info, items, call->take);
    if (error) {
        judge(call, error);
        return;
    }
    breaker_success(&call->remote->breaker);
    call->at += call->take;
    call->take = MIN(call->take, call->batch->count - call->at);
    call->text_bytes_max = SIZE_MAX;
    if (call->take)
        ask(call);
    else
        end(call, OK);
}

static void on_head(void *context, int status, uint64_t retry_after_ms)
{
    struct call *call = context;
    call->status = status;
    call->retry_after_ms = retry_after_ms;
}

/* The words of an error are not ours to read. */
static bool on_body(void *context, struct slice bytes)
{
    struct call *call = context;
    size_t most = embedding_response_bytes_max(call->remote->info, call->take);
    if (call->status / 100 != 2) return true;
    if (call->body.len + bytes.len <= most) {
        buffer_append_slice(&call->body, bytes);
        return true;
    }
    http_call_cancel(&call->http);
    evtimer_del(call->timer);
    judge(call, ERR_PROVIDER_BAD_RESPONSE);
    return true;
}

static void on_end(void *context, err_t error)
{
    struct call *call = context;
    call->http = NULL;
    evtimer_del(call->timer);
    if (!error && call->status / 100 != 2) error = provider_status_error(call->status);
    if (error)
        judge(call, error);
    else
        read_answer(call);
}

static const struct http_call_handler handler = {on_head, on_body, on_end};

/* --- questions --- */

static void ask(struct call *call)
{
    struct remote *remote = call->remote;
    const char *const headers[] = {remote->authorization, NULL};
    struct buffer body = {0};
    if (!breaker_admits(&remote->breaker, &remote->breaker_limits, clock_ms())) {
        end(call, ERR_PROVIDER_CIRCUIT_OPEN);
        return;
    }
    embedding_request_write(remote->info, call->batch->items + call->at, call->take,
                            call->text_bytes_max, &body);
    const struct http_call_spec spec = {remote->url, headers, buffer_slice(&body)};
    call->status = 0;
    call->retry_after_ms = 0;
    call->body.len = 0;
    worker_count(remote->worker, "embedding_call", 1);
    worker_count(remote->worker, "embedding_text", call->take);
    call->http = http_call_start(remote->http, &spec, &handler, call);
    wait_ms(call, settings_of(remote)->provider_first_token_timeout_ms);
    buffer_free(&body);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct call *call = context;
    (void)fd, (void)what;
    if (!call->http) {
        ask(call);
        return;
    }
    http_call_cancel(&call->http);
    judge(call, ERR_PROVIDER_TIMEOUT);
}

static void run(void *context, struct embed_batch *batch)
{
    struct remote *remote = context;
    struct call *call = xcalloc(1, sizeof *call);
    call->remote = remote;
    call->batch = batch;
    call->take = batch->count;
    call->text_bytes_max = SIZE_MAX;
    call->timer = evtimer_new(worker_base(remote->worker), on_timer, call);
    batch->data = call;
    TAILQ_INSERT_TAIL(&remote->calls, call, link);
    ask(call);
}

static void cancel(void *context, struct embed_batch *batch)
{
    struct call *call = batch->data;
    (void)context;
    if (call->http) breaker_forget(&call->remote->breaker);
    end(call, ERR_CANCELLED);
}

static size_t tokens(void *context, const struct embed_item *item)
{
    (void)context;
    return embedding_item_bytes(item) / BYTES_A_TOKEN + 1;
}

static const struct backend_limits *limits(const void *context)
{
    return &((const struct remote *)context)->limits;
}

/* --- opening --- */

struct access {
    const char *base_url, *key;
    const char *missing; /* what it needs and has not; NULL: nothing */
};

static struct access access_of(const struct settings *settings, const char *provider)
{
    const struct {
        const char *provider, *base_url, *key, *needed, *needs;
    } all[] = {
        {"openai", settings->openai_base_url, settings->openai_api_key, settings->openai_api_key,
         "OPENAI_API_KEY"},
        {"mistral", settings->mistral_base_url, settings->mistral_api_key,
         settings->mistral_api_key, "MISTRAL_API_KEY"},
        {"openai-compatible", settings->embedding_base_url, settings->embedding_api_key,
         settings->embedding_base_url, "EMBEDDING_BASE_URL"},
    };
    size_t i = 0;
    while (strcmp(all[i].provider, provider)) i++;
    return (struct access){all[i].base_url, all[i].key, *all[i].needed ? NULL : all[i].needs};
}

static char *url_of(const char *base_url)
{
    struct buffer url = {0};
    size_t len = strlen(base_url);
    while (len && base_url[len - 1] == '/') len--;
    buffer_append(&url, base_url, len);
    buffer_append(&url, "/embeddings", sizeof "/embeddings");
    return url.data;
}

static char *authorization_of(const char *key)
{
    struct buffer header = {0};
    if (!*key) return NULL;
    buffer_printf(&header, "Authorization: Bearer %s", key);
    buffer_append_char(&header, '\0');
    return header.data;
}

static err_t open_provider(struct worker *worker, const struct embedder_info *info, void **context)
{
    const struct settings *settings = worker_settings(worker);
    struct access access = access_of(settings, info->setting);
    if (access.missing) {
        log_warn("embedder=%s needs %s", info->name, access.missing);
        return ERR_EMBEDDER_UNAVAILABLE;
    }
    struct remote *remote = xcalloc(1, sizeof *remote);
    remote->worker = worker;
    remote->info = info;
    remote->http = http_client_new(worker_base(worker), settings);
    remote->url = url_of(access.base_url);
    remote->authorization = authorization_of(access.key);
    remote->limits = (struct backend_limits){.texts_max = settings->embedding_batch_max,
                                             .tokens_max = settings->embedding_batch_tokens_max,
                                             .batches_max = CALLS_MAX,
                                             .gather_us = GATHER_US,
                                             .follow_us = FOLLOW_US};
    remote->breaker_limits =
        (struct breaker_limits){settings->breaker_failures, settings->breaker_open_ms};
    TAILQ_INIT(&remote->calls);
    TAILQ_INSERT_TAIL(&remotes, remote, link);
    *context = remote;
    return OK;
}

static void close_provider(void *context)
{
    struct remote *remote = context;
    while (!TAILQ_EMPTY(&remote->calls)) call_free(TAILQ_FIRST(&remote->calls));
    TAILQ_REMOVE(&remotes, remote, link);
    http_client_destroy(&remote->http);
    if (remote->authorization) explicit_bzero(remote->authorization, strlen(remote->authorization));
    free(remote->authorization);
    free(remote->url);
    free(remote);
}

const struct backend backend_provider = {
    .open = open_provider,
    .close = close_provider,
    .limits = limits,
    .tokens = tokens,
    .run = run,
    .cancel = cancel,
};
