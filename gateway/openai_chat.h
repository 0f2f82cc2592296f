/* The shapes of /v1/chat/completions. */
#ifndef MILLRACE_GATEWAY_OPENAI_CHAT_H
#define MILLRACE_GATEWAY_OPENAI_CHAT_H

#include "gateway/chat.h"

/* Reads the body; where it asks for a stream, the chat has the other shape from there on. */
extern const struct chat_shape openai_shape_whole, openai_shape_stream;

#endif
