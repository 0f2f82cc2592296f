/* Embeddings of a scripted provider: each a pure function of its text, so that a client can tell
 * which text a vector belongs to. Faults: dimension, nan, count, order (told by index, not an
 * error), bad_json, slow_head, cut. */
#ifndef MILLRACE_TESTS_FAKES_PROVIDER_EMBEDDINGS_H
#define MILLRACE_TESTS_FAKES_PROVIDER_EMBEDDINGS_H

#include <jansson.h>

#include "gateway/http_server.h"
#include "tests/fakes/provider_script.h"

struct event_base;

/* In the request's arena. */
struct embeddings {
    struct event_base *base;
    struct http_request *request;
    const char *model;
    uint64_t id;
    const char *fault; /* "": none */
    const struct provider_script *script;
    uint64_t dimensions;
    size_t count;
    bool base64; /* little-endian floats, as OpenAI's own client asks for */
    struct event *timer;
    struct buffer out;
};

/* Answers now, or when the script says. The reason why the request is refused, or NULL. */
const char *embeddings_start(struct embeddings *embeddings, const json_t *body);
/* Component `i` of the vector of a text, -1 to 1: the same in scripted_provider.py. */
double embedding_component(struct slice text, uint64_t i);

#endif
