#include "workers/generator/remote_call.h"

enum { HEADERS_MAX = 4 };

/* Appends a text of two parts and returns where it starts; its NUL is appended too. */
static size_t put(struct buffer *texts, struct slice front, struct slice back)
{
    size_t start = texts->len;
    buffer_append_slice(texts, front);
    buffer_append_slice(texts, back);
    buffer_append_char(texts, '\0');
    return start;
}

/* The key must not stay in memory that is used again. */
static void wipe(struct buffer *texts)
{
    explicit_bzero(texts->data, texts->len);
    buffer_free(texts);
}

struct http_call *remote_call_start(struct http_client *client, const struct dialect *dialect,
                                    const struct target *target,
                                    const struct dialect_request *request,
                                    const struct http_call_handler *handler, void *context)
{
    struct buffer texts = {0}, body = {0};
    const char *headers[HEADERS_MAX] = {"Accept: text/event-stream", dialect->version_header};
    size_t count = dialect->version_header ? 2 : 1;
    size_t url = put(&texts, target->base_url, slice_of(dialect->path));
    size_t key = put(&texts, slice_of(dialect->key_header), target->key);
    if (target->key.len) headers[count] = texts.data + key;
    dialect->request(request, &body);
    struct http_call_spec spec = {texts.data + url, headers, buffer_slice(&body)};
    struct http_call *call = http_call_start(client, &spec, handler, context);
    wipe(&texts);
    buffer_free(&body);
    return call;
}
