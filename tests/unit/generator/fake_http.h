/* HTTP in a test's hands: what is sent is noted, what comes is what the test says. For tests that
 * include cmocka before this. */
#ifndef MILLRACE_TESTS_GENERATOR_FAKE_HTTP_H
#define MILLRACE_TESTS_GENERATOR_FAKE_HTTP_H

#include <stdlib.h>

#include "common/buffer.h"
#include "workers/http_client.h"

struct http_client {
    int unused;
};

struct http_call {
    struct http_call_handler handler;
    void *context;
};

/* The newest call, and what was done with all. */
static struct {
    struct http_client client;
    struct http_call *call; /* NULL: none is open */
    struct buffer url, headers, body;
    unsigned started, cancelled, resumed;
    bool room; /* what on_body last said */
} fake_http;

struct http_client *http_client_new(struct event_base *base, const struct settings *settings)
{
    (void)base, (void)settings;
    return &fake_http.client;
}

void http_client_destroy(struct http_client **client)
{
    assert_null(fake_http.call); /* every call must have ended */
    buffer_free(&fake_http.url);
    buffer_free(&fake_http.headers);
    buffer_free(&fake_http.body);
    *client = NULL;
}

static inline void fake_note(struct buffer *buffer, struct slice text)
{
    buffer->len = 0;
    buffer_append_slice(buffer, text);
    buffer_append_char(buffer, '\0');
}

struct http_call *http_call_start(struct http_client *client, const struct http_call_spec *spec,
                                  const struct http_call_handler *handler, void *context)
{
    assert_ptr_equal(client, &fake_http.client);
    assert_null(fake_http.call); /* one at a time, in these tests */
    fake_http.call = test_malloc(sizeof *fake_http.call);
    *fake_http.call = (struct http_call){*handler, context};
    fake_http.started++;
    fake_note(&fake_http.url, slice_of(spec->url));
    fake_note(&fake_http.body, spec->body);
    fake_http.headers.len = 0;
    for (const char *const *header = spec->headers; *header; header++)
        buffer_printf(&fake_http.headers, "%s\n", *header);
    buffer_append_char(&fake_http.headers, '\0');
    return fake_http.call;
}

static inline void fake_call_free(void)
{
    test_free(fake_http.call);
    fake_http.call = NULL;
}

void http_call_cancel(struct http_call **call)
{
    assert_ptr_equal(*call, fake_http.call);
    fake_http.cancelled++;
    fake_call_free();
    *call = NULL;
}

void http_call_resume(struct http_call *call)
{
    assert_ptr_equal(call, fake_http.call);
    assert_false(fake_http.room);
    fake_http.room = true;
    fake_http.resumed++;
}

/* --- what the provider does --- */

static inline void provider_says_head(int status, uint64_t retry_after_ms)
{
    fake_http.room = true;
    fake_http.call->handler.on_head(fake_http.call->context, status, retry_after_ms);
}

static inline void provider_says(struct slice bytes)
{
    assert_true(fake_http.room); /* nothing comes while it is paused */
    fake_http.room = fake_http.call->handler.on_body(fake_http.call->context, bytes);
}

static inline void provider_ends(err_t error)
{
    struct http_call call = *fake_http.call;
    fake_call_free();
    call.handler.on_end(call.context, error);
}

#endif
