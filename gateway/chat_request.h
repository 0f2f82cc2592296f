/* What a client asks: JSON to a validated question. Pure.
 *
 * A message is valid UTF-8 without NUL, not empty once trimmed, and at most `characters_max` code
 * points long. */
#ifndef MILLRACE_GATEWAY_CHAT_REQUEST_H
#define MILLRACE_GATEWAY_CHAT_REQUEST_H

#include "common/language.h"
#include "gateway/json_record.h"

#define TOP_K_MAX 100

struct chat_call {
    struct slice message;            /* as given, not trimmed */
    const struct language *language; /* NULL: the message's own */
    uint64_t portfolio_id;           /* 0: the agent's */
    uint64_t conversation_id;        /* 0: a new one */
    uint64_t top_k;                  /* 0: by complexity */
    bool store;                      /* keep the turn; true unless told otherwise */
};

struct search_call {
    struct slice query;
    const struct language *language;
    uint64_t top_k; /* 0: the default */
};

/* What any question is checked for, and what its body may say besides: portfolio_id, language,
 * top_k, store. Errors as below. */
err_t chat_message_check(struct slice message, size_t characters_max,
                         struct json_problem *problem) MUST_USE;
err_t chat_options_read(const json_t *object, struct arena *arena, struct chat_call *call,
                        struct json_problem *problem) MUST_USE;

/* Read a body. Texts are copied into the arena. Errors as json_read and record_from_json have them,
 * and MESSAGE_EMPTY, MESSAGE_TOO_LONG, PORTFOLIO_NOT_FOUND and CONVERSATION_NOT_FOUND (ids of
 * zero). On failure `problem` says what was wrong, or is "". */
err_t chat_call_read(struct slice body, size_t characters_max, struct arena *arena,
                     struct chat_call *call, struct json_problem *problem) MUST_USE;
err_t search_call_read(struct slice body, size_t characters_max, struct arena *arena,
                       struct search_call *call, struct json_problem *problem) MUST_USE;

#endif
