/* A question and the answer that it follows. */
#ifndef MILLRACE_GATEWAY_CHAT_GENERATION_H
#define MILLRACE_GATEWAY_CHAT_GENERATION_H

#include "gateway/chat.h"

/* A step: follows an answer that is kept or under way, else begins one, and waits for its end. */
void chat_answer(struct chat *chat);
/* A step: opens the stream of an answer that is there already. */
void chat_replay_known(struct chat *chat);
/* The client has gone, or has been told the end. Whoever else follows the answer still gets it;
 * where nobody does, the chat goes on waiting for what it has cost. */
void chat_leave(struct chat *chat);

#endif
