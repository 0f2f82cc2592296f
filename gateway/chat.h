/* One question while it is answered: what request_flow.c (the steps), the shapes that it comes and
 * goes in, chat_stream.c (a stream's bytes) and chat_answer.c (what is told about it) share. */
#ifndef MILLRACE_GATEWAY_CHAT_H
#define MILLRACE_GATEWAY_CHAT_H

#include "common/complexity.h"
#include "gateway/body.h"
#include "gateway/chat_request.h"
#include "gateway/directory.h"
#include "gateway/gateway.h"
#include "gateway/generation.h"

/* Microseconds; what did not happen is 0. */
struct chat_timings {
    uint64_t queue, stage[POOL_COUNT], first_token, record, total;
};

struct chat;

/* How a question comes in and its answer goes out; the way between is the same for all. What is
 * refused before the job is admitted is plain HTTP in every shape (http_reply_error). */
struct chat_shape {
    const char *name; /* in the log */
    bool stream;
    /* Reads the exchange's body into `call`, `agent_id` and, where it has them, `history` and
     * `shape`. */
    err_t (*read)(struct chat *chat);
    /* --- of streams; the first two are optional --- */
    /* Appends what goes before any text. */
    void (*open)(struct chat *chat, struct buffer *out);
    /* Retrieval is over, no text has come yet: appends what is told of it. */
    void (*retrieved)(struct chat *chat, const struct body *body, struct buffer *out);
    /* As sse_token: one event from the front of *text. */
    size_t (*text)(const struct chat *chat, struct slice *text, char *out, size_t max);
    /* Appends the events that end a stream that has failed. */
    void (*failed)(const struct chat *chat, const char *message, struct buffer *out);
    /* --- of all --- */
    /* Appends the whole answer, or the events that end a whole stream. */
    void (*done)(const struct chat *chat, struct buffer *out);
};

/* What a request in OpenAI's shape says besides its question, and what its answers repeat. */
struct chat_openai {
    bool include_usage, sources;
    uint64_t created_s;
    struct buffer head; /* of a text event */
};

struct chat {
    LIST_ENTRY(chat) link;
    struct gateway *gateway;
    struct http_request *http; /* NULL once the exchange is over */
    char request_id[HTTP_REQUEST_ID_MAX + 1];
    char *tenant; /* of whoever asks */
    uint64_t started_us;
    const struct chat_shape *shape;
    struct chat_openai openai;

    /* the dispatcher's */
    size_t step;
    bool running; /* inside the dispatcher */
    bool waiting; /* a callback will come */
    err_t error;  /* what the client is told; OK so far */
    struct json_problem problem;

    /* the question */
    struct chat_call call; /* its message is `question` */
    char *question;
    struct history history; /* that came with it, in the exchange's memory */
    uint64_t agent_id, portfolio_id;
    struct config *agent, *portfolio;
    bool keyed;        /* it has an Idempotency-Key */
    uint64_t fence;    /* of the claim that protects the turn, until the recorder has it; 0: none */
    struct body *body; /* from the claim on, until the job has it */
    char history_digest[SHA256_HEX + 1]; /* of the conversation before it; "" for none */
    const struct language *language;
    enum complexity level; /* COMPLEXITY_COUNT before it is known */
    uint64_t top_k, max_tokens;
    bool semantic; /* the answer to a similar question will do, and this one may serve others */

    /* the answer */
    struct follower follower;  /* of the generation that makes it, from the step `answer` on */
    struct answer_place place; /* where it is kept */
    bool placed;               /* it may be: the cache is on */
    uint64_t agent_version;
    bool opened;          /* what is told now goes into the stream */
    bool retryable;       /* the error */
    struct buffer staged; /* events that go before the next piece */
    size_t staged_written;
    struct buffer tail; /* the stream's last events */
    size_t tail_written;
    bool finished;      /* all is in the generation and `tail` */
    bool known;         /* the whole answer was there before: it is told again, not recorded */
    const char *cached; /* JSON, of a known one */
    struct buffer known_timings; /* JSON, likewise */
    bool recorded;
    uint64_t conversation_id, message_id; /* of the recorded turn */
    uint64_t record_started_us;
    struct chat_timings timings;
};

/* The answer's text so far, and what is known of it. */
static inline struct slice chat_text(const struct chat *chat)
{
    return buffer_slice(&chat->follower.generation->text);
}

static inline const struct meta *chat_meta(const struct chat *chat)
{
    return &chat->follower.generation->meta;
}

/* A callback has come: takes the steps up again. */
void chat_resume(struct chat *chat, err_t error);
/* Milliseconds until the request's deadline, at least 1. */
uint64_t chat_time_left_ms(const struct chat *chat);

/* Takes from the generation, which is over or left, what is told later. */
void chat_take_end(struct chat *chat);
/* Gives the turn to the recorder, and the claim with it. False when it is dropped. */
bool chat_record(struct chat *chat,
                 void (*on_recorded)(void *context, const struct recorded *recorded));
/* Appends the citations as a JSON array. */
void chat_write_citations(const struct chat *chat, struct buffer *out);
/* Appends the answer as JSON members, without braces: citations and all that follows. */
void chat_write_members(const struct chat *chat, struct buffer *out);
/* Log line and counters of a question that is over. */
void chat_close(const struct chat *chat);

#endif
