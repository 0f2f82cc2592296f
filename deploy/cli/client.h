/* The server as the subcommands see it: JSON calls over one connection. */
#ifndef MILLRACE_CLI_CLIENT_H
#define MILLRACE_CLI_CLIENT_H

#include <curl/curl.h>
#include <jansson.h>

#include "common/base.h"
#include "common/buffer.h"

struct client;

/* `url` NULL: MILLRACE_URL from the environment, else http://127.0.0.1:8000. Calls carry the access
 * token that MILLRACE_TOKEN holds, if it is set. */
struct client *client_new(const char *url) MUST_USE;
void client_destroy(struct client **client);
const char *client_url(const struct client *client);

/* What came back. A call that failed has no `json` and tells why in `error`. */
struct reply {
    long status;  /* of HTTP; 0 when there was no answer */
    json_t *json; /* owned; NULL on failure and where there is no body */
    bool retryable;
    long retry_after_s; /* -1: not said */
    char error[512];
};

/* Sends `body` (may be NULL; not consumed) and waits. True when the status is 2xx. Free the reply
 * with reply_free() either way. */
bool client_call(struct client *client, const char *method, const char *path, const json_t *body,
                 struct reply *reply) MUST_USE;
void reply_free(struct reply *reply);

/* A handle set up to POST `body` to `path`, for those who run it themselves; the body stays the
 * caller's and must live on. Caller frees it with curl_easy_cleanup(). */
CURL *client_post(struct client *client, const char *path, struct slice body) MUST_USE;
/* Fills `reply` from a finished handle, its outcome and the body that it received. True for 2xx. */
bool client_reply(struct client *client, CURL *easy, CURLcode outcome, struct slice body,
                  struct reply *reply) MUST_USE;
/* A CURLOPT_WRITEFUNCTION that appends to the struct buffer it is given. */
size_t client_collect(char *bytes, size_t size, size_t count, void *buffer);

#endif
