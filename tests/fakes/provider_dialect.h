/* The languages that a scripted provider speaks, as the providers' references have them: OpenAI's
 * chat completions, Mistral's (usage always told, in the last chunk; unknown members refused) and
 * Anthropic's messages. Pure: all of it appends to a buffer. */
#ifndef MILLRACE_TESTS_FAKES_PROVIDER_DIALECT_H
#define MILLRACE_TESTS_FAKES_PROVIDER_DIALECT_H

#include <jansson.h>

#include "common/buffer.h"

/* What every event and answer repeats. */
struct answer_facts {
    const char *model, *finish; /* finish: "stop", "length" or "content_filter" */
    const char *frame;          /* of the script */
    uint64_t id, prompt_tokens, completion_tokens;
    bool usage; /* is told */
};

struct provider_dialect {
    /* The reason why a request is refused, or NULL. */
    const char *(*refuses)(const json_t *body);
    /* The answer as a stream: what comes before the text, a piece of it, what comes after, and an
     * error in the middle. */
    void (*open)(const struct answer_facts *facts, struct buffer *out);
    void (*text)(const struct answer_facts *facts, struct slice text, struct buffer *out);
    void (*close)(const struct answer_facts *facts, struct buffer *out);
    void (*error_event)(const struct answer_facts *facts, struct buffer *out);
    /* The answer as a whole. */
    void (*whole)(const struct answer_facts *facts, struct slice text, struct buffer *out);
    /* The body of an error. */
    void (*error)(int status, const char *message, struct buffer *out);
    const char *version_header; /* that a request must have, or NULL */
    const char *key_header, *key_prefix;
};

extern const struct provider_dialect dialect_of_openai, dialect_of_mistral, dialect_of_anthropic;

/* What must never reach a client: a word and an address. */
#define PROVIDER_SECRET "PROVIDER-SECRET-7c1f at http://10.99.99.99:8443/internal"

/* Appends an event in the frame that the script asks for. `name` NULL: none. */
void provider_event(const char *frame, const char *name, struct slice data, struct buffer *out);
/* Appends a JSON string of bytes that may be no UTF-8, which go as they are. */
void provider_string(struct buffer *out, struct slice text);

#endif
