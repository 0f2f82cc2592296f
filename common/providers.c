#include "common/providers.h"

static const struct {
    const char *name;
    bool needs_address;
} providers[] = {
    {"extractive", false}, {"openai", false},           {"mistral", false},
    {"anthropic", false},  {"openai-compatible", true},
};

static size_t find(struct slice name)
{
    size_t i = 0;
    while (i < ARRAY_LEN(providers) && !slice_equal(name, slice_of(providers[i].name))) i++;
    return i;
}

bool provider_known(struct slice name)
{
    return find(name) < ARRAY_LEN(providers);
}

bool provider_needs_address(struct slice name)
{
    return provider_known(name) && providers[find(name)].needs_address;
}
