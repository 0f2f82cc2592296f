#include "common/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    mailbox_fn *deliver;
    void *context;
    struct event *wake;
    int wake_fd;
    pthread_mutex_t lock; /* guards what follows */
    struct mails posted;
};

/* --- a queue --- */

void mails_push(struct mails *mails, struct mail *mail)
{
    if (!mails->first) mails->end = &mails->first;
    mail->next = NULL;
    *mails->end = mail;
    mails->end = &mail->next;
}

struct mail *mails_take(struct mails *mails, size_t max)
{
    struct mail *list = mails->first, **end = &list;
    for (; *end && max; max--) end = &(*end)->next;
    mails->first = *end;
    *end = NULL;
    return list;
}

/* --- the mailbox --- */

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    pthread_mutex_lock(&mailbox->lock);
    bool first = !mailbox->posted.first;
    mails_push(&mailbox->posted, mail);
    pthread_mutex_unlock(&mailbox->lock);
    if (first && eventfd_write(mailbox->wake_fd, 1)) abort();
}

static void deliver_all(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    struct mail *list = mails_take(&mailbox->posted, SIZE_MAX);
    pthread_mutex_unlock(&mailbox->lock);
    while (list) {
        struct mail *mail = list;
        list = mail->next;
        mailbox->deliver(mailbox->context, mail);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    eventfd_t count;
    (void)what;
    if (eventfd_read(fd, &count) && errno != EAGAIN) abort();
    deliver_all(context);
}

struct mailbox *mailbox_new(struct event_base *base, mailbox_fn *deliver, void *context)
{
    struct mailbox *mailbox = xcalloc(1, sizeof(*mailbox));
    mailbox->deliver = deliver;
    mailbox->context = context;
    mailbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    mailbox->wake = event_new(base, mailbox->wake_fd, EV_READ | EV_PERSIST, on_wake, mailbox);
    if (mailbox->wake_fd < 0 || !mailbox->wake || event_add(mailbox->wake, NULL)) abort();
    pthread_mutex_init(&mailbox->lock, NULL);
    return mailbox;
}

void mailbox_destroy(struct mailbox **at)
{
    struct mailbox *mailbox = *at;
    *at = NULL;
    if (!mailbox) return;
    deliver_all(mailbox);
    event_free(mailbox->wake);
    close(mailbox->wake_fd);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}
