#include "common/ids.h"

#include <sys/random.h>

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
