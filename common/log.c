#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 2048

static const char *const levels[] = {"error", "warn", "info", "debug"};
static const char *process_name = "millrace";
static enum log_level threshold = LOG_INFO;

void log_open(const char *process, const char *level)
{
    process_name = process;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (!strcmp(level, levels[i])) threshold = (enum log_level)i;
}

bool log_wants(enum log_level level)
{
    return level <= threshold;
}

static size_t write_prefix(enum log_level level, char *line)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(line, LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    return len + (size_t)snprintf(line + len, LINE_BYTES - len, ".%03ldZ %s %s ",
                                  now.tv_nsec / 1000000, levels[level], process_name);
}

/* One write a line, so that lines of several processes in one file stay whole. */
void log_write(enum log_level level, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    if (!log_wants(level)) return;
    size_t len = write_prefix(level, line);
    va_start(args, format);
    int wanted = vsnprintf(line + len, sizeof(line) - len, format, args);
    va_end(args);
    len = MIN(len + (size_t)MAX(wanted, 0), sizeof(line) - 1);
    for (size_t i = 0; i < len; i++)
        if (line[i] == '\n' || line[i] == '\r') line[i] = ' ';
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0) return;
}
