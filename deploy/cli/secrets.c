#include "deploy/cli/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sealing.h"
#include "deploy/cli/cli.h"

static bool fail(const char *what, const char *path)
{
    complain("cannot %s %s: %s", what, path, strerror(errno));
    return false;
}

bool secret_read(const char *folder, const char *name, char text[SECRET_SIZE])
{
    char path[PATH_MAX];
    *text = '\0';
    snprintf(path, sizeof(path), "%s/secrets/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || fail("read", path);
    ssize_t len = read(fd, text, SECRET_SIZE - 1);
    close(fd);
    if (len < 0) return fail("read", path);
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return true;
}

static bool write_all(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool written = !fchmod(fd, 0600) && dprintf(fd, "%s\n", text) > 0 && !fsync(fd);
    return !close(fd) && written;
}

/* Renamed into place: half a key would lock out everything that it seals. */
static bool make(const char *folder, const char *name, char text[SECRET_SIZE])
{
    char path[PATH_MAX], next[PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/secrets", folder);
    if (mkdir(path, 0700) && errno != EEXIST) return fail("make", path);
    snprintf(path, sizeof(path), "%s/secrets/%s", folder, name);
    snprintf(next, sizeof(next), "%s.next", path);
    _Static_assert(SECRET_SIZE >= SEALING_KEY_SIZE, "a key fits");
    sealing_key_make(text);
    return (write_all(next, text) && !rename(next, path)) || fail("write", path);
}

bool secret_read_or_make(const char *folder, const char *name, char text[SECRET_SIZE])
{
    return secret_read(folder, name, text) && (*text || make(folder, name, text));
}
