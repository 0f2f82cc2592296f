#include "deploy/cli/data_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cli/cli.h"

#define LOG_BYTES_MAX  (16 << 20)
#define LOG_TAIL_BYTES 2000

const char *data_folder_path(const struct data_folder *folder, const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    return path;
}

/* mkdir -p. */
static bool make_folders(const char *path)
{
    char part[PATH_MAX];
    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(part, 0777); /* the last one tells whether it worked */
        *slash = '/';
    }
    return !mkdir(part, 0700) || errno == EEXIST;
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;
    if (!dir) return false;
    while (readdir(dir)) count++;
    closedir(dir);
    return count <= 2; /* "." and ".." */
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    return !close(fd) && written;
}

/* True unless somebody else holds it. Tries for a moment: a look by deploy/up locks it too. */
static bool take_lock(int fd)
{
    for (int i = 0; i < 10; i++) {
        if (!flock(fd, LOCK_EX | LOCK_NB)) return true;
        usleep(20000);
    }
    return false;
}

static void say_who_runs(const struct data_folder *folder, int fd)
{
    char pid[32] = "";
    ssize_t len = pread(fd, pid, sizeof(pid) - 1, 0);
    pid[strcspn(pid, "\n")] = '\0';
    complain("Millrace is running already on %s (pid %s): deploy/down --data %s stops it",
             folder->path, len > 0 ? pid : "unknown", folder->path);
}

/* A system that stops removes up.pid, so one that was waited for may be gone: then once more. */
static bool lock_folder(struct data_folder *folder)
{
    for (int i = 0; i < 10; i++) {
        struct stat status;
        int fd = open(data_folder_path(folder, "up.pid"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            complain("cannot write to %s: %s", folder->path, strerror(errno));
            return false;
        }
        if (!take_lock(fd)) {
            say_who_runs(folder, fd);
            close(fd);
            return false;
        }
        folder->lock = fd;
        if (!fstat(fd, &status) && status.st_nlink) return true;
        close(fd);
    }
    return false;
}

bool data_folder_open(const char *path, struct data_folder *folder)
{
    char resolved[PATH_MAX];
    if (!make_folders(path) || !realpath(path, resolved)) {
        complain("cannot make the folder %s: %s", path, strerror(errno));
        return false;
    }
    folder->path = xstrdup(resolved);
    if (is_empty(resolved))
        write_file(data_folder_path(folder, ".millrace"), "made by deploy/up\n");
    if (!lock_folder(folder)) {
        free(folder->path);
        return false;
    }
    mkdir(data_folder_path(folder, "run"), 0755);
    mkdir(data_folder_path(folder, "log"), 0700);
    return true;
}

void data_folder_claim(const struct data_folder *folder, pid_t pid)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", (int)pid);
    if (ftruncate(folder->lock, 0) || pwrite(folder->lock, text, (size_t)len, 0) != len)
        complain("cannot write %s: %s", data_folder_path(folder, "up.pid"), strerror(errno));
}

static void remove_pids(const struct data_folder *folder)
{
    char *run = xstrdup(data_folder_path(folder, "run"));
    DIR *dir = opendir(run);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strstr(entry->d_name, ".pid")) unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) closedir(dir);
    free(run);
}

void data_folder_close(struct data_folder *folder)
{
    remove_pids(folder);
    unlink(data_folder_path(folder, "up.pid"));
    close(folder->lock);
    free(folder->path);
}

/* Renamed into place, so that a reader never meets half a number. */
void data_folder_write_pid(const struct data_folder *folder, const char *name, pid_t pid)
{
    char text[32], path[PATH_MAX], next[PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/run/%s.pid", folder->path, name);
    snprintf(next, sizeof(next), "%s.next", path);
    snprintf(text, sizeof(text), "%d\n", (int)pid);
    if (!write_file(next, text) || rename(next, path))
        complain("cannot write %s: %s", path, strerror(errno));
}

int data_folder_open_log(const struct data_folder *folder, const char *name)
{
    char path[PATH_MAX], before[PATH_MAX + 8];
    struct stat status;
    snprintf(path, sizeof(path), "%s/log/%s.log", folder->path, name);
    snprintf(before, sizeof(before), "%s.1", path);
    if (!stat(path, &status) && status.st_size > LOG_BYTES_MAX) rename(path, before);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) complain("cannot write %s: %s", path, strerror(errno));
    return fd;
}

void data_folder_show_log(const struct data_folder *folder, const char *name)
{
    char path[PATH_MAX], tail[LOG_TAIL_BYTES + 1];
    snprintf(path, sizeof(path), "%s/log/%s.log", folder->path, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t len = pread(fd, tail, LOG_TAIL_BYTES, MAX(size - LOG_TAIL_BYTES, (off_t)0));
    close(fd);
    tail[MAX(len, 0)] = '\0';
    fprintf(stderr, "the end of %s:\n%s", path, tail);
}
