#include "deploy/cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fputs("millrace: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

bool parse_whole(const char *what, const char *text, uint64_t least, uint64_t most,
                 uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    uint64_t value = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
    if (!end || *end || errno || value < least || value > most) {
        complain("%s %s is wrong: allowed is %" PRIu64 " to %" PRIu64, what, text, least, most);
        return false;
    }
    *number = value;
    return true;
}
