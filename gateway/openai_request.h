/* What clients of OpenAI's ask: JSON to a validated call. Pure.
 *
 * A member that is not known here is ignored (temperature, tools, user, metadata, …), unless an
 * answer without it would be another thing than was asked for: more than one choice, a forced call
 * of a tool, an answer in JSON. */
#ifndef MILLRACE_GATEWAY_OPENAI_REQUEST_H
#define MILLRACE_GATEWAY_OPENAI_REQUEST_H

#include "gateway/chat_request.h"
#include "proto/records.h"

#define OPENAI_TEXTS_MAX 2048 /* of one embedding call */

struct openai_limits {
    size_t characters_max; /* of the question, and of each text of an embedding call */
    size_t history_max;    /* messages before the question, system messages apart */
};

struct openai_question {
    struct chat_call call; /* its message is the last one, the user's */
    uint64_t agent_id;
    struct history history; /* what came before it: the newest, oldest first; all system messages.
                             * Roles are "system", "user", "assistant" */
    bool stream, include_usage, sources;
};

struct openai_texts {
    struct slice model;
    struct list texts;   /* embed_text */
    uint64_t dimensions; /* 0: whatever they are */
    bool base64;
};

/* Read a body. Texts are copied into the arena. Errors as chat_call_read has them, and
 * AGENT_NOT_FOUND for a model that can be no agent. */
err_t openai_question_read(struct slice body, const struct openai_limits *limits,
                           struct arena *arena, struct openai_question *question,
                           struct json_problem *problem) MUST_USE;
err_t openai_texts_read(struct slice body, const struct openai_limits *limits, struct arena *arena,
                        struct openai_texts *texts, struct json_problem *problem) MUST_USE;

/* The agent's id of a model's name: 1 of "agent-1". ERR_AGENT_NOT_FOUND. */
err_t openai_agent_of(struct slice model, uint64_t *id) MUST_USE;

#endif
