/* What protects a question's turn: the client's Idempotency-Key, the claim in the store, and the
 * answer that the key has led to before. */
#ifndef MILLRACE_GATEWAY_CHAT_CLAIM_H
#define MILLRACE_GATEWAY_CHAT_CLAIM_H

#include "gateway/chat.h"

/* Checks the Idempotency-Key header of a question that has been read. ERR_INVALID_FIELD, with the
 * chat's `problem`. */
err_t chat_check_key(struct chat *chat) MUST_USE;
/* A step: brings the history of a conversation, and takes the claim of a turn that is to be
 * recorded and has a key or a conversation. Both come with one job. Where the key was answered
 * already, the chat is that answer (`known`). */
void chat_claim(struct chat *chat);
/* Gives the claim back, if the chat still has one: no turn will be recorded. */
void chat_release_claim(struct chat *chat);

#endif
