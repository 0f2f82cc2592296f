#include "deploy/cli/environment.h"

#include <stdlib.h>

#define OF_PROVIDER_CLIENTS (OF_GENERATOR | OF_EMBEDDER)

/* What is no setting of ours, and who gets it. */
static const struct grant {
    const char *name;
    unsigned processes;
} grants[] = {
    {"PATH", OF_ALL},
    {"HOME", OF_ALL},
    {"LANG", OF_ALL},
    {"LC_ALL", OF_ALL},
    {"TZ", OF_ALL},
    {"TMPDIR", OF_ALL},
    {"MILLRACE_TOKEN", OF_CLI},
    {"ASAN_OPTIONS", OF_ALL},
    {"LSAN_OPTIONS", OF_ALL},
    {"UBSAN_OPTIONS", OF_ALL},
    {"HTTPS_PROXY", OF_PROVIDER_CLIENTS},
    {"https_proxy", OF_PROVIDER_CLIENTS},
    {"NO_PROXY", OF_PROVIDER_CLIENTS},
    {"no_proxy", OF_PROVIDER_CLIENTS},
    {"SSL_CERT_FILE", OF_PROVIDER_CLIENTS},
    {"SSL_CERT_DIR", OF_PROVIDER_CLIENTS},
};

static struct slice name_of(const char *entry)
{
    return (struct slice){entry, strcspn(entry, "=")};
}

static bool may_see(enum settings_of process, struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(grants); i++)
        if (slice_equal(slice_of(grants[i].name), name)) return grants[i].processes & process;
    return settings_reads(process, name);
}

static bool is_set(char *const *entries, struct slice name)
{
    for (; *entries; entries++)
        if (slice_equal(name_of(*entries), name)) return true;
    return false;
}

static size_t count_of(char *const *entries)
{
    size_t count = 0;
    while (entries[count]) count++;
    return count;
}

char **environment_for(enum settings_of process, char *const *own, char *const *all)
{
    char **chosen = xcalloc(count_of(own) + count_of(all) + 1, sizeof(*chosen));
    size_t count = 0;
    for (char *const *entry = own; *entry; entry++)
        if (may_see(process, name_of(*entry))) chosen[count++] = *entry;
    for (char *const *entry = all; *entry; entry++)
        if (may_see(process, name_of(*entry)) && !is_set(own, name_of(*entry)))
            chosen[count++] = *entry;
    return chosen;
}
