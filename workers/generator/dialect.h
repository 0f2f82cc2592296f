/* How a provider is spoken to: what a request looks like, and what one event of its stream says.
 * A file a dialect, which knows nothing of connections, retries or jobs. Pure. */
#ifndef MILLRACE_GENERATOR_DIALECT_H
#define MILLRACE_GENERATOR_DIALECT_H

#include "workers/generator/prompt.h"
#include "workers/generator/targets.h"
#include "workers/sse_parser.h"

/* What some models and servers refuse, and can be left out: each with those before. */
enum dialect_extra { LEFT_OUT_NOTHING, LEFT_OUT_TEMPERATURE, LEFT_OUT_USAGE };

struct dialect_request {
    struct slice model;
    const struct prompt *prompt;
    double temperature;
    /* The beginning of the answer, that the model is to go on from; empty: none. */
    struct slice prefix;
    unsigned left_out; /* enum dialect_extra */
    size_t tokens_max; /* of the answer, where that has to be said */
};

/* What the events of a stream have said so far. */
struct dialect_reply {
    struct buffer *text;       /* new text is appended, escapes undone, its UTF-8 not checked */
    const char *finish_reason; /* "stop", "length", "content_filter"; NULL: not told yet */
    struct usage usage;        /* zero: not told (yet) */
    bool ended;                /* the stream's own terminator has come */
};

struct dialect {
    const char *name;           /* as agents have it */
    const char *path;           /* behind the base URL */
    const char *key_header;     /* what stands before the key */
    const char *version_header; /* NULL: none */
    unsigned left_out_most;     /* enum dialect_extra: what of it the dialect has */
    bool continues;             /* a prefix can be given */
    bool repeats;               /* the answer then starts with the prefix all the same */
    void (*request)(const struct dialect_request *request, struct buffer *body);
    /* Of an event: ERR_PROVIDER_BAD_RESPONSE for what cannot be read, another ERR_PROVIDER_* where
     * the provider tells of an error. Its words stay here. */
    err_t (*read)(struct slice data, struct dialect_reply *reply) MUST_USE;
};

extern const struct dialect dialect_openai, dialect_mistral, dialect_anthropic,
    dialect_openai_compatible;

/* The dialect of a provider; NULL where there is none of that name. */
const struct dialect *dialect_find(const char *provider);

/* --- what dialects share --- */

/* A reason to finish in the provider's word, and in ours. */
struct dialect_word {
    const char *theirs, *ours;
};
/* Ours for the string `value`, of a list that an empty entry ends; "stop" for one that it lacks. */
const char *dialect_finish(const struct dialect_word *words, struct slice value);
/* Starts the body: {"model":…,"stream":true */
void dialect_write_start(const struct dialect_request *request, struct buffer *body);
/* Unless it is left out. */
void dialect_write_temperature(const struct dialect_request *request, double most,
                               struct buffer *body);
/* Appends an object to an array: {"role":…,"content":…} */
void dialect_write_message(const char *role, struct slice text, struct buffer *body);
void dialect_write_messages(const struct prompt *prompt, struct buffer *body);

#endif
