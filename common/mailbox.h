/* What threads hand to the loop: posted anywhere, delivered on the loop in the order of posting.
 *
 *     thread: mailbox_post ──▶ mails ──eventfd──▶ deliver(), on the loop
 */
#ifndef MILLRACE_COMMON_MAILBOX_H
#define MILLRACE_COMMON_MAILBOX_H

#include <event2/event.h>

#include "common/base.h"

/* Part of the sender's own struct, which owns it. */
struct mail {
    struct mail *next;
};

/* First in, first out; zeroed is empty. It has no lock. */
struct mails {
    struct mail *first, **end;
};

void mails_push(struct mails *mails, struct mail *mail);
/* Takes up to `max` off the front, as a list. */
struct mail *mails_take(struct mails *mails, size_t max);

struct mailbox;

typedef void mailbox_fn(void *context, struct mail *mail);

struct mailbox *mailbox_new(struct event_base *base, mailbox_fn *deliver, void *context) MUST_USE;
/* Delivers what is in it first. Nobody posts any more. */
void mailbox_destroy(struct mailbox **mailbox);
/* From any thread. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

#endif
