#include "proto/frame_check.h"

/* The first bytes that are followed by a number, and what that number counts. The others are fixed:
 * see value_follows(). */
enum counts { COUNTS_NOTHING, COUNTS_BYTES, COUNTS_ITEMS, COUNTS_PAIRS };

static const struct {
    unsigned char width; /* of the number, big-endian */
    unsigned char extra; /* bytes behind it that are always there */
    unsigned char counts;
} long_values[0x20] = {
    /* from 0xC0 on */
    [0x04] = {1, 0, COUNTS_BYTES},
    [0x05] = {2, 0, COUNTS_BYTES},
    [0x06] = {4, 0, COUNTS_BYTES}, /* bin */
    [0x07] = {1, 1, COUNTS_BYTES},
    [0x08] = {2, 1, COUNTS_BYTES},
    [0x09] = {4, 1, COUNTS_BYTES}, /* ext */
    [0x0A] = {0, 4},
    [0x0B] = {0, 8}, /* float */
    [0x0C] = {0, 1},
    [0x0D] = {0, 2},
    [0x0E] = {0, 4},
    [0x0F] = {0, 8}, /* uint */
    [0x10] = {0, 1},
    [0x11] = {0, 2},
    [0x12] = {0, 4},
    [0x13] = {0, 8}, /* int */
    [0x14] = {0, 2},
    [0x15] = {0, 3},
    [0x16] = {0, 5},
    [0x17] = {0, 9},
    [0x18] = {0, 17}, /* fixext */
    [0x19] = {1, 0, COUNTS_BYTES},
    [0x1A] = {2, 0, COUNTS_BYTES},
    [0x1B] = {4, 0, COUNTS_BYTES}, /* str */
    [0x1C] = {2, 0, COUNTS_ITEMS},
    [0x1D] = {4, 0, COUNTS_ITEMS}, /* array */
    [0x1E] = {2, 0, COUNTS_PAIRS},
    [0x1F] = {4, 0, COUNTS_PAIRS}, /* map */
};

/* What follows a value's first byte: bytes of its own, and values inside it. */
struct follows {
    uint64_t bytes, values;
};

static uint64_t read_number(const unsigned char *at, size_t width)
{
    uint64_t number = 0;
    for (size_t i = 0; i < width; i++) number = number << 8 | at[i];
    return number;
}

/* False when the number itself is cut. `rest` is behind the first byte. */
static bool long_value(unsigned char first, const unsigned char *rest, size_t left,
                       struct follows *follows)
{
    size_t width = long_values[first - 0xC0].width;
    if (width > left) return false;
    uint64_t number = read_number(rest, width);
    follows->bytes = width + long_values[first - 0xC0].extra;
    switch (long_values[first - 0xC0].counts) {
    case COUNTS_BYTES: follows->bytes += number; break;
    case COUNTS_ITEMS: follows->values = number; break;
    case COUNTS_PAIRS: follows->values = 2 * number; break;
    default: break;
    }
    return true;
}

static bool value_follows(const unsigned char *at, size_t left, struct follows *follows)
{
    unsigned char first = *at;
    *follows = (struct follows){0};
    if (first >= 0xC0 && first < 0xE0) return long_value(first, at + 1, left - 1, follows);
    if (first >= 0x80 && first < 0x90) follows->values = 2u * (first & 0x0F);
    if (first >= 0x90 && first < 0xA0) follows->values = first & 0x0F;
    if (first >= 0xA0 && first < 0xC0) follows->bytes = first & 0x1F;
    return true;
}

bool frame_is_whole(struct slice bytes)
{
    return bytes.len && frame_value_length(bytes) == bytes.len;
}

size_t frame_value_length(struct slice bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    uint64_t left = bytes.len, wanted = 1;
    struct follows follows;
    while (wanted) {
        if (!left || !value_follows(at, left, &follows)) return 0;
        if (follows.bytes > left - 1) return 0;
        at += 1 + follows.bytes;
        left -= 1 + follows.bytes;
        wanted += follows.values - 1;
        if (wanted > left) return 0; /* a value takes a byte at least */
    }
    return bytes.len - left;
}
