/* SHA-256 (FIPS 180-4): names content in cache keys, digests and "is it still the same" checks. */
#ifndef MILLRACE_COMMON_SHA256_H
#define MILLRACE_COMMON_SHA256_H

#include "common/base.h"

#define SHA256_BYTES 32
#define SHA256_HEX   (2 * SHA256_BYTES)

struct sha256 {
    uint32_t state[8];
    uint64_t bytes; /* taken so far */
    uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, struct slice bytes);
/* Adds the length first, so that neighbours can't flow into each other: "ab","c" is not "a","bc".
 */
void sha256_add_field(struct sha256 *sha, struct slice bytes);
void sha256_end(struct sha256 *sha, uint8_t digest[SHA256_BYTES]);
/* Lower-case hexadecimal, with a NUL behind it. */
void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX + 1]);

#endif
