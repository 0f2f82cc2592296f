/* What a stream's client has not been given yet: events that are ready, then the answer's pieces,
 * then the last event. */
#ifndef MILLRACE_GATEWAY_CHAT_STREAM_H
#define MILLRACE_GATEWAY_CHAT_STREAM_H

#include "gateway/chat.h"

/* Answers the exchange with the stream, which begins with what the shape says before any text. */
void chat_stream_open(struct chat *chat);

#endif
