#include "workers/credits.h"

void credits_spend(struct credit_account *account)
{
    account->received++;
    account->jobs++;
    account->queued -= account->queued > 0;
}

static void grant(struct credit_account *account)
{
    account->granted++;
    account->due = true;
}

static bool is_standby(const struct credit_account *account)
{
    return account->shared && !account->jobs && credits_out(account) == 1;
}

/* Slots that are used or promised, standbys apart. */
static size_t committed(struct credit_account *const *accounts, size_t count)
{
    size_t slots = 0;
    for (size_t i = 0; i < count; i++)
        if (accounts[i]->serving && !is_standby(accounts[i]))
            slots += accounts[i]->jobs + credits_out(accounts[i]);
    return slots;
}

/* Jobs that wait there and have no credit yet; a lone gateway always has use for one. */
static uint64_t need(const struct credit_account *account)
{
    uint64_t out = credits_out(account);
    if (!account->serving) return 0;
    if (!account->shared) return UINT64_MAX;
    return account->queued > out ? account->queued - out : 0;
}

static struct credit_account *neediest(struct credit_account *const *accounts, size_t count)
{
    struct credit_account *most = NULL;
    for (size_t i = 0; i < count; i++)
        if (need(accounts[i]) && (!most || need(accounts[i]) > need(most))) most = accounts[i];
    return most;
}

static void mark_shared(struct credit_account *const *accounts, size_t count)
{
    size_t serving = 0;
    for (size_t i = 0; i < count; i++) serving += accounts[i]->serving;
    for (size_t i = 0; i < count; i++) {
        struct credit_account *account = accounts[i];
        if (!account->serving || account->shared == (serving > 1)) continue;
        account->shared = serving > 1;
        account->due = true;
    }
}

void credits_share(struct credit_account *const *accounts, size_t count, size_t slots)
{
    struct credit_account *account;
    mark_shared(accounts, count);
    for (size_t i = 0; i < count; i++)
        if (accounts[i]->serving && !accounts[i]->jobs && !credits_out(accounts[i]))
            grant(accounts[i]);
    while (committed(accounts, count) < slots && (account = neediest(accounts, count)))
        grant(account);
}
