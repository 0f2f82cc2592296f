#include "deploy/cli/client.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_URL       "http://127.0.0.1:8000"
#define CONNECT_TIMEOUT_S 5L
#define CALL_TIMEOUT_S    180L
#define REPLY_BYTES_MAX   ((size_t)256 << 20)

struct client {
    char *url; /* without a slash at its end */
    CURL *easy;
    struct curl_slist *headers;
};

static void append_token(struct client *client, const char *token)
{
    struct buffer line = {0};
    buffer_printf(&line, "Authorization: Bearer %s", token);
    buffer_append_char(&line, '\0');
    client->headers = curl_slist_append(client->headers, line.data);
    buffer_free(&line);
}

struct client *client_new(const char *url)
{
    struct client *client = xcalloc(1, sizeof(*client));
    if (!url) url = getenv("MILLRACE_URL");
    if (!url || !*url) url = DEFAULT_URL;
    size_t len = strlen(url);
    while (len && url[len - 1] == '/') len--;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->url = xstrndup(url, len);
    client->easy = curl_easy_init();
    client->headers = curl_slist_append(NULL, "Content-Type: application/json");
    client->headers = curl_slist_append(client->headers, "Expect:");
    const char *token = getenv("MILLRACE_TOKEN");
    if (token && *token) append_token(client, token);
    return client;
}

void client_destroy(struct client **client)
{
    if (!*client) return;
    curl_easy_cleanup((*client)->easy);
    curl_slist_free_all((*client)->headers);
    curl_global_cleanup();
    free((*client)->url);
    free(*client);
    *client = NULL;
}

const char *client_url(const struct client *client)
{
    return client->url;
}

size_t client_collect(char *bytes, size_t size, size_t count, void *buffer)
{
    struct buffer *into = buffer;
    if (into->len + size * count > REPLY_BYTES_MAX) return 0;
    buffer_append(into, bytes, size * count);
    return size * count;
}

static void set_up(struct client *client, CURL *easy, const char *path)
{
    struct buffer url = {0};
    buffer_append_text(&url, client->url);
    buffer_append(&url, path, strlen(path) + 1);
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url.data);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, CALL_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
    buffer_free(&url);
}

CURL *client_post(struct client *client, const char *path, struct slice body)
{
    CURL *easy = curl_easy_init();
    set_up(client, easy, path);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.ptr);
    return easy;
}

/* {"error":{"code","message"}} in words. */
static void explain_refusal(struct reply *reply, const json_t *json)
{
    const json_t *error = json_object_get(json, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    if (message)
        snprintf(reply->error, sizeof(reply->error), "%s (%ld %s)", message, reply->status,
                 code ? code : "");
    else
        snprintf(reply->error, sizeof(reply->error), "the server answered %ld", reply->status);
}

static void explain_silence(const struct client *client, struct reply *reply, CURLcode outcome)
{
    if (outcome == CURLE_COULDNT_CONNECT)
        snprintf(reply->error, sizeof(reply->error),
                 "no server answers at %s (deploy/up starts one; --url or MILLRACE_URL names "
                 "another)",
                 client->url);
    else
        snprintf(reply->error, sizeof(reply->error), "%s: %s", client->url,
                 curl_easy_strerror(outcome));
}

bool client_reply(struct client *client, CURL *easy, CURLcode outcome, struct slice body,
                  struct reply *reply)
{
    curl_off_t retry_after = -1;
    *reply = (struct reply){.retry_after_s = -1, .retryable = true};
    if (outcome) {
        explain_silence(client, reply, outcome);
        return false;
    }
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    if (retry_after > 0) reply->retry_after_s = (long)retry_after;
    reply->retryable = reply->status == 429 || reply->status == 502 || reply->status == 503;
    reply->json = body.len ? json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, NULL) : NULL;
    if (reply->status / 100 == 2) {
        if (reply->json || !body.len) return true;
        snprintf(reply->error, sizeof(reply->error), "the server's answer is not JSON: is %s it?",
                 client->url);
        return false;
    }
    explain_refusal(reply, reply->json);
    reply_free(reply);
    return false;
}

bool client_call(struct client *client, const char *method, const char *path, const json_t *body,
                 struct reply *reply)
{
    struct buffer received = {0};
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    set_up(client, client->easy, path);
    curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, method);
    if (text) curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, text);
    curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, client_collect);
    curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, &received);
    CURLcode outcome = curl_easy_perform(client->easy);
    bool good = client_reply(client, client->easy, outcome, buffer_slice(&received), reply);
    buffer_free(&received);
    free(text);
    return good;
}

void reply_free(struct reply *reply)
{
    json_decref(reply->json);
    reply->json = NULL;
}
