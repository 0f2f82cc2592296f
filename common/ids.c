#include "common/ids.h"

#include <stdio.h>
#include <sys/random.h>

#include "common/clock.h"

#define TIME_DIGITS 12

static unsigned char pool[4096];
static size_t used = sizeof(pool);

static void refill(void)
{
    size_t got = 0;
    while (got < sizeof(pool)) {
        ssize_t n = getrandom(pool + got, sizeof(pool) - got, 0);
        if (n > 0) got += (size_t)n;
    }
    used = 0;
}

void id_random(char *out, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    if (sizeof(pool) - used < digits / 2) refill();
    for (size_t i = 0; i < digits / 2; i++) {
        unsigned char byte = pool[used++];
        *out++ = hex[byte >> 4];
        *out++ = hex[byte & 15];
    }
    *out = '\0';
}

void id_ordered(char out[ID_SIZE])
{
    snprintf(out, ID_SIZE, "%0*jx", TIME_DIGITS, (uintmax_t)clock_wall_ms());
    id_random(out + TIME_DIGITS, ID_SIZE - 1 - TIME_DIGITS);
}
