/* Logs: one line an event on standard error, `time level process message key=value ...`. Questions,
 * passages, answers, keys and tokens are never logged; ids, sizes, codes and times are. */
#ifndef MILLRACE_COMMON_LOG_H
#define MILLRACE_COMMON_LOG_H

#include "common/errors.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* `level` is one of "error", "warn", "info", "debug"; `process` stays the caller's and must live
 * on. */
void log_open(const char *process, const char *level);
bool log_wants(enum log_level level);
void log_write(enum log_level level, const char *format, ...) PRINTF(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                               \
    do {                                                             \
        if (log_wants(LOG_DEBUG)) log_write(LOG_DEBUG, __VA_ARGS__); \
    } while (0)

#endif
