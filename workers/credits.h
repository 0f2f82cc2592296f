/* How a worker's slots are shared among its gateways. Pure.
 *
 * A credit is the right to send one job. A lone gateway holds a credit for every free slot. Several
 * have one credit or one job each, as a standby, so that a first job never waits for a round trip;
 * the rest of the free slots goes where jobs wait (PULSE queued), the longest queue first, and
 * comes back when nothing waits there any more (PULSE returned). Standbys may promise more than
 * there are slots: a job that finds none is HELD, and moves when another worker has one. */
#ifndef MILLRACE_WORKERS_CREDITS_H
#define MILLRACE_WORKERS_CREDITS_H

#include "common/base.h"

/* One gateway's account. Counters are cumulative since the session began. */
struct credit_account {
    bool serving;      /* takes part */
    bool shared;       /* CREDIT says so: other gateways want slots as well */
    bool due;          /* CREDIT is to be sent */
    uint64_t granted;  /* told with CREDIT */
    uint64_t received; /* jobs that came */
    uint64_t returned; /* credits that came back */
    uint64_t queued;   /* jobs that wait at the gateway, as last told */
    size_t jobs;       /* of its jobs, those that hold or wait for a slot here */
};

static inline uint64_t credits_out(const struct credit_account *account)
{
    return account->granted - account->received - account->returned;
}

/* A job came: it was one of those that waited. */
void credits_spend(struct credit_account *account);
/* Grants what is to be granted now and marks the accounts that must be told. */
void credits_share(struct credit_account *const *accounts, size_t count, size_t slots);

#endif
