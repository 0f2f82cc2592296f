#include "workers/alive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

static bool touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    bool touched = futimens(fd, NULL) == 0;
    close(fd);
    return touched;
}

void alive_show(struct alive *alive, uint64_t now_ms)
{
    if (!*alive->path || (alive->shown_ms && now_ms - alive->shown_ms < ALIVE_EVERY_MS)) return;
    alive->shown_ms = now_ms;
    if (touch(alive->path)) return;
    log_warn("health checks will fail file=%s reason=\"%s\"", alive->path, strerror(errno));
    alive->path = "";
}
