/* The shapes of /api/agents/{id}/chat and its stream. Those of /v1/chat/completions are in
 * openai_chat.h. */
#ifndef MILLRACE_GATEWAY_CHAT_SHAPES_H
#define MILLRACE_GATEWAY_CHAT_SHAPES_H

#include "gateway/chat.h"

extern const struct chat_shape chat_shape_whole, chat_shape_stream;

#endif
