#include "workers/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

struct network {
    uint8_t prefix[16];
    unsigned bits;
};

static const struct network refused_4[] = {
    {{169, 254}, 16},           /* link-local (RFC 3927): AWS, Azure, Google, Oracle, OpenStack */
    {{100, 100, 100, 200}, 32}, /* Alibaba */
    {{168, 63, 129, 16}, 32},   /* Azure's platform */
    {{192, 0, 0, 192}, 32},     /* Oracle, classic */
};

static const struct network refused_6[] = {
    {{0xfe, 0x80}, 10},             /* link-local (RFC 4291) */
    {{0xfd, 0x00, 0x0e, 0xc2}, 32}, /* AWS */
    {{0xfd, 0x20, 0x00, 0xce}, 32}, /* Google */
};

/* IPv6 networks that hold the whole of IPv4, and where in the address it stands. */
static const struct embedding {
    struct network network;
    size_t at;
} embeddings[] = {
    {{{[10] = 0xff, [11] = 0xff}, 96}, 12},     /* mapped (RFC 4291) */
    {{{0}, 96}, 12},                            /* compatible (RFC 4291) */
    {{{[0] = 0x00, 0x64, 0xff, 0x9b}, 96}, 12}, /* NAT64 (RFC 6052) */
    {{{0x20, 0x02}, 16}, 2},                    /* 6to4 (RFC 3056) */
};

static bool network_holds(const struct network *network, const uint8_t *address)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->prefix, address, whole)) return false;
    return !rest || !((network->prefix[whole] ^ address[whole]) >> (8 - rest));
}

static bool any_holds(const struct network *networks, size_t count, const uint8_t *address)
{
    for (size_t i = 0; i < count; i++)
        if (network_holds(&networks[i], address)) return true;
    return false;
}

static bool refused_ipv4(const uint8_t *address)
{
    return any_holds(refused_4, ARRAY_LEN(refused_4), address);
}

static bool refused_ipv6(const uint8_t *address)
{
    for (size_t i = 0; i < ARRAY_LEN(embeddings); i++)
        if (network_holds(&embeddings[i].network, address) &&
            refused_ipv4(address + embeddings[i].at))
            return true;
    return any_holds(refused_6, ARRAY_LEN(refused_6), address);
}

bool address_refused(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return refused_ipv4(
            (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    if (address->sa_family == AF_INET6)
        return refused_ipv6(
            (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    return true; /* no provider is reached in another way */
}
