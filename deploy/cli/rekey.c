/* millrace rekey: seals every agent's stored key anew, from AGENT_KMS_KEY_PREVIOUS to
 * AGENT_KMS_KEY. The system may run meanwhile, if it has both keys: whatever it reads opens with
 * one of them. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sealing.h"
#include "common/settings.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/secrets.h"
#include "workers/retriever/store.h"

static const char usage[] =
    "usage: millrace rekey [--data DIR] [--database-url URL]\n"
    "\nSeals the stored keys of providers anew under AGENT_KMS_KEY; AGENT_KMS_KEY_PREVIOUS opens\n"
    "them. May be run again, and while the system runs with both keys. --data takes what the\n"
    "environment does not give from DIR: secrets/" SECRET_KMS ", secrets/" SECRET_KMS_PREVIOUS
    ",\nmillrace.db.\n";

static const struct option flags[] = {
    {"data", required_argument, NULL, 'd'},
    {"database-url", required_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct rekey {
    struct settings settings;
    const char *data, *url;
    char key[SECRET_SIZE], previous[SECRET_SIZE]; /* of DIR */
    struct sealer *sealer;
    uint64_t anew, kept, strange;
};

static bool read_options(int argc, char **argv, struct rekey *rekey)
{
    char *environment_only[] = {argv[0], NULL};
    if (settings_load(OF_CLI, "millrace rekey", 1, environment_only, &rekey->settings, NULL))
        return false;
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'd': rekey->data = optarg; break;
        case 'u': rekey->url = optarg; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    if (optind < argc) complain("unexpected argument %s", argv[optind]);
    return optind == argc;
}

/* What the environment does not give comes from the data folder. */
static bool find_secrets(struct rekey *rekey)
{
    struct settings *settings = &rekey->settings;
    if (!rekey->data) return true;
    if (!secret_read(rekey->data, SECRET_KMS, rekey->key) ||
        !secret_read(rekey->data, SECRET_KMS_PREVIOUS, rekey->previous))
        return false;
    if (!*settings->agent_kms_key) settings->agent_kms_key = rekey->key;
    if (!*settings->agent_kms_key_previous) settings->agent_kms_key_previous = rekey->previous;
    return true;
}

/* The data folder's store has to be there: opening would make one that has no keys, and whoever
 * read that all are sealed anew would throw away what opens those of the store that is really used.
 */
static bool find_store(struct rekey *rekey)
{
    static char url[4096];
    const char *given = getenv("DATABASE_URL"), *path = url + strlen("sqlite:");
    if (rekey->url) rekey->settings.database_url = rekey->url;
    if (rekey->url || !rekey->data || (given && *given)) return true;
    snprintf(url, sizeof(url), "sqlite:%s/millrace.db", rekey->data);
    rekey->settings.database_url = url;
    if (!access(path, F_OK)) return true;
    complain("there is no %s: name the store with DATABASE_URL or --database-url", path);
    return false;
}

static bool reseal(void *context, struct slice tenant, struct slice sealed, struct buffer *fresh)
{
    struct rekey *rekey = context;
    struct buffer secret = {0};
    bool old = sealed_by_previous(rekey->sealer, sealed);
    err_t error = unseal(rekey->sealer, tenant, sealed, &secret);
    if (!error && old) error = seal(rekey->sealer, tenant, buffer_slice(&secret), fresh);
    if (secret.data) explicit_bzero(secret.data, secret.len);
    buffer_free(&secret);
    ++*(error ? &rekey->strange : old ? &rekey->anew : &rekey->kept);
    return !error && old;
}

static int run(struct rekey *rekey)
{
    uint64_t agents = 0;
    struct store_resealer resealer = {reseal, rekey};
    if (!*rekey->settings.agent_kms_key) {
        complain("which key? set AGENT_KMS_KEY, or name the data folder with --data");
        return 1;
    }
    if (sealer_new(rekey->settings.agent_kms_key, rekey->settings.agent_kms_key_previous,
                   &rekey->sealer))
        return 1;
    err_t error = store_reseal(rekey->settings.database_url, &resealer, &agents);
    sealer_destroy(&rekey->sealer);
    if (error) complain("not all keys are sealed anew: %s", error_text(error));
    printf("%" PRIu64 " keys sealed anew (%" PRIu64 " agents), %" PRIu64 " were already\n",
           rekey->anew, agents, rekey->kept);
    if (rekey->strange)
        complain("%" PRIu64 " keys open with neither key: give them to their agents again",
                 rekey->strange);
    return error || rekey->strange ? 1 : 0;
}

int rekey_main(int argc, char **argv)
{
    struct rekey rekey = {0};
    log_open("rekey", "warn");
    if (!read_options(argc, argv, &rekey)) return EXIT_USAGE;
    int status = find_secrets(&rekey) && find_store(&rekey) ? run(&rekey) : 1;
    explicit_bzero(&rekey, sizeof(rekey));
    return status;
}
