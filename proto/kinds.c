#include "proto/kinds.h"

#include "proto/records.h"

static const char *const pools[POOL_COUNT] = {"embed", "retrieve", "generate"};

static const struct kind_info kinds[KIND_COUNT] = {
#define KIND_ENTRY(KIND, name, stages, writes, request, result) \
    [KIND_##KIND] = {name, stages, writes, request##_type, result##_type},
    KIND_LIST(KIND_ENTRY)
#undef KIND_ENTRY
};

const char *pool_name(enum pool pool)
{
    return pools[pool];
}

enum pool pool_find(struct slice name)
{
    int i = 0;
    while (i < POOL_COUNT && !slice_equal(name, slice_of(pools[i]))) i++;
    return (enum pool)i;
}

enum pool pool_of_stage(char letter)
{
    return letter == 'E' ? POOL_EMBED : letter == 'R' ? POOL_RETRIEVE : POOL_GENERATE;
}

const struct kind_info *kind_info(enum kind kind)
{
    return &kinds[kind];
}

enum kind kind_find(struct slice name)
{
    int i = 0;
    while (i < KIND_COUNT && !slice_equal(name, slice_of(kinds[i].name))) i++;
    return (enum kind)i;
}
