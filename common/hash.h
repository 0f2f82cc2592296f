/* Hashes for tables and for spreading work; not for secrets. FNV-1a (Fowler, Noll, Vo), and the
 * finaliser of SplitMix (Steele et al.), in which every input bit moves every output bit. */
#ifndef MILLRACE_COMMON_HASH_H
#define MILLRACE_COMMON_HASH_H

#include "common/base.h"

static inline uint32_t hash_fnv32(struct slice bytes)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes.len; i++) hash = (hash ^ (uint8_t)bytes.ptr[i]) * 16777619u;
    return hash;
}

/* `seed` 0 is FNV-1a itself; another seed, another function. */
static inline uint64_t hash_fnv64(struct slice bytes, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (uint8_t)bytes.ptr[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static inline uint64_t hash_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#endif
